package alarm

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// ParseBound reads a bound with the unit of its metric: a share such as 5%, a rate such as 10/s, a latency such as 500ms, or
// a number.
func ParseBound(metric Metric, text string) (float64, error) {
	switch metric {
	case ErrorShare:
		number, found := strings.CutSuffix(text, "%")
		value, err := strconv.ParseFloat(number, 64)
		if err != nil || !found || value < 0 || value > 100 {
			return 0, fmt.Errorf("%q is not a share: write 5%%", text)
		}
		return value / 100, nil
	case P50, P90, P99:
		value, err := time.ParseDuration(text)
		if err != nil || value < 0 {
			return 0, fmt.Errorf("%q is not a latency: write 500ms", text)
		}
		return value.Seconds(), nil
	case ErrorRate, RequestRate:
		value, err := strconv.ParseFloat(strings.TrimSuffix(text, "/s"), 64)
		if err != nil || value < 0 {
			return 0, fmt.Errorf("%q is not a rate: write 10/s", text)
		}
		return value, nil
	default:
		value, err := strconv.ParseFloat(text, 64)
		if err != nil || value < 0 {
			return 0, fmt.Errorf("%q is not a number", text)
		}
		return value, nil
	}
}
