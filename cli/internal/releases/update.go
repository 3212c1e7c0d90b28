package releases

import (
	"fmt"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
)

// Page is the address of a release's page at home.
func Page(home, version string) string {
	return strings.TrimRight(home, "/") + "/tag/v" + version
}

// A release is 1.2.3; before it come candidates such as 1.2.3-rc.1.
var release = regexp.MustCompile(`^([0-9]+)\.([0-9]+)\.([0-9]+)(-[a-z]+\.[0-9]+)?$`)

// Older reports whether have is an older release than newest. What is no release,
// such as a build from any other commit, is not older.
func Older(have, newest string) bool {
	a, b := release.FindStringSubmatch(have), release.FindStringSubmatch(newest)
	if a == nil || b == nil {
		return false
	}
	for i := 1; i <= 3; i++ {
		m, errM := strconv.Atoi(a[i])
		n, errN := strconv.Atoi(b[i])
		if errM != nil || errN != nil {
			return false // no release ever had such a number
		}
		if m != n {
			return m < n
		}
	}
	return a[4] != "" && b[4] == "" // the newest is never a candidate
}

// IsRelease reports whether version is that of a release or a candidate for one.
func IsRelease(version string) bool { return release.MatchString(version) }

// HowToUpdate is the command that brings the program at path on the system goos
// up to version, or else what to do by hand. The way is the one that the program's
// place shows it was installed by.
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
	return fmt.Sprintf("curl -fsSL %s/latest/download/install.sh | sh -s -- --dir '%s'", strings.TrimRight(home, "/"), dir)
}
