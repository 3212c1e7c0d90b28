package notifier

import (
	"fmt"
	"html/template"
	"strings"
	"time"
	"unicode"

	"github.com/soundextract/sx/server/api"
	"github.com/soundextract/sx/server/sx"
)

// letter is what a mail says: lines of text and commands, for both of its parts.
type letter struct {
	subject string
	lines   []line
	footer  string
}

// line is a paragraph, or a command to copy.
type line struct {
	Text    string
	Command bool
}

const footer = "You get this because you asked for it. Change it with: sx notify"

func eventLetter(e api.WebhookEvent) letter {
	job := e.Data.Job
	if job == nil {
		return letter{"Test message from SoundExtract", []line{{Text: "It works: you will be told here how your jobs end."}}, footer}
	}
	name := oneLine(job.Name)
	if e.Type == sx.EventFailed {
		l := letter{name + " could not be converted", []line{{Text: "The sound of " + name + " could not be extracted."}}, footer}
		if job.Error != nil {
			l.lines = append(l.lines, line{Text: "Reason: " + oneLine(job.Error.Message)}, line{Text: "What to do: " + oneLine(strings.ReplaceAll(job.Error.Hint, " ID", " "+job.ID))})
		}
		return l.with("Look at the job with:", "sx show "+job.ID)
	}
	l := letter{name + " is ready", []line{{Text: "The sound of " + name + " is ready."}}, footer}
	if job.Track != nil {
		length := time.Duration(job.Track.Duration * float64(time.Second)).Round(time.Second)
		l.lines = append(l.lines, line{Text: fmt.Sprintf("Length: %v, size: %s", length, sx.FormatSize(job.Track.Size))})
	}
	return l.with("Get the MP3 with:", "sx download "+job.ID)
}

func confirmLetter(code string) letter {
	l := letter{"Your code for SoundExtract: " + code, []line{{Text: "Somebody, most likely you, wants to be told at this address how jobs end."}}, "If it was not you, ignore this: nothing else is sent here then."}
	return l.with("Confirm it within an hour with:", "sx notify confirm "+code)
}

func (l letter) with(text, command string) letter {
	l.lines = append(l.lines, line{Text: text}, line{Text: command, Command: true})
	return l
}

// oneLine keeps what people name their files from looking like lines of ours.
func oneLine(s string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsControl(r) || r == '\u2028' || r == '\u2029' {
			return ' '
		}
		return r
	}, s)
}

var mailHTML = template.Must(template.New("mail").Parse(`<!doctype html>
<html><body style="font-family: sans-serif; max-width: 40em">
{{range .Lines}}{{if .Command}}<pre style="padding: .8em; background: #eee">{{.Text}}</pre>{{else}}<p>{{.Text}}</p>{{end}}
{{end}}<p style="color: #777; font-size: small">{{.Footer}}</p>
</body></html>
`))

// parts gives the letter as text and as HTML.
func (l letter) parts() (text, html string, err error) {
	var t, h strings.Builder
	for _, line := range l.lines {
		if line.Command {
			t.WriteString("    ")
		}
		t.WriteString(line.Text + "\n\n")
	}
	t.WriteString("-- \n" + l.footer + "\n") // RFC 3676 section 4.3: a signature
	err = mailHTML.Execute(&h, struct {
		Lines  []line
		Footer string
	}{l.lines, l.footer})
	return t.String(), h.String(), err
}
