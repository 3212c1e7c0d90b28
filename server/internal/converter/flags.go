package converter

import (
	"runtime"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/pflag"

	"github.com/soundextract/sx/server/internal/memory"
	"github.com/soundextract/sx/server/internal/settings"
)

// Load is how much a converter does at the same time.
type Load struct {
	Encoders    int // encoder processes, at least 1
	Conversions int // open conversions, at least 2; see Config
	// Memory is what the program that reads a video may allocate, and Own what this
	// process may use, both in bytes; 0 means that there is no limit to derive them from.
	Memory, Own int64
}

// User is the user that ffmpeg runs as; the zero value is that of this process.
type User struct{ UID, GID int }

// Flags are the flags of a converter.
type Flags struct {
	load  Load
	user  string
	drain time.Duration
}

// Add adds the flags to a program's.
func (f *Flags) Add(flags *pflag.FlagSet) {
	flags.IntVar(&f.load.Encoders, "encoders", 0, "maximum `number` of encoder processes, at most one for each available CPU; 0 means one for each")
	flags.IntVar(&f.load.Conversions, "conversions", 0, "maximum `number` of open conversions, at least 2, which share the encoders; 0 means two more than there are encoders")
	flags.DurationVar(&f.drain, "drain", 0, "how long conversions may continue after SIGTERM, such as 30m; jobs that have not ended are handed back")
	flags.StringVar(&f.user, "ffmpeg-user", "", "`UID[:GID]` of the user that ffmpeg runs as, on Linux; needs root or the capabilities SETUID, SETGID and KILL")
}

// Drain validates the flag; see Load.
func (f *Flags) Drain(prefix string) (time.Duration, error) {
	if f.drain < 0 {
		return 0, settings.Invalid(prefix, "drain", "%s is less than 0", f.drain)
	}
	return f.drain, nil
}

// User validates the flag; see Load.
func (f *Flags) User(prefix string) (User, error) {
	if f.user == "" {
		return User{}, nil
	}
	uid, gid, ok := strings.Cut(f.user, ":")
	if !ok {
		gid = uid
	}
	u, err1 := strconv.ParseUint(uid, 10, 31)
	g, err2 := strconv.ParseUint(gid, 10, 31)
	if err1 != nil || err2 != nil || u == 0 || g == 0 {
		return User{}, settings.Invalid(prefix, "ffmpeg-user", "%q is not a UID or UID:GID greater than 0", f.user)
	}
	return User{UID: int(u), GID: int(g)}, nil
}

// Load validates the flags. An error is an *sx.Error that names the setting and its
// variable, which starts with prefix.
//
// The available CPUs are Go's default for GOMAXPROCS: those of the machine or the
// process's affinity, or the CPU limit of its cgroup (v1 or v2), rounded up. Go
// counts a limit below 2 as 2, which suits a conversion: while one encoder works,
// the other one's PCM is decoded. A memory limit of the cgroup reduces both numbers.
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
	return l.Within(memory.Limit()), nil
}

// How a container's memory is divided, in bytes. 8K video needs less than 64 MiB to be
// read; an encoder less than 32 MiB, and as much for the PCM that it works on.
const (
	ownMemory        = 128 << 20 // of this process, besides the encoders' PCM
	encoderMemory    = 64 << 20
	conversionMemory = 256 << 20 // of an open conversion, at least
)

// Within returns the load that fits into a number of bytes: encoders for half of it, and
// the open conversions share the rest. 0 is no limit. With too few bytes for one encoder and
// two conversions (704 MiB), large videos in the only two conversions may exceed them.
func (l Load) Within(bytes int64) Load {
	if bytes <= 0 {
		return l
	}
	l.Encoders = max(1, min(l.Encoders, int((min(bytes/2, bytes-2*conversionMemory)-ownMemory)/encoderMemory)))
	l.Own = ownMemory + int64(l.Encoders)*encoderMemory/2
	rest := bytes - ownMemory - int64(l.Encoders)*encoderMemory
	l.Conversions = max(2, min(l.Conversions, int(rest/conversionMemory)))
	l.Memory = max(rest/int64(l.Conversions), conversionMemory)
	return l
}
