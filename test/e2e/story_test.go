package e2e

import (
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/skyisland/skyisland/internal/release"
	"github.com/skyisland/skyisland/internal/scaffold"
	"github.com/skyisland/skyisland/test/island"
)

// mostBad is how many requests may be answered badly at 200 requests a second and a first step of 5 %.
const mostBad = 10

// TestTheStory is the tour's: a first version, a good one, and a bad one that passes every check before it
// has traffic. It measures, so nothing runs beside it.
func TestTheStory(t *testing.T) {
	i := island.Start(t, island.Options{Units: []string{unitA, unitB}})
	repo := i.Repo(t, tenant, "timetable")
	if _, err := scaffold.Write(repo.Dir, scaffold.Options{Tenant: tenant, Application: "timetable"}); err != nil {
		t.Fatal(err)
	}
	// The watch is somebody else's subject.
	edit(t, repo, "skyisland.yaml", "watch: 15s", "watch: 2s")
	first, _ := repo.Push("First version")
	repo.Find(first).WaitEnd(release.Completed)

	load := island.StartLoad(t, i.Units[0].Entry+"/timetable?from=beijing&to=shanghai", 200, http.Header{scaffold.ClientHeader: {scaffold.ClientLanguages}})
	other := island.StartLoad(t, i.Units[1].Entry+"/timetable?from=beijing&to=shanghai", 20, http.Header{scaffold.ClientHeader: {scaffold.ClientLanguages}})
	good := change(t, repo, scaffold.Good).WaitEnd(release.Completed)
	noneBad(t, load.Report())
	noneBad(t, other.Report())
	wantTold(t, good, "step 1 of 3: 5% to the candidate", "step 2 of 3: 25% to the candidate", "step 3 of 3: 50% to the candidate", "all traffic is at the candidate")
	takes := load.Wait("answers of the good version", func(r island.Report) bool { return answersWith(r, `"takes"`) > 0 })
	before := len(takes.Bad)

	bad := change(t, repo, scaffold.Bad).WaitEnd(release.RolledBack)

	caused(t, bad, release.CauseEvidence)
	wantTold(t, bad, "tests of timetable passed", "Cases of timetable", "Pressure on timetable", "step 1 of 3: 5% to the candidate", "all traffic is back at stable")
	after := load.Report().Sent
	load.Wait("answers after the rollback", func(r island.Report) bool { return r.Sent > after+100 })
	seen, beside := load.Stop(), other.Stop()
	t.Logf("clients saw %d bad answers of the bad version", len(seen.Bad)+len(beside.Bad)-before)
	candidate := bad.Moves[0].Candidate.ID
	if n := len(seen.Bad) + len(beside.Bad) - before; n == 0 || n > mostBad {
		t.Errorf("clients saw %d bad answers, want 1 to %d", n, mostBad)
	}
	if own := len(seen.BadOf(candidate)); own != len(seen.Bad) {
		t.Errorf("%d bad answers are not the bad version's own: %v", len(seen.Bad)-own, seen.Bad)
	}
	if now := i.Settled(t, repo.Lane)["timetable"]; now != good.Moves[0].Candidate.ID {
		t.Errorf("%s serves, want the good version, %s", now, good.Moves[0].Candidate.ID)
	}
	i.Gone(t, repo.Lane, good.Moves[0].Candidate.ID)
	histories(t, i, map[string]string{
		"first-release": "release/e2e/timetable/production/1", "completed": "release/e2e/timetable/production/2",
		"rolled-back": "release/e2e/timetable/production/3",
	})
}

func edit(t *testing.T, repo *island.Repo, file, before, after string) {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(repo.Dir, file))
	if err != nil {
		t.Fatal(err)
	}
	if strings.Count(string(data), before) != 1 {
		t.Fatalf("%s is not written as this test knows it: it does not have %q once", file, before)
	}
	repo.Write(file, strings.Replace(string(data), before, after, 1))
}

func change(t *testing.T, repo *island.Repo, variant string) *island.Release {
	t.Helper()
	if err := scaffold.Variant(repo.Dir, variant); err != nil {
		t.Fatal(err)
	}
	commit, _ := repo.Push("The " + variant + " change")
	return repo.Find(commit)
}

func answersWith(r island.Report, text string) int {
	n := 0
	for answer, count := range r.Answers {
		if strings.Contains(answer.Body, text) {
			n += count
		}
	}
	return n
}

// wantTold fails the test unless the timeline tells all of it, in this order.
func wantTold(t *testing.T, s release.Status, texts ...string) {
	t.Helper()
	entries := s.Timeline
	for _, text := range texts {
		n := slices.IndexFunc(entries, func(e release.Entry) bool { return strings.Contains(e.Message, text) })
		if n < 0 {
			t.Errorf("the timeline does not tell %q in its place:\n%s", text, island.Tell(s))
			return
		}
		entries = entries[n+1:]
	}
}
