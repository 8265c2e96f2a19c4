package e2e

import (
	"os/exec"
	"strings"
	"testing"

	"github.com/skyisland/skyisland/test/island"
)

// TestTheTour is what a newcomer sees on a first start: the program itself says whether it came out
// as it should.
func TestTheTour(t *testing.T) {
	program := exec.CommandContext(t.Context(), island.Program(t),
		"--data", t.TempDir(), "--exit-after-tour", "--listen", island.FreeAddress(t), "--temporal", island.FreeAddress(t), "--ui", island.FreeAddress(t),
		"--unit", "local="+island.FreeAddress(t)+","+island.FreeAddress(t))
	out, err := program.CombinedOutput()
	if err != nil || !strings.Contains(string(out), "rolled back with nobody's help") {
		t.Fatalf("the tour ended with %v:\n%s", err, out)
	}
}
