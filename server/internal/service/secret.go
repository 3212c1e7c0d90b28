package service

import (
	"os"
	"strings"

	"github.com/soundextract/sx/server/internal/settings"
)

// secret is a setting that can also be given as the path of a file, as
// Kubernetes mounts Secrets: a file is in nobody's list of processes.
type secret struct {
	name        string
	example     string // "" if the setting may be missing
	value, file string
}

// Secret adds the settings name and name-file. The value is there, maybe from
// the file, when Check is called; "" if neither was given.
func (p *Program) Secret(name, usage string) *string { return &p.addSecret(name, usage, "").value }

func (p *Program) addSecret(name, usage, example string) *secret {
	s := &secret{name: name, example: example}
	p.Flags.StringVar(&s.value, name, "", usage)
	p.Flags.StringVar(&s.file, name+"-file", "", "`file` that holds the value of --"+name+" instead")
	p.secrets = append(p.secrets, s)
	return s
}

// read makes sure that there is one value, and takes it from the file.
func (s *secret) read() error {
	switch {
	case s.value != "" && s.file != "":
		return Invalid(s.name, "it is given, and %s-file too", s.name).WithHint("give one of the two")
	case s.value != "", s.file == "" && s.example == "":
		return nil
	case s.file == "":
		return Invalid(s.name, "it is not given").WithHint(
			"give --%s or %s, such as %s, or the path of a file that holds it as --%[1]s-file or %[2]s_FILE",
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
