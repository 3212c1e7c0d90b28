package gateway

// Sweep is sweep for tests: two rounds of Run are ten minutes apart.
var Sweep = (*Service).sweep
