package rabbitbus

import "time"

// Renewing is cfg with subscriptions that last no longer than every.
func Renewing(cfg Config, every time.Duration) Config {
	cfg.renew = every
	return cfg
}
