package island

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// Command runs the skyisland command as the island's operator and returns its exit code and all that it
// printed.
func (i *Island) Command(t testing.TB, args ...string) (code int, output string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), Patience)
	defer cancel()
	args = append([]string{"--server", i.Base, "--token-file", filepath.Join(i.Data, "token")}, args...)
	command := exec.CommandContext(ctx, i.program.command, args...)
	// What the person who runs the tests has set for a server of their own is not meant for this one.
	command.Env = append(os.Environ(), "SKYISLAND_SERVER=", "SKYISLAND_TOKEN=", "NO_COLOR=1")
	out, err := command.CombinedOutput()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		t.Fatalf("skyisland %v: %v", args, err)
	}
	return command.ProcessState.ExitCode(), string(out)
}
