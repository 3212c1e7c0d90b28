package converter_test

import (
	"runtime"
	"strconv"
	"strings"
	"testing"

	"github.com/spf13/pflag"

	"github.com/soundextract/sx/server/internal/converter"
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
		if got != tt.want || (err == nil) != (tt.err == "") {
			t.Errorf("%v: got %+v, %v; want %+v", tt.args, got, err, tt.want)
		}
		if err != nil && (sx.CodeOf(err) != sx.CodeInvalid || !strings.Contains(sx.AsError(err).Hint, tt.err)) {
			t.Errorf("%v: error %v, hint %q", tt.args, err, sx.AsError(err).Hint)
		}
	}
}
