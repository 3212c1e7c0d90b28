package store

import "math/rand/v2"

// trimShare sets the average surplus: one record for each trimShare records to keep.
const trimShare = 16

// TrimDue reports whether a Put has to look for records beyond the newest keep. Finding
// them reads an index entry for each record to keep, so only one call in keep/16,
// chosen at random, looks for them: a call then reads 16 entries on average, and there
// are keep/16 records too many on average.
func TrimDue(keep int) bool { return rand.N(max(keep/trimShare, 1)) == 0 }
