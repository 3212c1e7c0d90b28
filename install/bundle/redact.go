package bundle

import (
	"bytes"
	"cmp"
	"encoding/base64"
	"regexp"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
)

// removed stands where a secret was.
const removed = "***removed***"

const (
	// shortest is the length from which a value is looked for in all texts: a
	// shorter one, such as "yes", is everywhere and tells nothing.
	shortest = 6
	// shortestLine is the same for one line of a value of many, such as a key.
	shortestLine = 16
)

// plain are the keys of secrets whose values are no secret and, like a user's
// name, would take half of every text away.
var plain = []string{"name", "username"}

// redactor removes the values of known secrets and what looks like one.
type redactor struct{ known *strings.Replacer }

func newRedactor(secrets []corev1.Secret) *redactor {
	var needles []string
	for _, s := range secrets {
		if s.Labels["owner"] == "helm" {
			continue // the release itself, whose parts are redacted one by one
		}
		user := string(s.Data["username"])
		for key, value := range s.Data {
			text := strings.TrimSpace(string(value))
			if slices.Contains(plain, key) || len(text) < shortest {
				continue
			}
			needles = append(needles, text)
			needles = append(needles, encodings(value)...)
			needles = append(needles, encodings([]byte(text))...)
			if user != "" {
				needles = append(needles, encodings([]byte(user+":"+text))...)
			}
			if lines := strings.Split(text, "\n"); len(lines) > 1 {
				for _, line := range lines {
					if line = strings.TrimSpace(line); len(line) >= shortestLine && !strings.HasPrefix(line, "-----") {
						needles = append(needles, line)
					}
				}
			}
		}
	}
	// The longest first: the replacer takes the first that fits.
	slices.SortFunc(needles, func(a, b string) int { return cmp.Or(cmp.Compare(len(b), len(a)), cmp.Compare(a, b)) })
	var pairs []string
	for _, n := range slices.Compact(needles) {
		pairs = append(pairs, n, removed)
	}
	return &redactor{known: strings.NewReplacer(pairs...)}
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
	private  = regexp.MustCompile(`(?s)-----BEGIN [A-Z ]*PRIVATE KEY-----.*?-----END [A-Z ]*PRIVATE KEY-----`)
	setting  = regexp.MustCompile(`(?i)([a-z0-9_-]*(?:password|passwd|secret|token|cookie|api[_-]?key)\\?["']?\s*[=:]\s*\\?["']?)[^\s"',;&\\]{4,}`)
)

// text removes secrets from any text.
func (r *redactor) text(raw []byte) []byte {
	raw = []byte(r.known.Replace(string(raw)))
	raw = userinfo.ReplaceAll(raw, []byte("${1}"+removed+"@"))
	raw = bearer.ReplaceAll(raw, []byte("${1} "+removed))
	raw = jwt.ReplaceAll(raw, []byte(removed))
	return private.ReplaceAll(raw, []byte(removed))
}

// log removes secrets from what a program wrote, where a value may stand behind
// its name.
func (r *redactor) log(raw []byte) []byte {
	raw = bytes.ToValidUTF8(raw, []byte("?"))
	return setting.ReplaceAll(r.text(raw), []byte("${1}"+removed))
}

// secretName is how settings and values are called that hold secrets.
var secretName = regexp.MustCompile(`(?i)password|passwd|secret|token|uri|url|key|cookie|credential|auth|dsn|code`)

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

// literals removes the literal values of environment variables whose names say
// that they are secret, and what programs are told on their command lines.
func (r *redactor) literals(v any) {
	switch v := v.(type) {
	case map[string]any:
		name, named := v["name"].(string)
		if _, literal := v["value"].(string); named && literal && secretName.MatchString(name) {
			v["value"] = removed
		}
		for key, part := range v {
			words, ok := part.([]any)
			if ok && (key == "args" || key == "command") {
				for i, w := range words {
					if s, ok := w.(string); ok {
						words[i] = string(r.log([]byte(s)))
					}
				}
			}
			r.literals(part)
		}
	case []any:
		for _, part := range v {
			r.literals(part)
		}
	}
}

// values removes from Helm values all strings below keys that say they are secret.
func (r *redactor) values(v any, secret bool) any {
	switch v := v.(type) {
	case map[string]any:
		out := make(map[string]any, len(v))
		for key, part := range v {
			out[key] = r.values(part, secret || secretName.MatchString(key))
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
	}
	return v
}
