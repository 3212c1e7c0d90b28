package notifier

import (
	"fmt"
	"strings"
	"time"

	"github.com/soundextract/sx/server/api"
	"github.com/soundextract/sx/server/internal/markup"
	"github.com/soundextract/sx/server/sx"
)

// mailContent is the content of a mail, from which both its text and its HTML part
// are rendered.
type mailContent struct {
	subject string
	lines   []mailLine
	footer  string
}

// mailLine is a paragraph, or a command to copy.
type mailLine struct {
	Text    string
	Command bool
}

const footer = "You receive this mail because notifications are enabled for your account. Change that with: sx notify"

// eventMail is the mail for a finished job or a test.
func eventMail(e api.WebhookEvent) mailContent {
	job := e.Data.Job
	if e.Data.Deletion != nil {
		return deletionMail(*e.Data.Deletion)
	}
	if job == nil {
		return mailContent{"Test message from SoundExtract", []mailLine{{Text: "It works: SoundExtract will notify you of finished jobs at this address."}}, footer}
	}
	name := singleLine(job.Name)
	if e.Type == sx.EventFailed {
		m := mailContent{name + " could not be converted", []mailLine{{Text: name + " could not be converted to MP3."}}, footer}
		if job.Error != nil {
			m.lines = append(m.lines,
				mailLine{Text: "Reason: " + singleLine(job.Error.Message)},
				mailLine{Text: "What to do: " + singleLine(job.Error.Hint)})
		}
		return m.withCommand("Show the job with:", "sx show "+job.ID)
	}
	mp3s, ready := "MP3", "The MP3 of "+name+" is ready."
	var omitted api.Omitted
	if e.Data.Omitted != nil {
		omitted = *e.Data.Omitted
	}
	if n := len(job.Tracks) + omitted.Tracks; n > 1 {
		mp3s, ready = "MP3s", fmt.Sprintf("The %d MP3s of %s are ready.", n, name)
	}
	m := mailContent{name + " is ready", []mailLine{{Text: ready}}, footer}
	if len(job.Tracks) > 0 {
		var seconds float64
		var size int64
		for _, t := range job.Tracks {
			seconds += t.Duration
			size += t.Size
		}
		length := time.Duration(seconds * float64(time.Second)).Round(time.Second)
		m.lines = append(m.lines, mailLine{Text: fmt.Sprintf("Length: %v, size: %s", length, sx.FormatSize(size))})
	}
	for _, w := range job.Warnings {
		m.lines = append(m.lines, mailLine{Text: "Warning: " + singleLine(w.Message)})
	}
	if omitted.Warnings > 0 {
		m.lines = append(m.lines, mailLine{Text: fmt.Sprintf("It has %d warnings.", omitted.Warnings)})
	}
	if len(job.Warnings)+omitted.Warnings > 0 {
		m.subject += ", with warnings"
	}
	return m.withCommand("Download the "+mp3s+" with:", "sx download "+job.ID)
}

// deletionMail is the mail that announces the deletion of jobs.
func deletionMail(d api.Deletion) mailContent {
	one := d.Total == 1 && len(d.Jobs) == 1
	m := mailContent{subject: fmt.Sprintf("%d MP3s will be deleted", d.Total), footer: footer}
	if one {
		m.subject = "The MP3 of " + singleLine(d.Jobs[0].Name) + " will be deleted"
	}
	m.lines = append(m.lines, mailLine{Text: "The server keeps MP3s for a limited time. It will delete:"})
	for _, j := range d.Jobs {
		m.lines = append(m.lines, mailLine{Text: singleLine(j.Name) + ", on " + j.DeleteAt.Format("2 January 2006 at 15:04 UTC") + ": " + j.ID})
	}
	if more := d.Total - len(d.Jobs); more > 0 {
		m.lines = append(m.lines, mailLine{Text: fmt.Sprintf("and %d more; list all with: sx jobs", more)})
	}
	command := "sx download JOB"
	if one {
		command = "sx download " + d.Jobs[0].ID
	}
	return m.withCommand("Download what you want to keep with:", command)
}

// confirmationMail is the mail with the code that confirms an address.
func confirmationMail(code string) mailContent {
	m := mailContent{
		subject: "Your code for SoundExtract: " + code,
		lines:   []mailLine{{Text: "Someone, most likely you, wants SoundExtract to send notifications of finished jobs to this address."}},
		footer:  "If it was not you, ignore this mail: nothing else will be sent to this address.",
	}
	return m.withCommand("Confirm the address within an hour with:", "sx notify confirm "+code)
}

func (m mailContent) withCommand(text, command string) mailContent {
	m.lines = append(m.lines, mailLine{Text: text}, mailLine{Text: command, Command: true})
	return m
}

// maxMailText bounds what a mail quotes, in bytes.
const maxMailText = 1000

// singleLine makes a text one line (see sx.CleanLine), so that a file's name cannot
// forge a header or lines of the mail.
func singleLine(s string) string { return sx.CleanLine(s, maxMailText) }

// render returns the text part and the HTML part of the mail.
func (m mailContent) render() (text, html string) {
	var t strings.Builder
	var h markup.Builder
	h.Printf("<!doctype html>\n<html><body style=\"font-family: sans-serif; max-width: 40em\">\n")
	for _, line := range m.lines {
		if line.Command {
			t.WriteString("    ")
			h.Printf("<pre style=\"padding: .8em; background: #eee\">%s</pre>\n", line.Text)
		} else {
			h.Printf("<p>%s</p>\n", line.Text)
		}
		t.WriteString(line.Text + "\n\n")
	}
	t.WriteString("-- \n" + m.footer + "\n") // RFC 3676 section 4.3: a signature
	h.Printf("<p style=\"color: #777; font-size: small\">%s</p>\n</body></html>\n", m.footer)
	return t.String(), h.String()
}
