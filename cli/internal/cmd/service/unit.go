package service

import (
	"bytes"
	"encoding/xml"
	"fmt"
	"os"
	"strings"

	"github.com/soundextract/sx/server/sx"
)

// Unit is what a service manager has to know.
type Unit struct {
	Program string // the path of sx
	Data    string // the data directory
	Addr    string
	Path    string // PATH, in which sxd finds ffmpeg
}

// newUnit returns the unit for this program.
func newUnit(data, addr string) (Unit, error) {
	// Links are not resolved: those of package managers stay valid after an upgrade.
	self, err := os.Executable()
	if err != nil {
		return Unit{}, fmt.Errorf("find the path of sx: %w", err)
	}
	u := Unit{Program: self, Data: data, Addr: addr, Path: os.Getenv("PATH")}
	for _, text := range []string{u.Program, u.Data, u.Addr, u.Path} {
		if strings.ContainsAny(text, "\n\r\x00") {
			return Unit{}, sx.NewError(sx.CodeInvalid, "a path with a line break cannot be part of a service: %q", text).
				WithHint("choose another directory")
		}
	}
	return u, nil
}

func (u Unit) args() []string {
	return []string{u.Program, "service", "run", "--data", u.Data, "--addr", u.Addr}
}

// Systemd renders a systemd user unit (systemd.service(5), systemd.unit(5)).
func (u Unit) Systemd() []byte {
	words := make([]string, 0, len(u.args()))
	for _, arg := range u.args() {
		words = append(words, systemdWord(strings.ReplaceAll(arg, "$", "$$")))
	}
	return fmt.Appendf(nil, `[Unit]
Description=SoundExtract local server
Documentation=https://github.com/soundextract/sx

[Service]
ExecStart=%s
Environment=%s
Restart=on-failure
RestartSec=5
TimeoutStopSec=60
NoNewPrivileges=yes

[Install]
WantedBy=default.target
`, strings.Join(words, " "), systemdWord("PATH="+u.Path))
}

// systemdWord quotes a word of a command line or an assignment. A percent sign starts a
// specifier.
func systemdWord(word string) string {
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`, `%`, `%%`).Replace(word) + `"`
}

// label identifies the service to launchd.
const label = "io.soundextract.sxd"

// Launchd renders a launchd agent (launchd.plist(5)).
func (u Unit) Launchd() []byte {
	var b bytes.Buffer
	text := func(indent, name, value string) {
		b.WriteString(indent + "<" + name + ">")
		_ = xml.EscapeText(&b, []byte(value)) // a Buffer's Write does not fail
		b.WriteString("</" + name + ">\n")
	}
	b.WriteString(xml.Header + `<!DOCTYPE plist PUBLIC "-//Apple//DTD PLIST 1.0//EN" "http://www.apple.com/DTDs/PropertyList-1.0.dtd">
<plist version="1.0">
<dict>
`)
	text("\t", "key", "Label")
	text("\t", "string", label)
	text("\t", "key", "ProgramArguments")
	b.WriteString("\t<array>\n")
	for _, arg := range u.args() {
		text("\t\t", "string", arg)
	}
	b.WriteString("\t</array>\n")
	text("\t", "key", "EnvironmentVariables")
	b.WriteString("\t<dict>\n")
	text("\t\t", "key", "PATH")
	text("\t\t", "string", u.Path)
	b.WriteString("\t</dict>\n")
	text("\t", "key", "RunAtLoad")
	b.WriteString("\t<true/>\n")
	text("\t", "key", "KeepAlive")
	b.WriteString("\t<dict>\n")
	text("\t\t", "key", "SuccessfulExit")
	b.WriteString("\t\t<false/>\n\t</dict>\n</dict>\n</plist>\n")
	return b.Bytes()
}
