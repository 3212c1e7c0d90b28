package store

import "time"

// ClockSkew is how much the clocks of the processes that share a store may differ.
const ClockSkew = 4 * time.Minute
