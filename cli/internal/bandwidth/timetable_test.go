package bandwidth

import (
	"math"
	"testing"
	"time"

	"github.com/soundextract/sx/server/sx"
)

func TestTimetable(t *testing.T) {
	t.Parallel()
	const k = 1 << 10
	week := "08:00,512k 19:00,10M 23:00,off Sat-08:00,20M"
	for _, tt := range []struct {
		text, at string // at: a time in the week of Monday, 2024-01-01
		want     float64
	}{
		{"10M", "2024-01-03 12:00", 10240 * k},
		{"2G", "2024-01-03 12:00", 2 << 20 * k},
		{week, "2024-01-01 07:59", math.Inf(1)}, // Sunday's
		{week, "2024-01-01 08:00", 512 * k},
		{week, "2024-01-01 18:59", 512 * k},
		{week, "2024-01-01 19:00", 10240 * k},
		{week, "2024-01-01 23:30", math.Inf(1)},
		{week, "2024-01-06 12:00", 20480 * k},
		{week, "2024-01-06 19:00", 10240 * k},
		{week, "2024-01-07 00:00", math.Inf(1)},
		{"Wed-12:00,1k", "2024-01-01 00:00", 1 * k}, // since last Wednesday
		{"Sat-08:00,20M 08:00,512k", "2024-01-06 12:00", 20480 * k},
	} {
		table, err := parse(tt.text)
		if err != nil {
			t.Fatal(err)
		}
		at, err := time.Parse("2006-01-02 15:04", tt.at)
		if err != nil {
			t.Fatal(err)
		}
		if got := table.at(at); got != tt.want {
			t.Errorf("%s at %s: got %v, want %v", tt.text, tt.at, got, tt.want)
		}
	}
}

func FuzzTimetable(f *testing.F) {
	for _, seed := range []string{
		"", "10M", "off", "1k", "1023B", "NaNk", "infG", "1e300G", "08:00,512k 19:00,10M 23:00,off", "Sat-08:00,20M", "sun-00:00,1k 00:00,2k",
		"08:00,512k 08:00,1M", "24:00,1M", "08:00", ",1M", "Xyz-08:00,1M", "08:00,1M,2M",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		table, err := parse(text)
		if err != nil {
			if code := sx.CodeOf(err); code != sx.CodeUsage || sx.AsError(err).Hint == "" {
				t.Errorf("%q: %v (code %s), want a usage error with a hint", text, err, code)
			}
			return
		}
		for i, s := range table {
			if s.minute < 0 || s.minute >= 7*minutesOfDay || math.IsNaN(s.perSecond) || s.perSecond < lowest || i > 0 && s.minute <= table[i-1].minute {
				t.Fatalf("%q: slot %d of %v", text, i, table)
			}
		}
		for hour := range 7 * 24 {
			if rate := table.at(time.Unix(int64(hour)*3600, 0).UTC()); math.IsNaN(rate) || rate < lowest {
				t.Fatalf("%q: the rate is %v", text, rate)
			}
		}
	})
}
