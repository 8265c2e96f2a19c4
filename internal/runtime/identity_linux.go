package runtime

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"
)

// look is how often a process that is not our child is looked at.
const look = 200 * time.Millisecond

// identity tells a process from another that later has the same number: the boot of the machine
// and the moment after it at which the process started. A process that has ended, also when nobody
// has waited for it yet, is [errGone].
func identity(pid int) (string, error) {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if errors.Is(err, os.ErrNotExist) {
		return "", errGone
	}
	if err != nil {
		return "", fmt.Errorf("look process %d up: %w", pid, err)
	}
	// The second field is the program's name in parentheses, and may itself have any character in
	// it; the fields that follow start with the third, the state. The start is field 22.
	fields := bytes.Fields(stat[bytes.LastIndexByte(stat, ')')+1:])
	if len(fields) < 20 {
		return "", fmt.Errorf("look process %d up: cannot read its state %q", pid, stat)
	}
	// The first thread can have ended while others, field 20, still hold the process's port.
	if state, threads := string(fields[0]), string(fields[17]); state == "X" || (state == "Z" && (threads == "0" || threads == "1")) {
		return "", errGone
	}
	boot, err := os.ReadFile("/proc/sys/kernel/random/boot_id")
	if err != nil {
		return "", fmt.Errorf("look process %d up: %w", pid, err)
	}
	return strings.TrimSpace(string(boot)) + "/" + string(fields[19]), nil
}
