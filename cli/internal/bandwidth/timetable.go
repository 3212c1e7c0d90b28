package bandwidth

import (
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/soundextract/sx/server/sx"
)

// timetable says which rate applies when. It repeats every week.
type timetable []slot // sorted by minute

// slot is a rate that applies from a minute of the week on, counted from the beginning of
// Sunday.
type slot struct {
	minute    int
	perSecond float64 // bytes; +Inf is no limit
}

const minutesOfDay = 24 * 60

// at returns the rate at a time, in its time zone.
func (t timetable) at(now time.Time) float64 {
	minute := int(now.Weekday())*minutesOfDay + now.Hour()*60 + now.Minute()
	i, found := slices.BinarySearchFunc(t, minute, func(s slot, m int) int { return s.minute - m })
	if found {
		return t[i].perSecond
	}
	return t[(i+len(t)-1)%len(t)].perSecond // before the first, that of last week's end
}

const hint = "give a rate in bytes per second, such as 512k or 10M, or a timetable, such as \"08:00,512k 19:00,10M 23:00,off\""

func invalid(format string, args ...any) error {
	return sx.NewError(sx.CodeUsage, format, args...).WithHint("%s", hint)
}

// parse reads a rate, or a list of times with rates as rclone takes it: "08:00,512k" for
// every day or "Sat-08:00,10M" for one, separated by spaces.
func parse(text string) (timetable, error) {
	entries := strings.Fields(text)
	if len(entries) == 1 && !strings.Contains(text, ",") {
		perSecond, err := parseRate(entries[0])
		return timetable{{0, perSecond}}, err
	}
	rates := map[int]float64{}
	byDay := map[int]bool{} // a time of one day takes precedence over one of every day
	for _, entry := range entries {
		when, text, _ := strings.Cut(entry, ",")
		perSecond, err := parseRate(text)
		if err != nil {
			return nil, err
		}
		days, minute, err := parseTime(when)
		if err != nil {
			return nil, err
		}
		for _, day := range days {
			at, one := day*minutesOfDay+minute, len(days) == 1
			if _, twice := rates[at]; twice && byDay[at] == one {
				return nil, invalid("the timetable has %s twice", when)
			}
			if one || !byDay[at] {
				rates[at], byDay[at] = perSecond, one
			}
		}
	}
	if len(rates) == 0 {
		return nil, invalid("no bandwidth limit is given")
	}
	table := make(timetable, 0, len(rates))
	for minute, perSecond := range rates {
		table = append(table, slot{minute, perSecond})
	}
	slices.SortFunc(table, func(a, b slot) int { return a.minute - b.minute })
	return table, nil
}

var weekdays = []string{"sun", "mon", "tue", "wed", "thu", "fri", "sat"}

// parseTime reads "HH:MM" or "Mon-HH:MM".
func parseTime(text string) (days []int, minute int, err error) {
	day, clock, ok := strings.Cut(text, "-")
	if ok {
		i := slices.Index(weekdays, strings.ToLower(day))
		if i < 0 {
			return nil, 0, invalid("unknown day %q", day)
		}
		days = []int{i}
	} else {
		clock, days = text, []int{0, 1, 2, 3, 4, 5, 6}
	}
	at, err := time.Parse("15:04", clock)
	if err != nil {
		return nil, 0, invalid("%q is not a time of day", clock)
	}
	return days, at.Hour()*60 + at.Minute(), nil
}

// lowest is the lowest limit in bytes per second: below it, servers and proxies end the
// connection as stalled.
const lowest = 1024

// parseRate reads a number of bytes per second with the unit B, or k, M or G (powers of
// 1024, as in curl and rclone), or "off".
func parseRate(text string) (float64, error) {
	if strings.EqualFold(text, "off") {
		return math.Inf(1), nil
	}
	if text == "" {
		return 0, invalid("no bandwidth limit is given")
	}
	number, unit := text[:len(text)-1], text[len(text)-1]
	var factor float64
	switch unit {
	case 'b', 'B':
		factor = 1
	case 'k', 'K':
		factor = 1 << 10
	case 'm', 'M':
		factor = 1 << 20
	case 'g', 'G':
		factor = 1 << 30
	default:
		if _, err := strconv.ParseFloat(text, 64); err == nil {
			return 0, invalid("the bandwidth limit %s has no unit", text)
		}
		return 0, invalid("invalid bandwidth limit %q", text)
	}
	value, err := strconv.ParseFloat(number, 64)
	if err != nil || math.IsNaN(value) || math.IsInf(value, 0) {
		return 0, invalid("invalid bandwidth limit %q", text)
	}
	if value*factor < lowest {
		return 0, invalid("the bandwidth limit %s is below 1k", text)
	}
	return value * factor, nil
}
