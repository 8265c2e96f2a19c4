//go:build unix && !linux

package runtime

import (
	"context"
	"errors"
	"fmt"
	"os/exec"
	"strconv"
	"strings"
	"time"
)

// look is how often a process that is not our child is looked at; each look starts a program.
const look = time.Second

// identity tells a process from another that later has the same number: by the moment at which it
// started, to a second. A process that has ended, also when nobody has waited for it yet, is [errGone].
func identity(pid int) (string, error) {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	cmd := exec.CommandContext(ctx, "/bin/ps", "-o", "stat=,lstart=", "-p", strconv.Itoa(pid))
	cmd.Env = []string{"LC_ALL=C", "TZ=UTC"}
	out, err := cmd.Output()
	state, started, _ := strings.Cut(strings.TrimSpace(string(out)), " ")
	var exit *exec.ExitError
	switch {
	case errors.As(err, &exit) && state == "", strings.HasPrefix(state, "Z"):
		return "", errGone
	case err != nil:
		return "", fmt.Errorf("look process %d up: %w", pid, err)
	default:
		return strings.TrimSpace(started), nil
	}
}
