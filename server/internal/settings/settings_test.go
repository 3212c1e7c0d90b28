package settings_test

import (
	"bytes"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/spf13/pflag"

	"github.com/soundextract/sx/server/internal/settings"
	"github.com/soundextract/sx/server/sx"
)

type values struct {
	addr  string
	quota settings.Bytes
	grace time.Duration
}

func parse(t *testing.T, env map[string]string, args ...string) (values, string, error) {
	t.Helper()
	v := values{quota: 5 << 30}
	flags := pflag.NewFlagSet("sxd", pflag.ContinueOnError)
	flags.StringVar(&v.addr, "addr", "127.0.0.1:1", "listen `address`")
	flags.Var(&v.quota, "quota", "bytes a user may keep")
	flags.DurationVar(&v.grace, "drain-grace", time.Second, "time to finish")
	var help bytes.Buffer
	err := settings.Parse(flags, "SXD", args, func(k string) string { return env[k] }, &help)
	return v, help.String(), err
}

func TestPrecedence(t *testing.T) {
	t.Parallel()
	env := map[string]string{"SXD_ADDR": "env:1", "SXD_DRAIN_GRACE": "3s"}
	v, _, err := parse(t, env, "--addr", "flag:1", "--quota=2.5GB")
	if err != nil {
		t.Fatal(err)
	}
	if v.addr != "flag:1" || v.grace != 3*time.Second || v.quota != 2_500_000_000 {
		t.Errorf("got %+v", v)
	}
	if v, _, err = parse(t, nil); err != nil || v.addr != "127.0.0.1:1" || v.quota != 5<<30 {
		t.Errorf("defaults: %+v, %v", v, err)
	}
}

func TestInvalidSettings(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name string
		env  map[string]string
		args []string
		want string
	}{
		{"flag", nil, []string{"--quota", "lots"}, "--quota"},
		{"variable", map[string]string{"SXD_DRAIN_GRACE": "soon"}, nil, "SXD_DRAIN_GRACE"},
		{"unknown flag", nil, []string{"--colour"}, "--colour"},
		{"word", nil, []string{"up"}, `"up"`},
		{"negative size", map[string]string{"SXD_QUOTA": "-1"}, nil, "SXD_QUOTA"},
		{"size too large", map[string]string{"SXD_QUOTA": "99999999TiB"}, nil, "SXD_QUOTA"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			_, _, err := parse(t, c.env, c.args...)
			if sx.CodeOf(err) != sx.CodeInvalid || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v, want code invalid naming %s", err, c.want)
			}
		})
	}
}

func TestHelp(t *testing.T) {
	t.Parallel()
	_, help, err := parse(t, nil, "--help")
	if !errors.Is(err, pflag.ErrHelp) || !strings.Contains(help, "--quota size") || !strings.Contains(help, "5GiB") {
		t.Errorf("%v\n%s", err, help)
	}
}

func TestBytes(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		"0": "0", "1024": "1KiB", "1KiB": "1KiB", "1.5 GiB": "1536MiB", "1500": "1500", "1kB": "1000", "7B": "7",
	} {
		var b settings.Bytes
		if err := b.Set(in); err != nil || b.String() != want {
			t.Errorf("Set(%q): %v, String() = %q, want %q", in, err, b.String(), want)
		}
	}
}

func TestNetworks(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		"": "", "10.1.2.3/8": "10.0.0.0/8", "10.0.0.0/8 , fd00::1/8,": "10.0.0.0/8,fd00::/8",
	} {
		var n settings.Networks
		if err := n.Set(in); err != nil || n.String() != want {
			t.Errorf("Set(%q): %v, String() = %q, want %q", in, err, n.String(), want)
		}
	}
	for _, in := range []string{"10.0.0.1", "10.0.0.0/33", "intranet"} {
		if err := new(settings.Networks).Set(in); err == nil {
			t.Errorf("%q is accepted", in)
		}
	}
}
