package app

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/skyisland/skyisland/internal/git"
	"github.com/skyisland/skyisland/internal/git/gittest"
	"github.com/skyisland/skyisland/internal/intake"
	"github.com/skyisland/skyisland/internal/release"
	"github.com/skyisland/skyisland/internal/store"
	"github.com/skyisland/skyisland/internal/store/storetest"
)

const hookSecret = "It's a Secret to Everybody"

// recordedPush is one push of the recorded set, as GitHub tells it.
type recordedPush struct {
	ref, before, after string
	forced             bool
}

// record makes a history with everything that can happen to refs, in the order in which it happened.
func record(t *testing.T) (dir string, first string, set []recordedPush) {
	t.Helper()
	repo := gittest.New(t)
	repo.Write("skyisland.yaml", `apiVersion: skyisland/v1
tenant: acme
application: checkout
components: [{name: web, run: {command: [bin/web]}}]
environments:
  staging: {branch: main, concurrency: queue}
  production: {branch: main, tags: ["v*"]}
  nightly: {branch: develop}
`)
	zero := strings.Repeat("0", 40)
	commit := func(content string) string { repo.Write("main.go", content); return repo.Commit(content) }
	first = commit("0")
	last := first
	main := func() {
		next := commit(fmt.Sprint(len(set)))
		set = append(set, recordedPush{"refs/heads/main", last, next, false})
		last = next
	}
	tag := func(name string) {
		repo.Git("tag", "--annotate", "--message="+name, name)
		set = append(set, recordedPush{"refs/tags/" + name, zero, repo.Git("rev-parse", "refs/tags/"+name), false})
	}
	main()
	main()
	repo.Git("checkout", "--quiet", "-b", "develop")
	one := commit("develop 1")
	set = append(set, recordedPush{"refs/heads/develop", zero, one, false})
	repo.Git("checkout", "--quiet", "main")
	main()
	tag("v1")
	repo.Git("checkout", "--quiet", "-B", "develop", first)
	two := commit("develop 2")
	set = append(set, recordedPush{"refs/heads/develop", one, two, true})
	repo.Git("checkout", "--quiet", "main")
	main()
	main()
	tag("v2")
	set = append(set, recordedPush{"refs/heads/develop", two, zero, false})
	main()
	// What is there at first is the first commit alone; the objects stay.
	repo.Git("config", "gc.auto", "0")
	return repo.Dir, first, set
}

// onceWorld is an installation that is restarted, before a repository that goes on.
type onceWorld struct {
	t      *testing.T
	random *rand.Rand
	dsn    string
	repo   string
	mirror string

	store    *store.Store
	router   *intake.Router
	github   *intake.Webhook
	backfill *intake.Backfill
	lanes    *onceLanes
	clock    time.Time
}

// onceLanes are lanes: a key that they know is a duplicate. Some answers are lost, with whoever asked.
type onceLanes struct {
	mu       sync.Mutex
	keys     map[string]release.ID
	requests []release.Request
	die      func()
}

func (l *onceLanes) Submit(ctx context.Context, req release.Request) (release.Submission, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	key := req.Lane.String() + " " + req.Key
	id, known := l.keys[key]
	if !known {
		id = release.ID{Lane: req.Lane, Number: len(l.keys) + 1}
		l.keys[key] = id
		l.requests = append(l.requests, req)
	}
	if l.die != nil {
		l.die()
		l.die = nil
		return release.Submission{}, ctx.Err()
	}
	if known {
		return release.Submission{Release: id, Answer: release.Duplicate}, nil
	}
	return release.Submission{Release: id, Answer: release.Queued}, nil
}

