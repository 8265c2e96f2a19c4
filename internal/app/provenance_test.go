package app

import (
	"encoding/json"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/skyisland/skyisland/activities"
	"github.com/skyisland/skyisland/internal/config"
	"github.com/skyisland/skyisland/internal/policy"
	"github.com/skyisland/skyisland/internal/provenance"
	"github.com/skyisland/skyisland/internal/release"
	"github.com/skyisland/skyisland/internal/signing"
	"github.com/skyisland/skyisland/internal/store"
)

var (
	provenCommit = strings.Repeat("1", 40)
	otherCommit  = strings.Repeat("2", 40)
	provenTar    = release.Digest("sha256:" + strings.Repeat("a", 64))
	otherTar     = release.Digest("sha256:" + strings.Repeat("b", 64))
)

// stating is what states where artifacts come from, on a store, with keys in a folder.
func stating(t *testing.T, s *store.Store, dir string) *attestations {
	t.Helper()
	keys, err := signing.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	return &attestations{store: s, keys: keys, builder: "https://sky.example/builder", version: "1.2.3"}
}

// made is an artifact of a release, built at a second.
func made(number, second int, repository, commit string, artifact release.Digest) activities.Made {
	at := testEpoch.Add(time.Duration(second) * time.Second)
	return activities.Made{
		Release: laneNumber(number), Repository: repository, Ref: "refs/heads/main", Commit: commit, Artifact: artifact,
		Component: release.Component{Name: "web", Build: release.Build{Run: []string{"make"}, Env: map[string]string{"TOKEN": "s3cret"}}},
		Manifest:  release.Digest("sha256:" + strings.Repeat("c", 64)), Attempt: "release/1", Started: at.Add(-time.Second), Finished: at,
	}
}

func attest(t *testing.T, a *attestations, all ...activities.Made) {
	t.Helper()
	for _, one := range all {
		if err := a.Attest(t.Context(), one); err != nil {
			t.Fatal(err)
		}
	}
}

// origin is what is told of the single candidate of a plan.
func origin(t *testing.T, a *attestations, repository, commit string, artifact release.Digest) release.Provenance {
	t.Helper()
	plan := release.Plan{Repository: repository, Commit: commit, Moves: []release.Move{{Component: "web", Candidate: release.Revision{Artifact: artifact}}}}
	got, err := a.Origins(t.Context(), plan)
	if err != nil || len(got) != 1 || got[0].Component != "web" || got[0].Artifact != artifact {
		t.Fatalf("got %+v, %v; want one about the candidate", got, err)
	}
	return got[0]
}

const provenRepository = "https://ada:s3cret@git.example/x.git"

func TestTheStatementOfThePlansOwnCommitIsTold(t *testing.T) {
	onEachStore(t, func(t *testing.T, one, other *store.Store) {
		dir := t.TempDir()
		a := stating(t, one, dir)
		attest(t, a,
			made(1, 1, provenRepository, provenCommit, provenTar),
			made(1, 1, provenRepository, provenCommit, provenTar),
			made(2, 2, "https://git.example/x.git", otherCommit, provenTar),
			made(3, 3, "https://git.example/evil.git", otherCommit, provenTar),
		)
		// The other program has the same keys and the same database.
		a = stating(t, other, dir)
		for name, c := range map[string]struct {
			repository, commit, wantRepository, wantCommit string
		}{
			"the plan's own":                         {provenRepository, provenCommit, "https://git.example/x.git", provenCommit},
			"the newest of the plan's repository":    {provenRepository, strings.Repeat("3", 40), "https://git.example/x.git", otherCommit},
			"any, where none is of the repository":   {"https://git.example/y.git", provenCommit, "https://git.example/evil.git", otherCommit},
			"not that of the same commit elsewhere":  {provenRepository, otherCommit, "https://git.example/x.git", otherCommit},
			"of a commit that several were built of": {"https://git.example/evil.git", otherCommit, "https://git.example/evil.git", otherCommit},
		} {
			got := origin(t, a, c.repository, c.commit, provenTar)
			if !got.Verified || got.Problem != "" || got.Repository != c.wantRepository || got.Commit != c.wantCommit {
				t.Errorf("%s: got %+v", name, got)
			}
			if got.Builder != "https://sky.example/builder" || got.Ref != "refs/heads/main" || len(got.Keys) != 1 || got.Keys[0] != a.keys.Public().ID || got.Built.IsZero() {
				t.Errorf("%s: got %+v", name, got)
			}
		}
		if got := origin(t, a, provenRepository, provenCommit, otherTar); got.Verified || !strings.Contains(got.Problem, "there is no statement") {
			t.Errorf("of an artifact nobody knows: %+v", got)
		}
		stored, err := one.Statements(t.Context(), provenTar, nil, 9)
		if err != nil || len(stored) != 3 {
			t.Errorf("%d statements are stored, %v; want each once", len(stored), err)
		}
		for _, s := range stored {
			verified, err := provenance.Verify(s.Envelope, []provenance.PublicKey{a.keys.Public()}, provenTar.Hex())
			body, _ := json.Marshal(verified.Statement)
			if err != nil || strings.Contains(string(body), "s3cret") || verified.Statement.Subject[0].Name != "demo/hello/web" {
				t.Errorf("stated %s, %v; want the artifact's name and no secret", body, err)
			}
		}
	})
}

