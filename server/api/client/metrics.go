package client

import (
	"bufio"
	"fmt"
	"io"
	"strconv"
	"strings"
)

// maxMetrics is larger than the metrics of any service, in bytes.
const maxMetrics = 4 << 20

// Gauges returns the metrics of a response of api.PathMetrics whose names begin with a
// prefix, by the rest of their names with the labels, as in _seconds{state="queued"}. Those
// with a space in a label are left out.
func Gauges(r io.Reader, prefix string) (map[string]float64, error) {
	found := map[string]float64{}
	lines := bufio.NewScanner(io.LimitReader(r, maxMetrics))
	for lines.Scan() {
		name, value, _ := strings.Cut(lines.Text(), " ")
		name, ok := strings.CutPrefix(name, prefix)
		if v, err := strconv.ParseFloat(value, 64); ok && err == nil {
			found[name] = v
		}
	}
	if err := lines.Err(); err != nil {
		return nil, fmt.Errorf("read metrics: %w", err)
	}
	return found, nil
}
