package notifier

// Public and Allowed are what decides where webhooks lead.
var (
	Public  = public
	Allowed = allowed
)
