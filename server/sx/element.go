package sx

import (
	"slices"
	"strings"
)

// SafeElement returns an element of a path that is valid on all systems: it is not hidden,
// not an option to other programs, and not refused by Windows. If nothing of the name
// remains, it returns the value of empty. The caller handles slashes and backslashes.
func SafeElement(name, empty string) string {
	name = strings.Map(func(r rune) rune {
		if strings.ContainsRune(`<>:"|?*`, r) {
			return '_'
		}
		return r
	}, name)
	name = strings.TrimRight(strings.TrimLeft(name, ".- "), ". ")
	switch {
	case name == "":
		return empty
	case isDevice(name):
		return "_" + name
	}
	return name
}

// isDevice reports whether Windows takes the name for a device, whatever its extension.
func isDevice(name string) bool {
	base, _, _ := strings.Cut(strings.ToLower(name), ".")
	base = strings.TrimSpace(base)
	if rest, ok := strings.CutPrefix(base, "com"); ok {
		return isPort(rest)
	}
	if rest, ok := strings.CutPrefix(base, "lpt"); ok {
		return isPort(rest)
	}
	return slices.Contains([]string{"con", "prn", "aux", "nul"}, base)
}

func isPort(number string) bool {
	return len([]rune(number)) == 1 && strings.ContainsAny(number, "0123456789¹²³")
}
