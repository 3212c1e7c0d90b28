package service

import (
	"net/url"
	"os"
	"strings"

	"github.com/soundextract/sx/server/internal/settings"
)

// secret is a setting that can also be read from a file, as Kubernetes mounts Secrets:
// flags and environment variables are visible in the list of processes.
type secret struct {
	name        string
	example     string // "" if the setting is optional
	value, file string
}

// Secret adds the settings name and name-file. The returned string is set,
// possibly from the file, when Check is called; it is "" if neither is set.
func (p *Program) Secret(name, usage string) *string { return &p.addSecret(name, usage, "").value }

func (p *Program) addSecret(name, usage, example string) *secret {
	s := &secret{name: name, example: example}
	p.Flags.StringVar(&s.value, name, "", usage)
	p.Flags.StringVar(&s.file, name+"-file", "", "`file` that contains the value of --"+name)
	p.secrets = append(p.secrets, s)
	return s
}

// read validates the setting and reads the file.
func (s *secret) read() error {
	switch {
	case s.value != "" && s.file != "":
		return Invalid(s.name, "--%s and --%[1]s-file are both set", s.name).WithHint("set only one of them")
	case s.value != "", s.file == "" && s.example == "":
		return nil
	case s.file == "":
		return Invalid(s.name, "required").WithHint(
			"set --%s or %s, for example %s, or the path of a file that contains it: --%[1]s-file or %[2]s_FILE",
			s.name, settings.Variable(EnvPrefix, s.name), s.example)
	}
	raw, err := os.ReadFile(s.file)
	if err != nil {
		return Invalid(s.name+"-file", "%v", err).WithCause(err)
	}
	s.value = strings.TrimSpace(string(raw))
	if s.value == "" {
		return Invalid(s.name+"-file", "%s is empty", s.file)
	}
	return nil
}

// address is the address of MongoDB or RabbitMQ. The user's name and password may be
// separate settings, so that the address itself is not secret.
type address struct {
	uri, username, password *secret
}

func (p *Program) addAddress(name, title, example string) address {
	return address{
		uri:      p.addSecret(name+"-uri", "`URI` of "+title, example),
		username: p.addSecret(name+"-username", "`name` of the user, if --"+name+"-uri contains none", ""),
		password: p.addSecret(name+"-password", "`password` of --"+name+"-username", ""),
	}
}

// value returns the URI with the user and the password.
func (a address) value() string {
	scheme, rest, found := strings.Cut(a.uri.value, "://")
	if a.username.value == "" || !found {
		return a.uri.value
	}
	return scheme + "://" + url.UserPassword(a.username.value, a.password.value).String() + "@" + rest
}

// check refuses a user who is not complete, or one in addition to the URI's.
func (a address) check() error {
	if a.uri == nil || a.username.value == "" && a.password.value == "" {
		return nil
	}
	_, rest, _ := strings.Cut(a.uri.value, "://")
	authority, _, _ := strings.Cut(rest, "/")
	switch {
	case a.password.value == "":
		return Invalid(a.username.name, "--%s is not set", a.password.name).WithHint("set both, or neither")
	case a.username.value == "":
		return Invalid(a.password.name, "--%s is not set", a.username.name).WithHint("set both, or neither")
	case strings.Contains(authority, "@"):
		return Invalid(a.username.name, "--%s already contains a user", a.uri.name).
			WithHint("remove the user from --%s", a.uri.name)
	}
	return nil
}
