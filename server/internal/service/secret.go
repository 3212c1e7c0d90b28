package service

import (
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