// What is in the database is not trusted: neither what somebody has changed, nor what somebody has put under another digest.
func TestWhatSomebodyWroteIntoTheDatabaseIsNotProven(t *testing.T) {
	onEachStore(t, func(t *testing.T, s, _ *store.Store) {
		a, stranger := stating(t, s, t.TempDir()), stating(t, s, t.TempDir())
		attest(t, a, made(1, 1, provenRepository, provenCommit, provenTar))
		stored, err := s.Statements(t.Context(), provenTar, nil, 1)
		if err != nil {
			t.Fatal(err)
		}
		moved := stored[0]
		moved.Artifact = otherTar
		if err := s.SaveStatement(t.Context(), moved); err != nil {
			t.Fatal(err)
		}
		if got := origin(t, a, provenRepository, provenCommit, otherTar); got.Verified || !strings.Contains(got.Problem, "subject: it is about demo/hello/web") || got.Builder != "" {
			t.Errorf("a statement about another artifact: %+v", got)
		}
		forged := release.Digest("sha256:" + strings.Repeat("d", 64))
		attest(t, stranger, made(2, 2, provenRepository, provenCommit, forged))
		if got := origin(t, a, provenRepository, provenCommit, forged); got.Verified || !strings.Contains(got.Problem, "not trusted") || !strings.Contains(got.Problem, "demo/hello/production/2") {
			t.Errorf("a statement of a stranger: %+v", got)
		}
		// A good one beside it counts all the same.
		attest(t, a, made(3, 1, provenRepository, provenCommit, forged))
		if got := origin(t, a, provenRepository, provenCommit, forged); !got.Verified || got.Problem != "" {
			t.Errorf("a good statement beside a stranger's: %+v", got)
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		if err := a.Attest(t.Context(), made(4, 4, provenRepository, provenCommit, provenTar)); err == nil {
			t.Error("nothing is stored, and that is no error")
		}
		plan := release.Plan{Moves: []release.Move{{Component: "web"}}}
		if got, err := a.Origins(t.Context(), plan); err == nil {
			t.Errorf("nobody could look, and it is told %+v", got)
		}
	})
}

func TestKeysThatCannotBeReadProveNothing(t *testing.T) {
	s, err := store.Open(t.Context(), filepath.Join(t.TempDir(), "store.db"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	dir := t.TempDir()
	a := stating(t, s, dir)
	attest(t, a, made(1, 1, provenRepository, provenCommit, provenTar))
	if err := os.WriteFile(filepath.Join(dir, "trusted", "broken.pem"), []byte("x"), 0o600); err != nil {
		t.Fatal(err)
	}
	if got := origin(t, a, provenRepository, provenCommit, provenTar); got.Verified || !strings.Contains(got.Problem, "broken.pem") {
		t.Errorf("got %+v, want the file that is no key", got)
	}
	if _, err := (statements{a}).Keys(t.Context()); err == nil {
		t.Error("keys are published that cannot be read")
	}
}

func TestTheAPIShowsWhatIsStated(t *testing.T) {
	onEachStore(t, func(t *testing.T, s, _ *store.Store) {
		dir := t.TempDir()
		old := stating(t, s, dir)
		attest(t, old, made(1, 1, provenRepository, provenCommit, provenTar))
		if err := os.Remove(filepath.Join(dir, "key.pem")); err != nil {
			t.Fatal(err)
		}
		a := stating(t, s, dir)
		// The build of the second release was tried again, and came to other bytes.
		attest(t, a, made(2, 2, provenRepository, provenCommit, provenTar), made(2, 3, provenRepository, provenCommit, otherTar))
		view := statements{a}
		stated, err := view.Statements(t.Context(), provenTar, nil, 9)
		if err != nil || len(stated) != 2 || stated[0].Release != laneNumber(2) || stated[0].Component != "web" || stated[1].Made != testEpoch.Add(time.Second) {
			t.Errorf("got %+v, %v; want both, the newest first", stated, err)
		}
		if none, err := view.Statements(t.Context(), provenTar, []string{"stranger"}, 9); err != nil || len(none) != 0 {
			t.Errorf("got %+v, %v; want nothing for another tenant", none, err)
		}
		built, err := view.Built(t.Context(), laneNumber(2))
		if err != nil || len(built) != 1 || built[0].Artifact != otherTar {
			t.Errorf("got %+v, %v; want the last that was built", built, err)
		}
		keys, err := view.Keys(t.Context())
		if err != nil || len(keys) != 2 {
			t.Fatalf("got %+v, %v; want the old key and the new one", keys, err)
		}
		for _, k := range keys {
			parsed, err := provenance.ParsePublicKeys([]byte(k.PEM))
			if err != nil || parsed[0].ID != k.ID || k.Signing != (k.ID == a.keys.Public().ID) {
				t.Errorf("got %+v, %v", k, err)
			}
			if strings.Contains(k.PEM, "PRIVATE") {
				t.Error("a private key is published")
			}
		}
	})
}

func TestABuilderHasAName(t *testing.T) {
	for want, c := range map[string]config.Config{
		"https://sky.example/builder":  {PublicURL: "https://sky.example/"},
		"http://127.0.0.1:780/builder": {PublicURL: "http://127.0.0.1:780"},
		"urn:example:builder":          {PublicURL: "https://sky.example", Provenance: config.Provenance{Builder: "urn:example:builder"}},
	} {
		if got := builderOf(c); got != want {
			t.Errorf("got %s, want %s", got, want)
		}
	}
}

// The whole way: stated, stored, checked at the question, judged by the real rules, and recorded.
func TestOnlyWhatIsProvenIsDeployedWhereThatIsDemanded(t *testing.T) {
	onEachStore(t, func(t *testing.T, s, _ *store.Store) {
		file := filepath.Join(t.TempDir(), "data.yaml")
		demand := "provenance: [{environments: [production], builders: [\"https://sky.example/builder\"]}]\n"
		if err := os.WriteFile(file, []byte(demand), 0o600); err != nil {
			t.Fatal(err)
		}
		rules, err := policy.New(policyOptions(config.Policy{Data: file}, slog.New(slog.DiscardHandler)))
		if err != nil {
			t.Fatal(err)
		}
		dir := t.TempDir()
		a := stating(t, s, dir)
		asker := &activities.Policy{Rules: patientRules{rules}, Ledger: s, Registry: s, Origins: a}
		id := laneNumber(1)
		request := release.Request{
			Lane: id.Lane, Repository: provenRepository, Ref: "refs/heads/main", Commit: provenCommit, Requester: release.Actor{Name: "ada", Source: "github"},
		}
		spec := release.Spec{Lane: id.Lane, Units: []string{"local"}, Components: []release.Component{{Name: "web"}}}
		plan := release.NewPlan(id, request, spec, map[string]release.Digest{"web": provenTar}, nil)
		question := release.Question{
			Version: release.QuestionVersion, Gate: release.GateDeploy, Release: id, Request: request, Spec: &spec, Plan: &plan, PlanHash: plan.Hash(), At: testEpoch,
		}
		ask := func(want ...string) {
			t.Helper()
			answer, err := asker.Decide(t.Context(), activities.DecideInput{Question: question})
			if err != nil {
				t.Fatal(err)
			}
			var got []string
			for _, denial := range answer.Decision.Deny {
				got = append(got, denial.Code)
			}
			if !slices.Equal(got, want) {
				t.Errorf("denied for %+v, want %q", answer.Decision.Deny, want)
			}
		}
		ask("provenance.missing")
		attest(t, a, made(1, 1, "https://git.example/evil.git", provenCommit, provenTar))
		ask("provenance.repository")
		attest(t, a, made(1, 2, provenRepository, provenCommit, provenTar))
		ask()
		recorded, err := s.Decisions(t.Context(), id)
		if err != nil || len(recorded) != 3 {
			t.Fatalf("%d decisions are recorded, %v", len(recorded), err)
		}
		told := 0
		for _, decision := range recorded {
			var asked release.Question
			if err := json.Unmarshal(decision.Question, &asked); err != nil {
				t.Fatal(err)
			}
			if decision.Allow && asked.Facts.Provenance[0].Commit == provenCommit && asked.Facts.Provenance[0].Keys[0] == a.keys.Public().ID {
				told++
			}
		}
		if told != 1 {
			t.Error("the record does not say which statement the yes rests on")
		}
		// A key that is taken away ends what rests on it, at the next question.
		if err := os.Remove(filepath.Join(dir, "trusted", a.keys.Public().ID+".pem")); err != nil {
			t.Fatal(err)
		}
		ask("provenance.missing")
	})
}
