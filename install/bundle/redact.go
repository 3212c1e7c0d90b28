package bundle

import (
	"bytes"
	"cmp"
	"encoding/base64"
	"regexp"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"

	"github.com/soundextract/sx/server/api"
)

// removed replaces a secret.
const removed = "***removed***"

const (
	// minValue is the minimum length of values that are searched for in all
	// texts: a shorter one, such as "yes", occurs everywhere.
	minValue = 6
	// minLine is the same for one line of a value of several lines, such as a key.
	minLine = 16
)

// publicKeys are the keys of Secrets whose values are not secret; removing
// them, such as a user name, would make texts unreadable.
var publicKeys = []string{"name", "username"}

// redactor removes the values of known Secrets, and text that looks like a
// secret.
type redactor struct{ known *strings.Replacer }

func newRedactor(secrets []corev1.Secret) *redactor {
	var needles []string
	for _, s := range secrets {
		if s.Labels["owner"] == "helm" {
			continue // contains the release, whose parts are redacted individually
		}
		for key, value := range s.Data {
			if !slices.Contains(publicKeys, key) {
				needles = append(needles, spellings(string(s.Data["username"]), value)...)
			}
		}
	}
	// The longest first, because the replacer takes the first that matches.
	slices.SortFunc(needles, func(a, b string) int { return cmp.Or(cmp.Compare(len(b), len(a)), cmp.Compare(a, b)) })
	var pairs []string
	for _, n := range slices.Compact(needles) {
		pairs = append(pairs, n, removed)
	}
	return &redactor{known: strings.NewReplacer(pairs...)}
}

// spellings lists the forms in which a secret value may occur in a text: plain,
// encoded, as basic authentication of a user, and line by line.
func spellings(user string, value []byte) []string {
	text := strings.TrimSpace(string(value))
	if len(text) < minValue {
		return nil
	}
	all := slices.Concat([]string{text}, encodings(value), encodings([]byte(text)), longLines(text))
	if user != "" {
		all = append(all, encodings([]byte(user+":"+text))...)
	}
	return all
}

// longLines lists the lines of a text of several lines that are long enough to be
// searched for, without the delimiters of PEM.
func longLines(text string) []string {
	lines := strings.Split(text, "\n")
	if len(lines) == 1 {
		return nil
	}
	for i, line := range lines {
		lines[i] = strings.TrimSpace(line)
	}
	return slices.DeleteFunc(lines, func(line string) bool { return len(line) < minLine || strings.HasPrefix(line, "-----") })
}

func encodings(value []byte) []string {
	return []string{
		base64.StdEncoding.EncodeToString(value), base64.RawStdEncoding.EncodeToString(value),
		base64.URLEncoding.EncodeToString(value), base64.RawURLEncoding.EncodeToString(value),
	}
}

var (
	userinfo = regexp.MustCompile(`([a-zA-Z][a-zA-Z0-9+.-]*://)[^/\s"'@]*:[^/\s"'@]*@`)
	bearer   = regexp.MustCompile(`(?i)\b(bearer|basic)\s+[A-Za-z0-9._~+/=-]{8,}`)
	jwt      = regexp.MustCompile(`\beyJ[A-Za-z0-9_-]{5,}\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]*`)
	created  = regexp.MustCompile(api.SecretPattern)
	private  = regexp.MustCompile(`(?s)-----BEGIN [A-Z ]*PRIVATE KEY-----.*?-----END [A-Z ]*PRIVATE KEY-----`)
	setting  = regexp.MustCompile(`(?i)([a-z0-9_-]*(?:password|passwd|secret|token|cookie|api[_-]?key)\\?["']?\s*[=:]\s*\\?["']?)[^\s"',;&\\]{4,}`)
)

// text removes secrets from any text.
func (r *redactor) text(raw []byte) []byte {
	raw = []byte(r.known.Replace(string(raw)))
	raw = userinfo.ReplaceAll(raw, []byte("${1}"+removed+"@"))
	raw = bearer.ReplaceAll(raw, []byte("${1} "+removed))
	raw = jwt.ReplaceAll(raw, []byte(removed))
	raw = created.ReplaceAll(raw, []byte(removed))
	return private.ReplaceAll(raw, []byte(removed))
}

// log removes secrets from the output of a program, including the values of settings with
// the name of a secret.
func (r *redactor) log(raw []byte) []byte {
	raw = bytes.ToValidUTF8(raw, []byte("?"))
	return setting.ReplaceAll(r.text(raw), []byte("${1}"+removed))
}

var (
	// secretName matches the names of settings and values that contain secrets. Addresses
	// are not among them: only their passwords are removed.
	secretName = regexp.MustCompile(`(?i)password|passwd|secret|token|key|cookie|credential|dsn|code|(^|[_-])auth$|_headers$`)
	// pathName matches the names of settings that are paths of files with secrets.
	pathName = regexp.MustCompile(`(?i)_file$`)
)

// object removes secrets from an object of the cluster, in place.
func (r *redactor) object(o map[string]any) {
	if meta, ok := o["metadata"].(map[string]any); ok {
		delete(meta, "managedFields")
		if notes, ok := meta["annotations"].(map[string]any); ok {
			delete(notes, "kubectl.kubernetes.io/last-applied-configuration")
		}
	}
	if o["kind"] == "Secret" {
		for _, part := range []string{"data", "stringData"} {
			if data, ok := o[part].(map[string]any); ok {
				for key := range data {
					data[key] = removed
				}
			}
		}
	}
	r.literals(o)
}

// literals removes the values of environment variables with secret names, and
// secrets in the command lines of containers.
func (r *redactor) literals(v any) {
	switch v := v.(type) {
	case map[string]any:
		r.variable(v)
		for key, part := range v {
			if words, ok := part.([]any); ok && (key == "args" || key == "command") {
				r.commandLine(words)
			}
			r.literals(part)
		}
	case []any:
		for _, part := range v {
			r.literals(part)
		}
	}
}

// variable removes the literal value of an environment variable with a secret name.
func (r *redactor) variable(v map[string]any) {
	name, named := v["name"].(string)
	value, literal := v["value"].(string)
	switch {
	case !named || !literal:
	case secretName.MatchString(name) && !pathName.MatchString(name):
		v["value"] = removed
	default:
		v["value"] = string(r.log([]byte(value)))
	}
}

func (r *redactor) commandLine(words []any) {
	for i, w := range words {
		if s, ok := w.(string); ok {
			words[i] = string(r.log([]byte(s)))
		}
	}
}

// values removes from Helm values all strings below keys with secret names.
func (r *redactor) values(v any, secret bool) any {
	switch v := v.(type) {
	case map[string]any:
		out := make(map[string]any, len(v))
		variable, _ := v["name"].(string)
		for key, part := range v {
			// The values of the part auth are a map.
			_, isMap := part.(map[string]any)
			named := secretName.MatchString(key) && (!isMap || key != "auth") ||
				key == "value" && secretName.MatchString(variable) && !pathName.MatchString(variable)
			out[key] = r.values(part, secret || named)
		}
		return out
	case []any:
		out := make([]any, len(v))
		for i, part := range v {
			out[i] = r.values(part, secret)
		}
		return out
	case string:
		if secret && v != "" {
			return removed
		}
		return string(r.log([]byte(v)))
	}
	return v
}
