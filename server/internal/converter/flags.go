package converter

import (
	"runtime"

	"github.com/spf13/pflag"

	"github.com/soundextract/sx/server/internal/settings"
)

// Load is how much a converter does at the same time.
type Load struct {
	Encoders    int // encoder processes, at least 1
	Conversions int // open conversions, at least 2; see Config
}

// Flags are the flags of Load.
type Flags struct {
	load Load
}

// Add adds the flags to a program's.
func (f *Flags) Add(flags *pflag.FlagSet) {
	flags.IntVar(&f.load.Encoders, "encoders", 0, "maximum `number` of encoder processes, at most one for each available CPU; 0 means one for each")
	flags.IntVar(&f.load.Conversions, "conversions", 0, "maximum `number` of open conversions, at least 2, which share the encoders; 0 means two more than there are encoders")
}

// Load validates the flags. An error is an *sx.Error that names the setting and its
// variable, which starts with prefix.
//
// The available CPUs are Go's default for GOMAXPROCS: those of the machine or the
// process's affinity, or the CPU limit of its cgroup (v1 or v2), rounded up. Go
// counts a limit below 2 as 2, which suits a conversion: while one encoder works,
// the other one's PCM is decoded.
func (f *Flags) Load(prefix string) (Load, error) {
	l := f.load
	if l.Encoders < 0 {
		return Load{}, settings.Invalid(prefix, "encoders", "%d is less than 0", l.Encoders)
	}
	if l.Conversions < 0 || l.Conversions == 1 {
		return Load{}, settings.Invalid(prefix, "conversions", "%d is neither 0 nor at least 2", l.Conversions)
	}
	if cpus := runtime.GOMAXPROCS(0); l.Encoders == 0 || l.Encoders > cpus {
		l.Encoders = cpus
	}
	if l.Conversions == 0 {
		l.Conversions = l.Encoders + 2
	}
	return l, nil
}
