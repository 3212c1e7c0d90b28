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

// Gauges returns the metrics of a response of api.PathMetrics that have no labels and whose
// names begin with a prefix, by the rest of their names.
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
