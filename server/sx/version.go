package sx

// The commit that a program was built from. The release build sets all three with
// the linker; other builds keep these values.
var (
	// Version is the release without a leading v, such as 1.2.3, or the output of
	// git describe for other commits.
	Version = "dev"
	// Commit is the commit's full hash.
	Commit = ""
	// Date is the commit's time in RFC 3339 format, UTC. It is not the build time,
	// so that builds are reproducible.
	Date = ""
)
