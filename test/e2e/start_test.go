package e2e

import (
	"context"
	"errors"
	"net"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/skyisland/skyisland/test/island"
)

// startPatience is how long a start that cannot succeed may take to say so.
const startPatience = 20 * time.Second

// TestAStartThatCannotSucceed says why at once, and what would help.
func TestAStartThatCannotSucceed(t *testing.T) {
	t.Parallel()
	for _, flag := range []string{"--listen", "--temporal", "--ui", "--unit", "--unit control"} {
		t.Run("a taken port of "+flag, func(t *testing.T) {
			t.Parallel()
			taken := island.FreeAddress(t)
			listener, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", taken)
			if err != nil {
				t.Fatal(err)
			}
			defer listener.Close()
			addresses := map[string]string{"--unit": island.FreeAddress(t), "--unit control": island.FreeAddress(t)}
			for _, name := range []string{"--listen", "--temporal", "--ui"} {
				addresses[name] = island.FreeAddress(t)
			}
			addresses[flag] = taken

			output := fails(t, "--data", t.TempDir(), "--listen", addresses["--listen"], "--temporal", addresses["--temporal"], "--ui", addresses["--ui"],
				"--unit", "local="+addresses["--unit"]+","+addresses["--unit control"])

			option, _, _ := strings.Cut(flag, " ")
			for _, text := range []string{taken, option, "in use"} {
				if !strings.Contains(output, text) {
					t.Errorf("the error does not say %q: %s", text, output)
				}
			}
			if lines := strings.Count(strings.TrimSpace(output), "\n") + 1; lines > 1 {
				t.Errorf("the error has %d lines:\n%s", lines, output)
			}
		})
	}
	t.Run("a folder that another program has", func(t *testing.T) {
		t.Parallel()
		i := island.Start(t, island.Options{})

		output := fails(t, "--data", i.Data, "--listen", island.FreeAddress(t), "--temporal", island.FreeAddress(t), "--ui", island.FreeAddress(t),
			"--unit", "local="+island.FreeAddress(t)+","+island.FreeAddress(t))

		for _, text := range []string{i.Data, "another", "--data"} {
			if !strings.Contains(output, text) {
				t.Errorf("the error does not say %q: %s", text, output)
			}
		}
		if err := i.API.Health(t.Context()); err != nil {
			t.Errorf("the first program is gone: %v", err)
		}
	})
	t.Run("a unit that is half said", func(t *testing.T) {
		t.Parallel()
		if output := fails(t, "--data", t.TempDir(), "--unit", "local=127.0.0.1:1"); !strings.Contains(output, "name=traffic-address,control-address") {
			t.Errorf("the error does not say what would be right: %s", output)
		}
	})
}

// fails starts the program, which must end with exit code 1 by itself, and returns what it printed.
func fails(t *testing.T, args ...string) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), startPatience)
	defer cancel()
	output, err := exec.CommandContext(ctx, island.Program(t), append([]string{"--no-tour"}, args...)...).CombinedOutput()
	var exit *exec.ExitError
	if !errors.As(err, &exit) || exit.ExitCode() != 1 {
		t.Fatalf("the program ended with %v, want exit code 1:\n%s", err, output)
	}
	return string(output)
}