// start is the program, over what it has stored.
func (w *onceWorld) start() {
	w.t.Helper()
	if w.store != nil {
		if err := w.store.Close(); err != nil {
			w.t.Fatal(err)
		}
	}
	var err error
	if w.store, err = store.Open(context.WithoutCancel(w.t.Context()), w.dsn); err != nil {
		w.t.Fatal(err)
	}
	source, err := git.New(w.mirror, git.Options{})
	if err != nil {
		w.t.Fatal(err)
	}
	log := slog.New(slog.NewTextHandler(w.t.Output(), &slog.HandlerOptions{Level: slog.LevelWarn}))
	parts := intake.Parts{
		Inbox: inbox{w.store}, Applications: applications{Store: w.store}, Manifests: manifests{repositories{source}}, Submitter: w.lanes,
		Repositories: now{source}, Heads: heads{w.store}, Serving: w.store, Log: log,
	}
	w.router = intake.NewRouter(parts)
	w.backfill = intake.NewBackfill(parts, w.router, nil)
	w.backfill.SetClock(func() time.Time { return w.clock })
	if w.github, err = intake.NewGitHub([]string{hookSecret}, parts.Inbox, w.router, log); err != nil {
		w.t.Fatal(err)
	}
}

// happen lets a push happen in the repository.
func (w *onceWorld) happen(p recordedPush) {
	args := []string{"-C", w.repo, "update-ref", p.ref, p.after}
	if strings.Trim(p.after, "0") == "" {
		args = []string{"-C", w.repo, "update-ref", "-d", p.ref}
	}
	gittest.Run(w.t, args...)
}

// deliver sends a delivery as GitHub does, and says whether it was taken.
func (w *onceWorld) deliver(name string, p recordedPush) bool {
	w.t.Helper()
	body, err := json.Marshal(map[string]any{
		"ref": p.ref, "before": p.before, "after": p.after, "forced": p.forced, "sender": map[string]any{"login": "mona"},
		"repository": map[string]any{"full_name": strings.Trim(w.repo, "/"), "clone_url": w.repo, "pushed_at": 1700000000},
	})
	if err != nil {
		w.t.Fatal(err)
	}
	mac := hmac.New(sha256.New, []byte(hookSecret))
	mac.Write(body)
	r := httptest.NewRequest(http.MethodPost, githubPath, bytes.NewReader(body))
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("X-GitHub-Event", "push")
	r.Header.Set("X-GitHub-Delivery", name)
	r.Header.Set("X-Hub-Signature-256", "sha256="+hex.EncodeToString(mac.Sum(nil)))
	answer := httptest.NewRecorder()
	w.github.ServeHTTP(answer, r)
	return answer.Code == http.StatusAccepted
}

// work hands on what there is, and dies in the middle of it now and then.
func (w *onceWorld) work() {
	w.t.Helper()
	ctx, cancel := context.WithCancel(w.t.Context())
	defer cancel()
	if w.random.IntN(3) == 0 {
		w.lanes.die = cancel
	}
	err := w.router.Once(ctx)
	w.lanes.die = nil
	if ctx.Err() != nil {
		w.start()
	} else if err != nil {
		w.t.Fatal(err)
	}
}

