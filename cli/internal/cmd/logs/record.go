package logs

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"
	"unicode"

	"github.com/soundextract/sx/cli/internal/term"
	"github.com/soundextract/sx/server/sx"
)

// record is a line of a log.
type record struct {
	raw    string
	fields map[string]any // nil if the line is not JSON
	time   time.Time      // zero if unknown
	part   string         // "" if unknown
}

// parse reads a line of the services' logs, which are JSON; other programs, and
// crashes, write text.
func parse(line string) record {
	r := record{raw: line}
	if json.Unmarshal([]byte(line), &r.fields) != nil {
		return r
	}
	text := func(key string) string { s, _ := r.fields[key].(string); return s }
	r.part = text("service")
	r.time, _ = time.Parse(time.RFC3339Nano, text("time"))
	return r
}

// about reports whether the line is about the job: it names the job, or is a request for it.
func (r record) about(job string) bool {
	if id, _ := r.fields["job"].(string); id == job {
		return true
	}
	path, _ := r.fields["path"].(string)
	return slices.Contains(strings.Split(path, "/"), job)
}

// printer prints records.
type printer struct {
	io   *term.IOStreams
	json bool
	err  error // the first one
	end  func()
}

// newPrinter returns a printer that calls end after an error, because nothing more would be
// printed.
func newPrinter(opts *Options, end func()) *printer {
	return &printer{io: opts.IO, json: opts.JSON, end: end}
}

// print prints a record; pod is "" on a local server.
func (p *printer) print(r record, pod string) {
	if p.err != nil {
		return
	}
	if p.json {
		p.err = p.io.WriteJSON(r.object(pod))
	} else {
		_, p.err = fmt.Fprintln(p.io.Out, r.text(pod, p.io.OutTTY && p.io.Color))
	}
	if p.err != nil {
		p.end()
	}
}

// maxJobLines is how many lines about a job are kept, to be sorted.
const maxJobLines = 10_000

// sorted returns a function that collects records, and one that prints the last of them in
// the order of time.
func (p *printer) sorted() (add func(record, string), flush func()) {
	type found struct {
		record
		pod string
	}
	var lines []found
	byTime := func(a, b found) int { return a.time.Compare(b.time) }
	trim := func() {
		slices.SortStableFunc(lines, byTime)
		lines = lines[max(0, len(lines)-maxJobLines):]
	}
	add = func(r record, pod string) {
		if lines = append(lines, found{r, pod}); len(lines) >= 2*maxJobLines {
			trim()
		}
	}
	return add, func() {
		trim()
		for _, l := range lines {
			p.print(l.record, l.pod)
		}
	}
}

// object returns the record for --json.
func (r record) object(pod string) map[string]any {
	out := map[string]any{}
	if r.fields == nil {
		out["msg"] = clean(r.raw)
	}
	for key, v := range r.fields {
		out[clean(key)] = cleanValue(v)
	}
	if r.part != "" {
		out["service"] = clean(r.part)
	}
	if pod != "" {
		out["pod"] = pod
	}
	return out
}

var levelColors = map[string]string{"ERROR": "31", "WARN": "33", "DEBUG": "2"}

// text returns the record for people: time, level, part, message, then the other fields.
func (r record) text(pod string, color bool) string {
	where := r.part
	if pod != "" {
		where = pod
	}
	if r.fields == nil {
		return strings.TrimSpace(where + "  " + clean(r.raw))
	}
	level, _ := r.fields["level"].(string)
	message, _ := r.fields["msg"].(string)
	shown := fmt.Sprintf("%-5s", clean(level))
	if code := levelColors[level]; code != "" && color {
		shown = "\x1b[" + code + "m" + shown + "\x1b[0m"
	}
	var b strings.Builder
	_, _ = fmt.Fprintf(&b, "%s %s %-9s  %s", r.time.Local().Format("2006-01-02 15:04:05"), shown, clean(where), clean(message))
	for _, key := range slices.Sorted(maps.Keys(r.fields)) {
		switch key {
		case "time", "level", "msg", "service":
		default:
			_, _ = fmt.Fprintf(&b, " %s=%s", clean(key), value(r.fields[key]))
		}
	}
	return b.String()
}

// value formats a field's value, as JSON if it would be ambiguous otherwise.
func value(v any) string {
	text, ok := v.(string)
	if ok && text != "" && !strings.ContainsFunc(text, func(r rune) bool { return unicode.IsSpace(r) || unicode.IsControl(r) || r == '"' }) {
		return clean(text)
	}
	var b strings.Builder
	encoder := json.NewEncoder(&b)
	encoder.SetEscapeHTML(false)
	if encoder.Encode(v) != nil {
		return "?"
	}
	return clean(strings.TrimSuffix(b.String(), "\n"))
}

// cleanValue is clean for a value of JSON.
func cleanValue(v any) any {
	switch v := v.(type) {
	case string:
		return clean(v)
	case []any:
		for i := range v {
			v[i] = cleanValue(v[i])
		}
	case map[string]any:
		out := make(map[string]any, len(v))
		for key, field := range v {
			out[clean(key)] = cleanValue(field)
		}
		return out
	}
	return v
}

// clean removes what could change the terminal: a log quotes what others have sent.
func clean(text string) string { return sx.CleanText(strings.ReplaceAll(text, "\t", " ")) }
