package store

import "math/rand/v2"

// trimShare sets the average surplus: one for each trimShare to keep.
const trimShare = 16

// TrimDue reports whether a Put of so many, usually one, has to look for what is beyond the
// newest keep. Finding it reads an index entry for each record to keep, so only one in keep/16
// that are put, chosen at random, is a reason to look: a Put then reads 16 entries for each on
// average, and there are keep/16 too many on average.
func TrimDue(keep, put int) bool { return rand.N(max(keep/trimShare, 1)) < put }
