//go:build !unix

package bench_test

import "time"

// cpuTime is not known here; figures that rest on it are 0.
func cpuTime() time.Duration { return 0 }
