package notifier_test

import (
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"testing"

	"github.com/soundextract/sx/server/internal/notifier"
	"github.com/soundextract/sx/server/sx"
)

func FuzzAddress(f *testing.F) {
	for _, seed := range []string{
		"", "ada@example.org", " ada+x@example.org ", "ada@example.org\r\nBcc: eve@example.org", "a@b@c", "Ada <ada@example.org>",
		`"a b"@example.org`, "ada@[127.0.0.1]", "ada(x)@example.org", "=?utf-8?q?x?=@example.org", "ädä@example.org", "a..b@example.org",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		got, err := notifier.ParseAddress(text)
		if err != nil {
			if code := sx.CodeOf(err); code != sx.CodeInvalid {
				t.Errorf("%q: code %s", text, code)
			}
			return
		}
		if strings.Count(got, "@") != 1 || len(got) > 254 || strings.ContainsFunc(got, func(r rune) bool { return r <= ' ' || r > '~' }) {
			t.Errorf("%q became the address %q", text, got)
		}
		if again, err := notifier.ParseAddress(got); err != nil || again != got {
			t.Errorf("%q became %q and then %q, %v", text, got, again, err)
		}
	})
}

func FuzzWebhookURL(f *testing.F) {
	for _, seed := range []string{
		"", "https://example.org/hook", "http://example.org/", "https://", "https://127.0.0.1/", "https://[::ffff:127.0.0.1]/", "https://[fe80::1%25eth0]/",
		"https://ada:secret@example.org/", "https://example.org/#a", "https://example.org:99999/", "ftp://example.org/", "https://10.1.2.3:8443/x?y=z",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, raw string) {
		if err := notifier.CheckURL(raw, nil); err != nil {
			if code := sx.CodeOf(err); code != sx.CodeInvalid || sx.AsError(err).Hint == "" {
				t.Errorf("%q: %v (code %s)", raw, err, code)
			}
			return
		}
		u, err := url.Parse(raw)
		if err != nil || u.Scheme != "https" || u.User != nil || u.Fragment != "" || len(raw) > 2048 {
			t.Fatalf("%q is permitted: %v", raw, err)
		}
		if a, err := netip.ParseAddr(u.Hostname()); err == nil && !notifier.IsPublic(a) {
			t.Errorf("%q is permitted, at %s", raw, a)
		}
		if _, err := http.NewRequestWithContext(t.Context(), http.MethodPost, raw, http.NoBody); err != nil {
			t.Errorf("%q is permitted, but cannot be requested: %v", raw, err)
		}
	})
}
