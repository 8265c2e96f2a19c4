package release_test

import (
	"crypto/sha256"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/skyisland/skyisland/internal/release"
)

// The documents that follow from the code. `go generate` writes them; tests compare.
var update = flag.Bool("update", false, "write the generated documents anew")

func TestGenerated(t *testing.T) {
	for name, content := range map[string]func(testing.TB, string) string{
		"state-machine.md": func(testing.TB, string) string { return stateMachine() },
		"plan.md":          planExample,
	} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join("..", "..", "docs", name)
			old, err := os.ReadFile(path)
			if err != nil && !*update {
				t.Fatal(err)
			}
			want := content(t, string(old))
			if string(old) == want {
				return
			}
			if !*update {
				t.Fatalf("docs/%s is out of date: run make generate", name)
			}
			if err := os.WriteFile(path, []byte(want), 0o644); err != nil {
				t.Fatal(err)
			}
		})
	}
}

// phaseMeans is the table of phases.
var phaseMeans = []struct {
	phase release.Phase
	means string
}{
	{release.Pending, "The release has a number and nothing has been looked at."},
	{release.Admitting, "The commit is fetched, its manifest read, and the rules are asked whether it may begin."},
	{release.Building, "Every component is built; the plan is frozen and named by its hash."},
	{release.Testing, "The components' own tests run."},
	{release.Deploying, "Candidates start beside what is stable, without traffic."},
	{release.Verifying, "The function cases run against the candidates."},
	{release.Pressing, "The candidates carry load, and their capacity is judged."},
	{release.Approving, "People are asked, where the manifest wants it here."},
	{release.Ramping, "The weight rises step by step, in every unit, on evidence."},
	{release.CuttingOver, "The candidates get all traffic; the predecessors stay warm."},
	{release.Watching, "The candidates are judged for some more time; the way back starts nothing."},
	{release.RollingBack, "All traffic returns to stable, in reverse order of the units. Nobody is asked."},
	{release.Completed, "The candidates are stable, the predecessors retired."},
	{release.Refused, "A rule, a person or the manifest said no before traffic moved."},
	{release.Failed, "A gate said no before traffic moved: a build, a test, a case, a health check, the pressure."},
	{release.Aborted, "A person stopped it before traffic moved."},
	{release.Superseded, "A newer release took the lane before traffic moved."},
	{release.RolledBack, "All traffic is back at what was stable before."},
}

// stateMachine is docs/state-machine.md.
func stateMachine() string {
	var b strings.Builder
	b.WriteString(`<!-- Generated from internal/release by go generate. Do not edit. -->
# The phases of a release

Before traffic moves a release simply ends. From the first weight on, every end but completion goes through
rolling back. The drawing leaves out the four ways to end early that every phase before the ramp has; the table
has all arrows.

`)
	b.WriteString("```mermaid\nstateDiagram-v2\n  [*] --> pending\n")
	for _, arrow := range release.Transitions() {
		if arrow.From.MovesTraffic() || arrow.From == release.RollingBack || arrow.On == release.Passed {
			fmt.Fprintf(&b, "  %s --> %s: %s\n", state(arrow.From), state(arrow.To), arrow.On)
		}
	}
	for _, p := range phaseMeans {
		if p.phase == release.Completed || p.phase == release.RolledBack {
			fmt.Fprintf(&b, "  %s --> [*]\n", state(p.phase))
		}
	}
	b.WriteString("```\n\n| phase | what happens |\n|---|---|\n")
	for _, p := range phaseMeans {
		fmt.Fprintf(&b, "| %s | %s |\n", p.phase, p.means)
	}
	b.WriteString("\n| event | what it is |\n|---|---|\n" +
		"| passed | The phase ended well. |\n" +
		"| denied | A rule or a person said no, or the request cannot be carried out. |\n" +
		"| broke | A gate failed, an alarm came, the verdict is against the canary, the lease was lost too often. |\n" +
		"| stopped | A person aborted or rolled back. |\n" +
		"| overtaken | A newer release takes the lane. |\n" +
		"| restored | All traffic is back at stable. |\n\n| from | on | to |\n|---|---|---|\n")
	for _, arrow := range release.Transitions() {
		fmt.Fprintf(&b, "| %s | %s | %s |\n", arrow.From, arrow.On, arrow.To)
	}
	return b.String()
}

// state is a phase's name where hyphens are not allowed.
func state(p release.Phase) string { return strings.ReplaceAll(string(p), "-", "_") }

func TestEveryPhaseIsDescribed(t *testing.T) {
	if len(phaseMeans) != len(allPhases) {
		t.Fatalf("%d phases are described, there are %d", len(phaseMeans), len(allPhases))
	}
	for i, p := range phaseMeans {
		if p.phase != allPhases[i] {
			t.Errorf("phase %d is described as %s, it is %s", i, p.phase, allPhases[i])
		}
	}
}

const (
	exampleBegins = "<!-- The example is generated from internal/release by go generate. -->\n"
	exampleEnds   = "<!-- End of the example. -->\n"
)

// planExample is docs/plan.md with its example as it is now. The hash in it is computed as the document
// says, without the code it is about.
func planExample(t testing.TB, old string) string {
	before, rest, found := strings.Cut(old, exampleBegins)
	_, after, ended := strings.Cut(rest, exampleEnds)
	if !found || !ended {
		t.Fatal("docs/plan.md has no place for its example")
	}
	text, err := json.Marshal(examplePlan())
	if err != nil {
		t.Fatal(err)
	}
	sum := sha256.Sum256([]byte("skyisland/plan/v1\n" + string(text)))
	return before + exampleBegins + "```json\n" + string(text) + "\n```\n\nIts hash is `" + fmt.Sprintf("%x", sum) + "`.\n" + exampleEnds + after
}
