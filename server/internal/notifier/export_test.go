package notifier

// The address filter against SSRF, for its tests.
var (
	IsPublic  = isPublic
	IsAllowed = isAllowed
)
