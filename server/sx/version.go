package sx

// What a program says of the commit it was built from. The linker sets all
// three; a program built in any other way keeps these values.
var (
	// Version is the release without a leading v, such as 1.2.3, or for any other
	// build what git describe says of the commit.
	Version = "dev"
	// Commit is the commit's full hash.
	Commit = ""
	// Date is the commit's time in RFC 3339, UTC. It is not that of the build, so
	// that the same commit gives the same program.
	Date = ""
)
