package e2e

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/skyisland/skyisland/internal/release"
	"github.com/skyisland/skyisland/test/island"
)

// process finds the number that the sample function prints when it starts.
var process = regexp.MustCompile(`as process (\d+)`)

// gates sends versions that are wrong in one way each. Each is stopped by the gate that is meant for it
// before it has traffic, says why, leaves nothing behind, and is followed by a good version.
func gates(t *testing.T, i *island.Island) {
	repo, load := live(t, i, "gates", in(island.Version("v0")))
	// With the pressure gate comes its own rate, so that only the case that is about it pays for it.
	pressed := "pressure: {rate: 100/s, for: 2s, p99: 5s, errors: 1%}"
	repo.Write("cases/answer.yaml", "cases:\n  - {name: the answer is not bad, request: {method: GET}, expect: {body: {contains: v}}}\n")
	tests := []struct {
		name string
		bad  func(version string) island.Manifest
		kind release.CauseKind
		says []string
	}{
		{"its tests fail", func(v string) island.Manifest {
			return island.Version(v).And(`test: {run: [sh, -c, "echo want 4, got 5; exit 1"]}`)
		}, release.CauseTest, []string{"want 4, got 5"}},
		{"its build exits with an error", func(v string) island.Manifest {
			return island.Version(v).And(`build: {run: [sh, -c, "echo compiling; echo main.go:7 broken >&2; exit 3"]}`)
		}, release.CauseBuild, []string{"3", "main.go:7 broken"}},
		{"its build hangs", func(v string) island.Manifest {
			return island.Version(v).And(`build: {run: [sh, -c, "echo downloading the internet; exec sleep 600"], timeout: 1s}`)
		}, release.CauseBuild, []string{"1s", "downloading the internet"}},
		{"its build floods its output", func(v string) island.Manifest {
			return island.Version(v).And(`build: {run: [sh, -c, "exec yes all work and no play"], output: 64KiB}`)
		}, release.CauseBuild, []string{"more than 65536 bytes", "all work and no play"}},
		{"it never becomes healthy", func(v string) island.Manifest {
			m := island.Version(v, "NEVER_HEALTHY", "yes")
			m.Components[0].Run = []string{"start: 1s"}
			return m
		}, release.CauseHealth, []string{"version wrong", "serves at"}},
		{"it fails a case", func(v string) island.Manifest {
			return island.Version(v).And("cases: cases/*.yaml")
		}, release.CauseCases, []string{"the answer is not bad"}},
		{"it carries too little", func(v string) island.Manifest {
			return island.Version(v, "MOST_PER_SECOND", "20").With(pressed)
		}, release.CausePressure, []string{"503"}},
	}
	serving := i.Settled(t, repo.Lane)["web"]
	for n, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			repo := repo.For(t)
			wrong := in(test.bad(fmt.Sprintf("wrong%d", n)))

			status := repo.Release(wrong).WaitEnd(release.Failed)

			caused(t, status, test.kind, test.says...)
			if status.Weight != release.NoWeight || status.Step >= 0 {
				t.Errorf("it had traffic:\n%s", island.Tell(status))
			}
			i.Gone(t, repo.Lane, serving)
			for _, pid := range processesOf(status) {
				island.Eventually(t, "end of the process", func() error {
					if island.Alive(pid) {
						return fmt.Errorf("process %d is there", pid)
					}
					return nil
				})
			}

			version := fmt.Sprintf("v%d", n+1)
			good := repo.Release(in(island.Version(version)).With(goodGate(test.kind, pressed)...)).WaitEnd(release.Completed)
			island.Serves(t, repo.Entry("", "web"), version)
			serving = good.Moves[0].Candidate.ID
		})
	}
	seen := load.Stop()
	noneBad(t, seen)
	if n := answersWith(seen, "wrong"); n > 0 {
		t.Errorf("%d answers are of versions that a gate had stopped", n)
	}
}

// goodGate lets the good version through the gate that stopped the wrong one.
func goodGate(kind release.CauseKind, pressed string) []string {
	if kind == release.CausePressure {
		return []string{pressed}
	}
	return nil
}

// processesOf are the processes that a cause's output names.
func processesOf(s release.Status) []int {
	var pids []int
	for _, found := range process.FindAllStringSubmatch(strings.Join(s.Cause.Details, "\n"), -1) {
		if pid, err := strconv.Atoi(found[1]); err == nil {
			pids = append(pids, pid)
		}
	}
	return pids
}
