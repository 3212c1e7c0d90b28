package rabbitbus

import "time"

// Renewing returns cfg with subscriptions that are renewed at the interval.
func Renewing(cfg Config, interval time.Duration) Config {
	cfg.renew = interval
	return cfg
}
