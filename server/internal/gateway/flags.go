package gateway

import (
	"time"

	"github.com/spf13/pflag"

	"github.com/soundextract/sx/server/internal/settings"
	"github.com/soundextract/sx/server/sx"
)

// Flags are the flags that the gateway and sxd have in common.
type Flags struct {
	quota, maxUpload       settings.Bytes
	uploads, perDay        int
	videos, failed, tracks settings.Period
}

// Add adds the flags to a program's.
func (f *Flags) Add(flags *pflag.FlagSet) {
	flags.Var(&f.quota, "quota", "storage quota of an account, such as 50GiB; 0 means no limit")
	flags.Var(&f.maxUpload, "max-upload", "maximum size of a video, such as 20GiB; 0 means no limit")
	flags.IntVar(&f.uploads, "max-open-uploads", DefaultMaxOpenUploads, "maximum `number` of unfinished uploads of an account; 0 means no limit")
	flags.IntVar(&f.perDay, "jobs-per-day", 0, "maximum `number` of jobs that an account creates on a UTC day; 0 means no limit")
	kept := sx.DefaultRetention()
	f.videos, f.failed, f.tracks = settings.Period(kept.Videos), settings.Period(kept.Failed), settings.Period(kept.Tracks)
	flags.Var(&f.videos, "retention-videos", "how long videos are kept after their conversion, such as 7d; 0 means forever")
	flags.Var(&f.failed, "retention-failed", "how long failed, cancelled and expired jobs are kept, with their videos, such as 30d; 0 means forever")
	flags.Var(&f.tracks, "retention-tracks", "how long MP3s and their jobs are kept, such as 365d; 0 means forever")
}

// DefaultMaxOpenUploads is the default of the setting max-open-uploads.
const DefaultMaxOpenUploads = 1000

// Settings are the operator's settings for accounts and files.
type Settings struct {
	MaxUpload int64 // bytes of one file; 0 is no limit
	// Quota and Retention apply to accounts without their own.
	Quota     sx.Quota
	Retention sx.Retention
}

// Settings validates the flags. An error is an *sx.Error that names the setting and its
// variable, which starts with prefix.
func (f *Flags) Settings(prefix string) (Settings, error) {
	for name, n := range map[string]int{"max-open-uploads": f.uploads, "jobs-per-day": f.perDay} {
		if n < 0 {
			return Settings{}, settings.Invalid(prefix, name, "%d is less than 0", n)
		}
	}
	return Settings{
		MaxUpload: int64(f.maxUpload),
		Quota:     sx.Quota{Bytes: int64(f.quota), Uploads: f.uploads, JobsPerDay: f.perDay},
		Retention: sx.Retention{Videos: time.Duration(f.videos), Failed: time.Duration(f.failed), Tracks: time.Duration(f.tracks)},
	}, nil
}
