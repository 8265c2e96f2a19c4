package release

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"
)

// Weight is the part of a route's requests that goes to the canary, in permyriad: 0 sends nobody,
// 10000 sends everybody. Its text form is a percentage with up to two decimals, "5%" or "0.25%".
type Weight int

// The two weights a finished release may leave behind.
const (
	NoWeight   Weight = 0
	FullWeight Weight = 10000
)

// ParseWeight reads a percentage from "0%" to "100%" with at most two decimals.
func ParseWeight(s string) (Weight, error) {
	percent, err := parsePercent(s)
	if err != nil {
		return 0, err
	}
	permyriad := percent * 100
	if math.Abs(permyriad-math.Round(permyriad)) > 1e-6 {
		return 0, fmt.Errorf("%q has more than two decimals: the finest weight is 0.01%%", s)
	}
	w := Weight(math.Round(permyriad))
	if !w.Valid() {
		return 0, fmt.Errorf("%q is outside 0%% to 100%%", s)
	}
	return w, nil
}

// Valid says whether w is between 0 and 100 %.
func (w Weight) Valid() bool { return w >= NoWeight && w <= FullWeight }

// Fraction is w between 0 and 1.
func (w Weight) Fraction() float64 { return float64(w) / float64(FullWeight) }

// String is the percentage, such as "5%" or "0.25%".
func (w Weight) String() string {
	return strconv.FormatFloat(float64(w)/100, 'f', -1, 64) + "%"
}

// MarshalText writes the percentage.
func (w Weight) MarshalText() ([]byte, error) { return []byte(w.String()), nil }

// UnmarshalText reads what [ParseWeight] reads.
func (w *Weight) UnmarshalText(text []byte) error { return assign(w, string(text), ParseWeight) }

// Share is a part of a whole between 0 and 1, such as the requests that may fail. Its text form is
// a percentage of any precision, "0.1%".
type Share float64

// ParseShare reads a percentage from "0%" to "100%".
func ParseShare(s string) (Share, error) {
	percent, err := parsePercent(s)
	if err != nil {
		return 0, err
	}
	if percent < 0 || percent > 100 {
		return 0, fmt.Errorf("%q is outside 0%% to 100%%", s)
	}
	return Share(percent / 100), nil
}

// String is the percentage, such as "0.1%".
func (s Share) String() string {
	// Rounded to nine digits, so that 0.001 is written as 0.1% and not as 0.10000000000000001%.
	percent, _ := strconv.ParseFloat(strconv.FormatFloat(float64(s)*100, 'g', 9, 64), 64)
	return strconv.FormatFloat(percent, 'f', -1, 64) + "%"
}

// MarshalText writes the percentage.
func (s Share) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// UnmarshalText reads what [ParseShare] reads.
func (s *Share) UnmarshalText(text []byte) error { return assign(s, string(text), ParseShare) }

// Rate is a number of requests per second, at least 0. Its text form names its unit of time:
// "300/s", "90/m" or "1000/h".
type Rate float64

// ParseRate reads a number followed by /s, /m or /h.
func ParseRate(s string) (Rate, error) {
	number, unit, found := strings.Cut(strings.TrimSpace(s), "/")
	seconds := map[string]float64{"s": 1, "m": 60, "h": 3600}[strings.TrimSpace(unit)]
	if !found || seconds == 0 {
		return 0, fmt.Errorf("%q is not a rate: write a number and its unit of time, such as 300/s, 90/m or 1000/h", s)
	}
	n, err := parseNumber(number)
	if err != nil || n < 0 {
		return 0, fmt.Errorf("%q is not a rate: %q is not a number of requests", s, number)
	}
	return Rate(n / seconds), nil
}

// String is the rate per second, such as "300/s".
func (r Rate) String() string { return strconv.FormatFloat(float64(r), 'g', 9, 64) + "/s" }

// MarshalText writes the rate per second.
func (r Rate) MarshalText() ([]byte, error) {
	return []byte(strconv.FormatFloat(float64(r), 'g', -1, 64) + "/s"), nil
}

// UnmarshalText reads what [ParseRate] reads.
func (r *Rate) UnmarshalText(text []byte) error { return assign(r, string(text), ParseRate) }

// Duration is a span of time, at least 0, written as in Go with "d" for 24 hours added: "90s", "2h30m", "7d".
type Duration time.Duration

// ParseDuration reads a duration; a number without a unit is refused.
func ParseDuration(s string) (Duration, error) {
	text := strings.TrimSpace(s)
	var days time.Duration
	if before, after, found := strings.Cut(text, "d"); found {
		n, err := strconv.ParseUint(before, 10, 16)
		if err != nil {
			return 0, durationError(s)
		}
		days, text = time.Duration(n)*24*time.Hour, after
		if text == "" {
			return Duration(days), nil
		}
	}
	d, err := time.ParseDuration(text)
	if err != nil || d < 0 || d > math.MaxInt64-days {
		return 0, durationError(s)
	}
	return Duration(days + d), nil
}

func durationError(s string) error {
	return fmt.Errorf("%q is not a duration: write a number with its unit, such as 500ms, 30s, 5m, 2h or 7d", s)
}

// Std is d as a [time.Duration].
func (d Duration) Std() time.Duration { return time.Duration(d) }

// String is the shortest form that reads back as d, such as "2m" or "1h30m".
func (d Duration) String() string {
	text := time.Duration(d).String()
	if strings.HasSuffix(text, "m0s") {
		text = strings.TrimSuffix(text, "0s")
	}
	if strings.HasSuffix(text, "h0m") {
		text = strings.TrimSuffix(text, "0m")
	}
	return text
}

// MarshalText writes the shortest form.
func (d Duration) MarshalText() ([]byte, error) { return []byte(d.String()), nil }

// UnmarshalText reads what [ParseDuration] reads.
func (d *Duration) UnmarshalText(text []byte) error { return assign(d, string(text), ParseDuration) }

func assign[T any](to *T, text string, parse func(string) (T, error)) error {
	value, err := parse(text)
	if err != nil {
		return err
	}
	*to = value
	return nil
}

func parsePercent(s string) (float64, error) {
	number, found := strings.CutSuffix(strings.TrimSpace(s), "%")
	if !found {
		return 0, fmt.Errorf("%q is not a percentage: write it with its sign, such as 5%% or 0.1%%", s)
	}
	n, err := parseNumber(number)
	if err != nil {
		return 0, fmt.Errorf("%q is not a percentage: %q is not a number", s, number)
	}
	return n, nil
}

func parseNumber(s string) (float64, error) {
	n, err := strconv.ParseFloat(strings.TrimSpace(s), 64)
	if err != nil || math.IsInf(n, 0) || math.IsNaN(n) {
		return 0, fmt.Errorf("%q is not a number", s)
	}
	if n == 0 {
		return 0, nil // without the sign that a zero may have
	}
	return n, nil
}
