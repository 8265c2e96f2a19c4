package bench_test

import (
	"fmt"
	"io"
	"os"
	"runtime"
	"slices"
	"strings"
	"text/tabwriter"
	"time"
)

// report gathers what was measured, in the order of the table.
type report struct {
	began time.Time
	load  string
	rows  []row
	notes []string
}

// row is one line of the table.
type row struct {
	what, measured, bar string
	// met is nil where there is no bar.
	met *bool
}

func newReport() *report { return &report{began: time.Now(), load: loadAverage()} }

// add is a figure without a bar.
func (r *report) add(what, format string, args ...any) {
	r.rows = append(r.rows, row{what: what, measured: fmt.Sprintf(format, args...)})
}

// judge is a figure with a bar.
func (r *report) judge(what, bar string, met bool, format string, args ...any) {
	r.rows = append(r.rows, row{what: what, measured: fmt.Sprintf(format, args...), bar: bar, met: &met})
}

// note explains figures below the table.
func (r *report) note(format string, args ...any) {
	r.notes = append(r.notes, fmt.Sprintf(format, args...))
}

func (r *report) print(out io.Writer) {
	if len(r.rows) == 0 {
		return
	}
	fmt.Fprintf(out, "\nSky Island on %s, %s, %d CPUs, %s\n", r.began.UTC().Format("2006-01-02 15:04 UTC"), processor(), runtime.NumCPU(), runtime.Version())
	fmt.Fprintf(out, "took %s; load average %s before, %s after\n\n", time.Since(r.began).Round(time.Second), r.load, loadAverage())
	table := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "what\tmeasured\tbar\t")
	for _, row := range r.rows {
		verdict := ""
		if row.met != nil {
			verdict = "NOT MET"
			if *row.met {
				verdict = "met"
			}
		}
		fmt.Fprintf(table, "%s\t%s\t%s\t%s\n", row.what, row.measured, row.bar, verdict)
	}
	_ = table.Flush() // a terminal that went away is noticed by whoever waits for it
	for _, note := range r.notes {
		fmt.Fprintln(out, "\n"+note)
	}
	fmt.Fprintln(out)
}

// loadAverage is what else the machine is doing, where the system tells.
func loadAverage() string {
	content, err := os.ReadFile("/proc/loadavg")
	if err != nil {
		return "unknown"
	}
	fields := strings.Fields(string(content))
	return strings.Join(fields[:min(3, len(fields))], " ")
}

// processor is the name of the CPU, where the system tells.
func processor() string {
	content, err := os.ReadFile("/proc/cpuinfo")
	if err != nil {
		return runtime.GOOS + "/" + runtime.GOARCH
	}
	for line := range strings.Lines(string(content)) {
		if name, value, found := strings.Cut(line, ":"); found && strings.TrimSpace(name) == "model name" {
			return strings.TrimSpace(value)
		}
	}
	return runtime.GOOS + "/" + runtime.GOARCH
}

// quantile is the smallest value that at least a share q of them does not exceed; 0 of none.
func quantile[T ~int | ~int64 | ~float64](values []T, q float64) T {
	if len(values) == 0 {
		return 0
	}
	sorted := slices.Sorted(slices.Values(values))
	rank := int(q*float64(len(sorted)) + 0.999999)
	return sorted[min(max(rank, 1), len(sorted))-1]
}

func median[T ~int | ~int64 | ~float64](values []T) T { return quantile(values, 0.5) }

// ms is a duration in milliseconds.
func ms(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }

// us is a duration in microseconds.
func us(d time.Duration) float64 { return float64(d) / float64(time.Microsecond) }
