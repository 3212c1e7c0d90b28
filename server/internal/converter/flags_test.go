package converter_test

import (
	"runtime"
	"strconv"
	"strings"
	"testing"

	"github.com/spf13/pflag"

	"github.com/soundextract/sx/server/internal/converter"
	"github.com/soundextract/sx/server/internal/memory"
	"github.com/soundextract/sx/server/sx"
)

func TestLoad(t *testing.T) {
	t.Parallel()
	cpus := runtime.GOMAXPROCS(0)
	for _, tt := range []struct {
		args []string
		want converter.Load
		err  string // a part of it
	}{
		{nil, converter.Load{Encoders: cpus, Conversions: cpus + 2}, ""},
		{[]string{"--encoders=1"}, converter.Load{Encoders: 1, Conversions: 3}, ""},
		{[]string{"--encoders=1", "--conversions=2"}, converter.Load{Encoders: 1, Conversions: 2}, ""},
		{[]string{"--encoders=" + strconv.Itoa(cpus+1)}, converter.Load{Encoders: cpus, Conversions: cpus + 2}, ""},
		{[]string{"--conversions=50"}, converter.Load{Encoders: cpus, Conversions: 50}, ""},
		{[]string{"--conversions=1"}, converter.Load{}, "SX_CONVERSIONS"},
		{[]string{"--conversions=-2"}, converter.Load{}, "SX_CONVERSIONS"},
		{[]string{"--encoders=-1"}, converter.Load{}, "SX_ENCODERS"},
	} {
		var f converter.Flags
		flags := pflag.NewFlagSet("converter", pflag.ContinueOnError)
		f.Add(flags)
		if err := flags.Parse(tt.args); err != nil {
			t.Fatal(err)
		}
		got, err := f.Load("SX")
		if tt.err == "" {
			tt.want = tt.want.Within(memory.Limit()) // the test may run in a container
		}
		if got != tt.want || (err == nil) != (tt.err == "") {
			t.Errorf("%v: got %+v, %v; want %+v", tt.args, got, err, tt.want)
		}
		if err != nil && (sx.CodeOf(err) != sx.CodeInvalid || !strings.Contains(sx.AsError(err).Hint, tt.err)) {
			t.Errorf("%v: error %v, hint %q", tt.args, err, sx.AsError(err).Hint)
		}
	}
}

// TestLoadWithin checks that what the encoders, the open conversions and the process may use
// fits into the memory.
func TestLoadWithin(t *testing.T) {
	t.Parallel()
	const mib = 1 << 20
	for bytes, tt := range map[int64]struct{ load, want converter.Load }{
		0:           {converter.Load{Encoders: 4, Conversions: 6}, converter.Load{Encoders: 4, Conversions: 6}},
		2048 * mib:  {converter.Load{Encoders: 4, Conversions: 6}, converter.Load{Encoders: 4, Conversions: 6, Memory: 1664 * mib / 6, Own: 256 * mib}},
		2049 * mib:  {converter.Load{Encoders: 64, Conversions: 66}, converter.Load{Encoders: 14, Conversions: 4, Memory: 1025 * mib / 4, Own: 576 * mib}},
		16384 * mib: {converter.Load{Encoders: 2, Conversions: 4}, converter.Load{Encoders: 2, Conversions: 4, Memory: 16128 * mib / 4, Own: 192 * mib}},
		704 * mib:   {converter.Load{Encoders: 2, Conversions: 4}, converter.Load{Encoders: 1, Conversions: 2, Memory: 256 * mib, Own: 160 * mib}},
		256 * mib:   {converter.Load{Encoders: 2, Conversions: 4}, converter.Load{Encoders: 1, Conversions: 2, Memory: 256 * mib, Own: 160 * mib}},
	} {
		got := tt.load.Within(bytes)
		if got != tt.want {
			t.Errorf("%d MiB: got %+v, want %+v", bytes/mib, got, tt.want)
		}
		const least = 704
		if used := 128*mib + int64(got.Encoders)*64*mib + int64(got.Conversions)*got.Memory; bytes >= least*mib && used > bytes {
			t.Errorf("%d MiB: %d MiB may be used", bytes/mib, used/mib)
		}
	}
}

func TestUser(t *testing.T) {
	t.Parallel()
	for value, want := range map[string]converter.User{
		"": {}, "65534": {UID: 65534, GID: 65534}, "1000:100": {UID: 1000, GID: 100},
		"0": {}, "nobody": {}, "1000:": {}, ":100": {}, "-1": {}, "1000:0": {}, "4294967295": {},
	} {
		var f converter.Flags
		flags := pflag.NewFlagSet("converter", pflag.ContinueOnError)
		f.Add(flags)
		if err := flags.Parse([]string{"--ffmpeg-user=" + value}); err != nil {
			t.Fatal(err)
		}
		got, err := f.User("SX")
		if got != want || (err != nil) != (value != "" && want == converter.User{}) {
			t.Errorf("%q: got %+v, %v; want %+v", value, got, err, want)
		}
	}
}
