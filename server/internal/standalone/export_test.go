package standalone

// Serve is Run with a registry for the metrics.
var Serve = serve
