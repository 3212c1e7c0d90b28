// Package releases finds the newest published release of sx and says how to update
// to it.
package releases

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/soundextract/sx/server/sx"
)

// Home is the address of the releases.
const Home = "https://github.com/soundextract/sx/releases"

// Env is the environment variable for the address of a mirror, which replaces Home.
// install/install.sh reads it too.
const Env = "SX_RELEASES"

const (
	timeout = 15 * time.Second
	maxList = 1 << 20
)

// listed finds a release's version in its list of checksums, which names all its
// files. A mirror has that list anyway, because install.sh needs it.
var listed = regexp.MustCompile(`(?m)^[0-9a-f]{64} [ *]sx_([0-9]+\.[0-9]+\.[0-9]+[0-9A-Za-z.-]*)_`)

// Newest returns the version of the newest release at home, such as "1.2.3". If there is
// no response, the error is an *sx.Error of code unreachable.
func Newest(ctx context.Context, home string) (string, error) {
	u, err := url.Parse(strings.TrimRight(home, "/"))
	if err != nil || u.Host == "" {
		return "", sx.NewError(sx.CodeInvalid, "invalid address of the releases %q", home).
			WithHint("set %s to a URL such as %s, or unset it", Env, Home)
	}
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, u.String()+"/latest/download/checksums.txt", http.NoBody)
	if err != nil {
		return "", fmt.Errorf("request the newest release: %w", err)
	}
	req.Header.Set("User-Agent", "sx/"+sx.Version)
	list, err := get(req)
	if err != nil {
		return "", err
	}
	found := listed.FindSubmatch(list)
	if found == nil {
		return "", sx.NewError(sx.CodeInvalid, "the response from %s lists no release of sx", u.Host).
			WithHint("open it in a browser: %s", home)
	}
	return string(found[1]), nil
}

func get(req *http.Request) ([]byte, error) {
	unreachable := func(err error) error {
		if errors.Is(err, context.Canceled) {
			return context.Canceled
		}
		return sx.NewError(sx.CodeUnreachable, "no response from %s", req.URL.Host).WithCause(err).
			WithHint("check the network, or name a mirror in %s", Env)
	}
	// It is the only request, so it shares no connection with anything else.
	once := &http.Client{Transport: &http.Transport{Proxy: http.ProxyFromEnvironment, DisableKeepAlives: true}}
	res, err := once.Do(req)
	if err != nil {
		return nil, unreachable(err)
	}
	defer func() { _ = res.Body.Close() }()
	switch {
	case res.StatusCode == http.StatusNotFound:
		return nil, sx.NewError(sx.CodeNotFound, "no release found at %s", req.URL.Host).
			WithHint("check %s, or unset it", Env)
	case res.StatusCode != http.StatusOK:
		return nil, sx.NewError(sx.CodeUnavailable, "%s responded: %s", req.URL.Host, res.Status).
			WithHint("try again later")
	}
	list, err := io.ReadAll(io.LimitReader(res.Body, maxList))
	if err != nil {
		return nil, unreachable(err)
	}
	return list, nil
}

// Page returns the address of a release's page at home.
func Page(home, version string) string {
	return strings.TrimRight(home, "/") + "/tag/v" + version
}

// A release is 1.2.3; its candidates, such as 1.2.3-rc.1, come before it.
var release = regexp.MustCompile(`^([0-9]+)\.([0-9]+)\.([0-9]+)(-[a-z]+\.[0-9]+)?$`)

// Older reports whether have is an older release than newest. A build that is not a
// release is not older.
func Older(have, newest string) bool {
	a, b := release.FindStringSubmatch(have), release.FindStringSubmatch(newest)
	if a == nil || b == nil {
		return false
	}
	for i := 1; i <= 3; i++ {
		m, errM := strconv.Atoi(a[i])
		n, errN := strconv.Atoi(b[i])
		if errM != nil || errN != nil {
			return false // too large for a release
		}
		if m != n {
			return m < n
		}
	}
	return a[4] != "" && b[4] == "" // newest is never a candidate
}

// IsRelease reports whether version is that of a release or a release candidate.
func IsRelease(version string) bool { return release.MatchString(version) }

// HowToUpdate returns the command that updates the program at path on the system
// goos to version, or else what to do by hand. The path shows how the program was
// installed.
func HowToUpdate(goos, path, home, version string) string {
	dir := filepath.Dir(path)
	switch {
	case goos == "windows":
		return "unpack the archive of " + Page(home, version)
	case strings.Contains(path, "/Caskroom/"):
		return "brew upgrade --cask sx"
	case dir == "/usr/bin":
		return "install the .deb or .rpm of " + Page(home, version)
	}
	return fmt.Sprintf("curl --proto '=https' --tlsv1.2 -fsSL %s/latest/download/install.sh | sh -s -- --dir '%s'", strings.TrimRight(home, "/"), dir)
}
