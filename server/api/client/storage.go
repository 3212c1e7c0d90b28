package client

import (
	"fmt"
	"io"
	"math"
	"strconv"
	"time"

	"github.com/soundextract/sx/server/sx"
)

// Storage is the volume with the videos and MP3s.
type Storage struct {
	Size    int64 `json:"size_bytes"`
	Free    int64 `json:"free_bytes"`
	Reserve int64 `json:"reserve_bytes"` // what new uploads leave free
	// Forecast says whether new uploads will be refused: full (they are), filling (in
	// FullSeconds, at the present rate), not_in_sight, or unknown (before half an hour
	// was measured).
	Forecast    string `json:"forecast"`
	FullSeconds int64  `json:"full_seconds,omitempty"`
}

// The values of Storage.Forecast.
const (
	forecastFull       = "full"
	forecastFilling    = "filling"
	forecastNotInSight = "not_in_sight"
	forecastUnknown    = "unknown"
)

// ReadStorage reads the metrics of a gateway. It returns nil if they do not say how large
// the volume is.
func ReadStorage(metrics io.Reader) (*Storage, error) {
	found, err := Gauges(metrics, "sx_storage_")
	if err != nil {
		return nil, err
	}
	s := &Storage{
		Size: int64(found["size_bytes"]), Free: int64(found["free_bytes"]), Reserve: int64(found["reserve_bytes"]),
	}
	if s.Size <= 0 {
		return nil, nil //nolint:nilnil // the server does not know it
	}
	switch full := found["full_seconds"]; {
	case s.Free <= s.Reserve:
		s.Forecast = forecastFull
	case math.IsNaN(full):
		s.Forecast = forecastUnknown
	case full > maxForecast.Seconds():
		s.Forecast = forecastNotInSight
	default:
		s.Forecast, s.FullSeconds = forecastFilling, int64(full)
	}
	return s, nil
}

// maxForecast is the longest time that is shown.
const maxForecast = 10 * 365 * 24 * time.Hour

// Describe describes the volume in a few words, such as "98 GiB free, full in 12 days".
func (s *Storage) Describe() string {
	text := sx.FormatSize(s.Free) + " free"
	switch s.Forecast {
	case forecastFull:
		return text + ", new uploads are refused"
	case forecastFilling:
		return text + ", full in " + period(s.FullSeconds)
	case forecastNotInSight:
		return text + ", not filling up"
	}
	return text
}

// period formats a duration approximately.
func period(seconds int64) string {
	switch hours := seconds / 3600; {
	case hours < 1:
		return "less than an hour"
	case hours < 2:
		return "an hour"
	case hours < 48:
		return strconv.FormatInt(hours, 10) + " hours"
	case hours < 60*24:
		return strconv.FormatInt(hours/24, 10) + " days"
	case hours < 2*365*24:
		return strconv.FormatInt(hours/24/30, 10) + " months"
	default:
		return strconv.FormatInt(hours/24/365, 10) + " years"
	}
}

// Full reports whether new uploads are refused.
func (s *Storage) Full() bool { return s.Forecast == forecastFull }

// soon is how far ahead Problem reports that the volume will be full.
const soon = 7 * 24 * time.Hour

// Problem returns what is wrong; "" if nothing is.
func (s *Storage) Problem() string {
	reserve := fmt.Sprintf("%s of %s is free, and new uploads must leave %s", sx.FormatSize(s.Free), sx.FormatSize(s.Size), sx.FormatSize(s.Reserve))
	switch {
	case s.Forecast == forecastFull:
		return "new uploads are refused: " + reserve
	case s.Forecast == forecastFilling && s.FullSeconds < int64(soon/time.Second):
		return "new uploads will be refused in " + period(s.FullSeconds) + ": " + reserve
	}
	return ""
}
