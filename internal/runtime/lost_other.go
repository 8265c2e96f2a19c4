//go:build unix && !linux

package runtime

import (
	"context"
	"os/exec"
	"strconv"
	"strings"
	"time"
)

// withTemp are the processes whose TMPDIR is an instance's own, which no other has: that instance's
// process and what it started. Where ps cannot show environments there are none, and a process that
// was lost is noticed by its port, which the instance then reports as taken.
func withTemp(ctx context.Context, dir string) []int {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	// -E is the environment on macOS. It follows the command, separated by spaces.
	cmd := exec.CommandContext(ctx, "/bin/ps", "-axwwE", "-o", "pid=,command=")
	cmd.Env = []string{"LC_ALL=C"}
	out, err := cmd.Output()
	if err != nil {
		return nil
	}
	var pids []int
	for line := range strings.Lines(string(out)) {
		number, rest, _ := strings.Cut(strings.TrimSpace(line), " ")
		if !strings.Contains(rest+" ", " TMPDIR="+dir+" ") {
			continue
		}
		if pid, err := strconv.Atoi(number); err == nil {
			pids = append(pids, pid)
		}
	}
	return pids
}
