package open

// Run is the command's default run function.
var Run = runOpen
