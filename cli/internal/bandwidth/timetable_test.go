package bandwidth

import (
	"math"
	"testing"
	"time"
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
