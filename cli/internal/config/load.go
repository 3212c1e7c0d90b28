package config

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/pflag"
	"github.com/spf13/viper"

	"github.com/soundextract/sx/install/nextcmd"
	"github.com/soundextract/sx/server/api"
	"github.com/soundextract/sx/server/sx"
)

// Load merges the settings. Flags with the name of a setting count if they were
// given; flags may be nil. If a value is not valid, the error is an *sx.Error of code
// invalid that names its source.
func Load(flags *pflag.FlagSet) (*Config, error) {
	path, err := Path()
	if err != nil {
		return nil, err
	}
	file, err := ReadFile(path)
	if err != nil {
		return nil, err
	}
	l, err := newLoader(file, flags)
	if err != nil {
		return nil, err
	}
	c := &Config{}
	if path != "" {
		c.Dir = filepath.Dir(path)
	}
	if c.StateDir, err = StateDir(); err != nil {
		return nil, err
	}
	if err := l.all(c); err != nil {
		return nil, err
	}
	return c, nil
}

// all reads all settings.
func (l *loader) all(c *Config) error {
	for _, read := range []func(*Config) error{l.server, l.parallel, l.retryTimeout, l.credentials, l.preset, l.output, l.token} {
		if err := read(c); err != nil {
			return err
		}
	}
	return nil
}

// loader reads typed settings and remembers where each came from.
type loader struct {
	file  *File
	flags *pflag.FlagSet
	viper *viper.Viper
	env   map[string]string // key to variable
}

func newLoader(file *File, flags *pflag.FlagSet) (*loader, error) {
	l := &loader{file: file, flags: flags, viper: viper.New(), env: map[string]string{}}
	l.viper.SetConfigType("yaml")
	if err := l.viper.ReadConfig(bytes.NewReader(file.raw)); err != nil {
		return nil, file.wrong("is not valid: %s", err)
	}
	for _, s := range Settings() {
		l.env[s.Key] = s.Env
		l.viper.SetDefault(s.Key, s.Default)
		if err := l.viper.BindEnv(s.Key, s.Env); err != nil {
			return nil, fmt.Errorf("bind %s: %w", s.Env, err)
		}
		if flag := l.flag(s.Key); flag != nil {
			if err := l.viper.BindPFlag(s.Key, flag); err != nil {
				return nil, fmt.Errorf("bind --%s: %w", s.Key, err)
			}
		}
	}
	return l, nil
}

// flag returns the flag of a setting. The flag --context of the cluster commands is
// not the setting, but a context of the kubeconfig; commands read --preset and --output
// themselves, because - and files are allowed there.
func (l *loader) flag(key string) *pflag.Flag {
	if l.flags == nil || slices.Contains([]string{keyContext, keyPreset, keyOutput}, key) {
		return nil
	}
	return l.flags.Lookup(key)
}

// find returns a setting's value and its source. Viper selects the value but does
// not report its source; tests check that both follow the same precedence.
func (l *loader) find(key string) Value {
	v := Value{Key: key, Value: strings.TrimSpace(l.viper.GetString(key)), Source: sourceDefault}
	switch flag := l.flag(key); {
	case flag != nil && flag.Changed:
		v.Source = "flag"
	case os.Getenv(l.env[key]) != "": // viper ignores an empty variable too
		v.Source = l.env[key]
	case l.viper.InConfig(key):
		v.Source = l.file.Path
	case v.Value == "":
		v.Source = "not set"
	}
	return v
}

func (v Value) wrong(want string) error {
	where := v.Source
	if where == "flag" {
		where = "--" + v.Key
	}
	return sx.NewError(sx.CodeInvalid, "%s: invalid %s %q", where, v.Key, v.Value).WithHint("use %s", want)
}

func (l *loader) server(c *Config) error {
	server, current := l.find(keyServer), l.find(keyContext)
	if server.Value == "" && current.Value != "" {
		known, ok := l.file.Contexts[current.Value]
		if !ok {
			return l.file.noContext(current.Value)
		}
		server.Value, server.Source = known.URL(), "context "+current.Value
		c.Installation = known.Kubernetes
		if known.Server == "" {
			c.Kubernetes = known.Kubernetes
		}
	}
	server.Value = strings.TrimRight(server.Value, "/")
	c.Server, c.Account = server.Value, server.Value
	// The address of a context selects that context, and so its sign-ins.
	if known, ok := l.file.At(server.Value, current.Value); ok {
		c.Account, c.Data = known.ID(), known.Data
	}
	c.Values = append(c.Values, server, current)
	if c.Kubernetes != (Kubernetes{}) {
		c.Values = append(c.Values, Value{Key: keyKubernetes, Value: c.Kubernetes.String(), Source: server.Source})
	}
	return nil
}

func (l *loader) parallel(c *Config) error {
	v := l.find(keyParallel)
	n, err := strconv.Atoi(v.Value)
	if err != nil || n < 1 || n > 64 {
		return v.wrong("a whole number from 1 to 64")
	}
	c.Parallel, c.Values = n, append(c.Values, v)
	return nil
}

func (l *loader) retryTimeout(c *Config) error {
	v := l.find(keyRetryTimeout)
	d, err := time.ParseDuration(v.Value)
	if err != nil || d < 0 {
		return v.wrong("a duration such as 90s, 15m or 2h")
	}
	c.RetryTimeout, c.Values = d, append(c.Values, v)
	return nil
}

func (l *loader) credentials(c *Config) error {
	v := l.find(keyCredentials)
	if v.Value != CredentialsAuto && v.Value != CredentialsFile {
		return v.wrong("auto or file")
	}
	c.Credentials, c.Values = v.Value, append(c.Values, v)
	return nil
}

func (l *loader) preset(c *Config) error {
	v := l.find(keyPreset)
	if v.Value != "" && !slices.Contains(sx.Presets(), sx.Preset(v.Value)) {
		return v.wrong("speech, standard, high or small")
	}
	c.Preset, c.Values = v.Value, append(c.Values, v)
	return nil
}

func (l *loader) output(c *Config) error {
	v := l.find(keyOutput)
	if v.Value == "-" {
		return v.wrong("the path of a directory")
	}
	c.Output, c.Values = v.Value, append(c.Values, v)
	return nil
}

// shownToken is how much of a token is shown: its kind and a part of its ID, which
// are not secret.
const shownToken = 8

// token reads the personal token from the variable only, because config files get
// copied and shared. The value is never part of an error.
func (l *loader) token(c *Config) error {
	v := l.find(keyToken)
	switch {
	case v.Value == "":
	case v.Source != l.env[keyToken]:
		return sx.NewError(sx.CodeInvalid, "%s contains a token, which is not allowed", v.Source).
			WithHint("remove the line, and pass the token in %s", l.env[keyToken])
	case !strings.HasPrefix(v.Value, api.TokenPrefix) || len(v.Value) <= shownToken:
		return nextcmd.WithHint(sx.NewError(sx.CodeInvalid, "%s is not a personal token", l.env[keyToken]),
			"a personal token starts with "+api.TokenPrefix+"; create one with: %s", nextcmd.Command{"token", "create", "NAME"})
	default:
		c.Token = v.Value
		v.Value = v.Value[:shownToken] + "…"
	}
	c.Values = append(c.Values, v)
	return nil
}