// drain hands on everything there is, and lives to see it.
func (w *onceWorld) drain() {
	w.t.Helper()
	pending, err := w.store.Pending(w.t.Context(), time.Now().Add(time.Hour), 100)
	if err != nil {
		w.t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(w.t.Context(), time.Minute)
	var work sync.WaitGroup
	work.Go(func() { _ = w.router.Run(ctx) })
	for _, event := range pending {
		if _, done, err := w.router.Await(ctx, event.ID); err != nil || !done {
			w.t.Errorf("event %d has no outcome: %v", event.ID, err)
		}
	}
	cancel()
	work.Wait()
}

func (w *onceWorld) look() {
	w.t.Helper()
	if err := w.backfill.Look(w.t.Context()); err != nil {
		w.t.Fatal(err)
	}
	w.clock = w.clock.Add(time.Duration(w.random.IntN(40)) * time.Second)
}

// TestEachCommitIsReleasedOnceWhateverBecomesOfItsDeliveries replays a recorded set of deliveries, each 1 to 20 times or
// never, in any order, with kills in between, while the repository goes on.
func TestEachCommitIsReleasedOnceWhateverBecomesOfItsDeliveries(t *testing.T) {
	template, first, set := record(t)
	seeds := 12
	if testing.Short() {
		seeds = 2
	}
	for seed := range seeds {
		t.Run(fmt.Sprint("SQLite ", seed), func(t *testing.T) {
			t.Parallel()
			playOnce(t, uint64(seed), template, first, set, filepath.Join(t.TempDir(), "test.db"))
		})
	}
	t.Run("PostgreSQL", func(t *testing.T) {
		playOnce(t, uint64(seeds), template, first, set, storetest.Schema(t))
	})
}

func playOnce(t *testing.T, seed uint64, template, first string, set []recordedPush, dsn string) {
	w := &onceWorld{
		t: t, random: rand.New(rand.NewPCG(seed, 5)), dsn: dsn, mirror: t.TempDir(), repo: filepath.Join(t.TempDir(), "checkout"),
		lanes: &onceLanes{keys: map[string]release.ID{}}, clock: time.Now().Add(-3 * time.Hour), // what is found is found before now
	}
	if err := os.CopyFS(w.repo, os.DirFS(template)); err != nil {
		t.Fatal(err)
	}
	for _, ref := range strings.Fields(gittest.Run(t, "-C", w.repo, "for-each-ref", "--format=%(refname)")) {
		gittest.Run(t, "-C", w.repo, "update-ref", "-d", ref)
	}
	w.happen(recordedPush{ref: "refs/heads/main", after: first})
	w.start()
	defer func() { _ = w.store.Close() }()
	application := release.Application{Tenant: "acme", Name: "checkout", Repository: w.repo}
	if err := w.store.SaveApplication(t.Context(), application); err != nil {
		t.Fatal(err)
	}
	w.look() // what is there first is no change
	type delivery struct {
		name string
		push recordedPush
	}
	var under []delivery
	for next := 0; next < len(set) || len(under) > 0; {
		switch choice := w.random.IntN(10); {
		case choice < 3 && next < len(set):
			w.happen(set[next])
			if w.random.IntN(3) > 0 { // the others are dropped
				for range 1 + w.random.IntN(20) {
					under = append(under, delivery{fmt.Sprint("delivery-", next), set[next]})
				}
			}
			next++
		case choice < 8 && len(under) > 0:
			i := w.random.IntN(len(under))
			if w.deliver(under[i].name, under[i].push) {
				under = slices.Delete(under, i, i+1)
			} else {
				t.Fatalf("%s was not taken", under[i].name)
			}
		case choice == 8:
			w.work()
		default:
			w.look()
		}
	}
	for range 2 { // and in the end everything that was lost is found
		w.look()
		w.clock = w.clock.Add(time.Minute)
		w.look()
		w.drain()
	}
	w.check(set)
}

// check is what has to be true in the end.
func (w *onceWorld) check(set []recordedPush) {
	t := w.t
	t.Helper()
	pending, err := w.store.Pending(t.Context(), time.Now().Add(time.Hour), 100)
	if err != nil || len(pending) > 0 {
		t.Errorf("%d events have no outcome, %v", len(pending), err)
	}
	released := map[string][]string{}
	for _, req := range w.lanes.requests {
		environment := req.Lane.Environment
		if slices.Contains(released[environment], req.Commit) {
			t.Errorf("%s was released to %s twice", req.Commit, environment)
		}
		released[environment] = append(released[environment], req.Commit)
	}
	order := map[string][]string{}
	for _, p := range set {
		switch {
		case p.ref == "refs/heads/main":
			order["staging"] = append(order["staging"], p.after)
		case p.ref == "refs/heads/develop" && strings.Trim(p.after, "0") != "":
			order["nightly"] = append(order["nightly"], p.after)
		case strings.HasPrefix(p.ref, "refs/tags/"):
			order["production"] = append(order["production"], gittest.Run(t, "-C", w.repo, "rev-parse", p.ref+"^{commit}"))
		}
	}
	for environment, commits := range order {
		got := released[environment]
		at := -1
		for _, commit := range got {
			i := slices.Index(commits, commit)
			if i <= at {
				t.Errorf("%s: %s was released after what came later", environment, commit)
			}
			at = i
		}
		// develop is deleted in the end, and may have been before anybody heard of it.
		if newest := commits[len(commits)-1]; environment != "nightly" && !slices.Contains(got, newest) {
			t.Errorf("%s: the newest commit %s was not released, only %v", environment, newest, got)
		}
	}
}
