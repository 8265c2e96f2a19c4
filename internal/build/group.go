//go:build unix

package build

import (
	"errors"
	"os"
	"os/exec"
	"syscall"
)

// group is the process group of a command: what it started, and what that started.
type group struct{ cmd *exec.Cmd }

// inGroup makes the command the leader of a group that is asked to end when its context ends.
func inGroup(cmd *exec.Cmd) group {
	g := group{cmd}
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error {
		err := syscall.Kill(-cmd.Process.Pid, syscall.SIGTERM)
		if errors.Is(err, syscall.ESRCH) {
			return os.ErrProcessDone
		}
		return err
	}
	return g
}

// kill ends whatever of the group is left. The leader has been waited for; its number stays taken
// for as long as the group has members, and when it has none the answer is that there is nobody.
func (g group) kill() { _ = syscall.Kill(-g.cmd.Process.Pid, syscall.SIGKILL) }
