package sx

// Version is the release, set when a release is built.
var Version = "dev"
