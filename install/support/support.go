// Package support says how long the versions of MongoDB and RabbitMQ are supported, and in
// which steps they are upgraded. docs/operations.md has the same table, with its sources.
package support

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// Product is a program whose versions reach an end of support.
type Product string

// The products. Their names are those of the parts of an installation.
const (
	MongoDB  Product = "mongodb"
	RabbitMQ Product = "rabbitmq"
)

// String returns the product's name as its makers write it.
func (p Product) String() string {
	if p == MongoDB {
		return "MongoDB"
	}
	return "RabbitMQ"
}

// Series are the releases with the same major and minor version. Data of one series can be
// used by the next one, and by no later one.
type Series struct {
	Version string    // such as 8.0
	Ends    time.Time // the last day of support; zero if it is not announced yet
	Release string    // the one that is installed as a step of an upgrade, such as 8.0.29
}

// series are in the order of upgrades.
var series = map[Product][]Series{
	MongoDB: {
		{"4.4", day(2024, 2, 29), "4.4.30"},
		{"5.0", day(2024, 10, 31), "5.0.32"},
		{"6.0", day(2025, 7, 31), "6.0.27"},
		{"7.0", day(2027, 8, 31), "7.0.31"},
		{"8.0", day(2029, 10, 31), "8.0.29"},
	},
	RabbitMQ: {
		{"3.12", day(2024, 2, 21), "3.12.14"},
		{"3.13", day(2024, 9, 17), "3.13.7"},
		{"4.0", day(2025, 4, 15), "4.0.9"},
		{"4.1", day(2026, 1, 30), "4.1.8"},
		{"4.2", time.Time{}, "4.2.9"},
		{"4.3", time.Time{}, "4.3.5"},
	},
}

func day(year, month, d int) time.Time {
	return time.Date(year, time.Month(month), d, 0, 0, 0, 0, time.UTC)
}

// All returns the series of a product, the oldest first.
func All(p Product) []Series { return append([]Series(nil), series[p]...) }

// TagOf returns the tag of an image, without the digest.
func TagOf(image string) string {
	image, _, _ = strings.Cut(image, "@")
	name := image[strings.LastIndex(image, "/")+1:]
	_, tag, _ := strings.Cut(name, ":")
	return tag
}

// SeriesOf returns the series of a version or of the tag of an image, such as
// 4.3.5-management; "" if it is neither.
func SeriesOf(version string) string {
	major, rest, ok := strings.Cut(version, ".")
	if !ok || !number(major) {
		return ""
	}
	end := strings.IndexFunc(rest, func(r rune) bool { return r < '0' || r > '9' })
	if end < 0 {
		end = len(rest)
	}
	if end == 0 {
		return ""
	}
	return major + "." + rest[:end]
}

func number(s string) bool {
	_, err := strconv.ParseUint(s, 10, 16)
	return err == nil
}

// Compare compares two series, as cmp.Compare does. A series that is "" is the oldest.
func Compare(a, b string) int {
	x, y := parts(a), parts(b)
	for i := range x {
		if x[i] != y[i] {
			return x[i] - y[i]
		}
	}
	return 0
}

func parts(s string) [2]int {
	major, minor, _ := strings.Cut(s, ".")
	a, _ := strconv.Atoi(major)
	b, _ := strconv.Atoi(minor)
	return [2]int{a, b}
}

// Steps lists the series through which data of one series is upgraded to another one,
// which is the last. It is empty if both are the same. ok is false if there is no known
// path: the data is newer, or one of the two series is not in the table.
func Steps(p Product, from, to string) (steps []Series, ok bool) {
	start, end := -1, -1
	for i, s := range series[p] {
		if s.Version == from {
			start = i
		}
		if s.Version == to {
			end = i
		}
	}
	switch {
	case from == to:
		return nil, true
	case start < 0 || end < start:
		return nil, false
	}
	return All(p)[start+1 : end+1], true
}

// Notice is how long before the end of support Problem begins to mention it.
const Notice = 183 * 24 * time.Hour

// Problem says in one line that support for a version, or for that of the tag of an image,
// has ended or will end within half a year; otherwise, or if that is not known, it
// returns "".
func Problem(p Product, version string, now time.Time) string {
	name := SeriesOf(version)
	if name == "" {
		return ""
	}
	all := series[p]
	if Compare(name, all[0].Version) < 0 {
		return fmt.Sprintf("%s %s is no longer supported: it is older than %s, whose support ended on %s", p, name, all[0].Version, all[0].Ends.Format(time.DateOnly))
	}
	for _, s := range all {
		if s.Version != name || s.Ends.IsZero() {
			continue
		}
		left := s.Ends.AddDate(0, 0, 1).Sub(now)
		switch {
		case left <= 0:
			return fmt.Sprintf("support for %s %s ended on %s", p, name, s.Ends.Format(time.DateOnly))
		case left <= Notice:
			return fmt.Sprintf("support for %s %s ends on %s", p, name, s.Ends.Format(time.DateOnly))
		}
	}
	return ""
}
