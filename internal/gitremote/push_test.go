package gitremote

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/skyisland/skyisland/internal/git/gittest"
)

func TestPushes(t *testing.T) {
	f := newFixture(t)
	repo, first := f.clone(t, shop)

	repo.Git("push", "origin", "main")
	_, e := f.receiver.event(t)
	if e.Ref != "refs/heads/main" || e.Before != zeroID || e.After != first || !e.Created || e.Deleted || e.Forced {
		t.Errorf("first push = %+v", e)
	}
	if e.Repository.FullName != "demo/shop" || e.Repository.CloneURL != f.server.URL+"/git/demo/shop.git" ||
		e.Repository.DefaultBranch != "main" || e.Repository.ID <= 0 {
		t.Errorf("repository = %+v", e.Repository)
	}
	if e.Pusher != (eventPerson{"ada@example.com", "ada@example.com"}) || e.Sender.Login != "ada@example.com" {
		t.Errorf("pusher = %+v, sender = %+v", e.Pusher, e.Sender)
	}
	if e.HeadCommit == nil || e.HeadCommit.ID != first || e.HeadCommit.Message != "first" ||
		e.HeadCommit.Author != (eventPerson{"Ada Author", "ada@example.com"}) ||
		e.HeadCommit.Timestamp.Format(time.RFC3339) != "2024-05-06T07:08:10+02:00" || len(e.Commits) != 1 {
		t.Errorf("head commit = %+v, commits = %+v", e.HeadCommit, e.Commits)
	}

	repo.Commit("second")
	third := repo.Commit("third")
	repo.Git("push", "origin", "main")
	_, e = f.receiver.event(t)
	if e.Before != first || e.After != third || e.Created || e.Forced {
		t.Errorf("second push = %+v", e)
	}
	if len(e.Commits) != 2 || e.Commits[0].Message != "second" || e.Commits[1].ID != third {
		t.Errorf("commits = %+v, want second and third", e.Commits)
	}

	repo.Git("reset", "--quiet", "--hard", "HEAD~1")
	other := repo.Commit("instead of third")
	repo.Git("push", "--force", "origin", "main")
	_, e = f.receiver.event(t)
	if e.Before != third || e.After != other || !e.Forced || len(e.Commits) != 1 {
		t.Errorf("forced push = %+v", e)
	}

	repo.Git("checkout", "--quiet", "-b", "topic")
	topic := repo.Commit("topic")
	repo.Git("push", "origin", "topic")
	_, e = f.receiver.event(t)
	if e.Ref != "refs/heads/topic" || !e.Created || e.After != topic || len(e.Commits) != 1 {
		t.Errorf("new branch = %+v", e)
	}

	repo.Git("push", "origin", ":topic")
	_, e = f.receiver.event(t)
	if e.Before != topic || e.After != zeroID || !e.Deleted || e.Created || e.HeadCommit != nil || e.Pusher.Name != "git" {
		t.Errorf("deletion = %+v", e)
	}

	repo.Git("tag", "light", first)
	repo.Git("tag", "-a", "-m", "annotated", "v1", other)
	repo.Git("push", "origin", "light", "v1")
	_, light := f.receiver.event(t)
	_, v1 := f.receiver.event(t)
	if light.Ref != "refs/tags/light" || light.After != first || light.HeadCommit.ID != first || len(light.Commits) != 0 {
		t.Errorf("light tag = %+v", light)
	}
	if v1.After != repo.Git("rev-parse", "v1") || v1.After == other || v1.HeadCommit.ID != other {
		t.Errorf("annotated tag = %+v", v1)
	}

	repo.Git("push", "origin", "main")
	if got := f.receiver.take(); len(got) != 7 {
		t.Errorf("a push of nothing new: %d events in all, want 7", len(got))
	}
}

func TestAnEventListsAtMostTwentyCommitsOldestFirst(t *testing.T) {
	f := newFixture(t)
	repo, _ := f.clone(t, shop)
	for i := range 25 {
		repo.Commit(fmt.Sprint("commit ", i))
	}
	repo.Git("push", "origin", "main")
	_, e := f.receiver.event(t)
	if len(e.Commits) != 20 || e.Commits[0].Message != "commit 5" || e.Commits[19].Message != "commit 24" {
		t.Errorf("%d commits: %+v", len(e.Commits), e.Commits)
	}
}

func TestTheFirstBranchBecomesTheDefault(t *testing.T) {
	f := newFixture(t)
	repo, first := f.clone(t, shop)
	repo.Git("push", "origin", "main:refs/heads/master")
	_, e := f.receiver.event(t)
	if e.Repository.DefaultBranch != "master" {
		t.Errorf("default branch = %q, want master", e.Repository.DefaultBranch)
	}
	copied := gittest.New(t)
	copied.Git("clone", "--quiet", f.URL(shop), "copy")
	if got := copied.Git("-C", "copy", "rev-parse", "HEAD"); got != first {
		t.Errorf("clone is at %s, want %s", got, first)
	}
}

func TestATagOfAFileHasNoHeadCommit(t *testing.T) {
	f := newFixture(t)
	repo, _ := f.clone(t, shop)
	repo.Git("tag", "file", "HEAD:a")
	repo.Git("push", "origin", "file")
	_, e := f.receiver.event(t)
	if e.HeadCommit != nil || e.Pusher.Name != "git" || !e.Created {
		t.Errorf("event = %+v", e)
	}
	repo.Git("tag", "--force", "file", "HEAD")
	repo.Git("push", "--force", "origin", "file")
	_, e = f.receiver.event(t)
	if e.HeadCommit == nil || !e.Forced {
		t.Errorf("event = %+v", e)
	}
}

func TestThePusherSeesTheAnswer(t *testing.T) {
	for name, c := range map[string]struct {
		answer func(context.Context, Delivery) (Answer, error)
		want   []string
		lacks  string
	}{
		"a message": {
			func(context.Context, Delivery) (Answer, error) {
				return Answer{Message: "release demo/shop/production/3 started\nwatch it: \x1b[31mskyisland\x1b[0m\n"}, nil
			},
			[]string{"remote: Sky Island: release demo/shop/production/3 started", "remote: Sky Island: watch it:"}, "\x1b[31m",
		},
		"no message": {
			func(context.Context, Delivery) (Answer, error) { return Answer{}, nil },
			[]string{"remote: Sky Island: received main"}, "queued",
		},
		"a message longer than a packet": {
			func(context.Context, Delivery) (Answer, error) {
				return Answer{Message: strings.Repeat(strings.Repeat("x", 400)+"\n", 19) + "the end"}, nil
			},
			[]string{strings.Repeat("x", 400), "remote: Sky Island: the end"}, "",
		},
		"a failure":  {down, []string{"remote: Sky Island: your push is stored; 1 of its events could not be delivered yet"}, "nobody there"},
		"a slowness": {func(ctx context.Context, _ Delivery) (Answer, error) { <-ctx.Done(); return Answer{}, ctx.Err() }, []string{"could not be delivered yet, and will be"}, ""},
		"a refusal": {
			func(context.Context, Delivery) (Answer, error) {
				return Answer{}, fmt.Errorf("%w: there is no skyisland.yaml", ErrRefused)
			},
			[]string{"remote: Sky Island: main is stored, but starts nothing: event refused: there is no skyisland.yaml"}, "queued",
		},
	} {
		t.Run(name, func(t *testing.T) {
			f := newFixture(t, func(o *Options) { o.Patience = 100 * time.Millisecond })
			if name != "a slowness" {
				f.opts.Patience = 20 * time.Second
			}
			f.receiver.answers(c.answer)
			repo, commit := f.clone(t, shop)
			_, stderr, err := repo.Try("push", "origin", "main")
			if err != nil {
				t.Fatalf("push: %v\n%s", err, stderr)
			}
			for _, want := range c.want {
				if !strings.Contains(stderr, want) {
					t.Errorf("the pusher saw:\n%s\nwant %q", stderr, want)
				}
			}
			if c.lacks != "" && strings.Contains(stderr, c.lacks) {
				t.Errorf("the pusher saw:\n%s\nwhich has %q", stderr, c.lacks)
			}
			if got := repo.Git("ls-remote", "origin", "refs/heads/main"); !strings.HasPrefix(got, commit) {
				t.Errorf("main is at %q, want %s", got, commit)
			}
		})
	}
}

func TestNamesAreRefusedWhereThePusherSeesIt(t *testing.T) {
	f := newFixture(t)
	repo := gittest.New(t)
	repo.Commit("one")
	for _, path := range []string{"Demo/shop", "demo/-shop", "demo/sh_op", "demo/" + strings.Repeat("a", 64), "demo/.hidden"} {
		_, stderr, err := repo.Try("push", f.server.URL+"/git/"+path+".git", "main")
		if err == nil || !strings.Contains(stderr, "remote error:") || !strings.Contains(stderr, "lower-case letters, digits and dashes") {
			t.Errorf("push to %s = %v\n%s", path, err, stderr)
		}
	}
	_, stderr, err := repo.Try("clone", f.URL(shop), "copy")
	if err == nil || !strings.Contains(stderr, "its first push creates it") {
		t.Errorf("clone of nothing = %v\n%s", err, stderr)
	}
	if r := f.find(shop); r != nil {
		t.Error("a clone created the repository")
	}
}

func TestTheNumberOfRepositoriesIsBounded(t *testing.T) {
	f := newFixture(t, func(o *Options) { o.MaxRepositories = 1 })
	repo, _ := f.clone(t, shop)
	repo.Git("push", "origin", "main")
	_, stderr, err := repo.Try("push", f.URL(Name{"demo", "other"}), "main")
	if err == nil || !strings.Contains(stderr, "no room for another repository") {
		t.Errorf("push to a second repository = %v\n%s", err, stderr)
	}
}

func TestConcurrentPushesHaveTheirOwnEvents(t *testing.T) {
	f := newFixture(t)
	base, first := f.clone(t, shop)
	base.Git("push", "origin", "main")
	f.receiver.event(t)
	f.receiver.answers(func(_ context.Context, d Delivery) (Answer, error) {
		return Answer{Message: "saw " + d.Ref}, nil
	})
	var wg sync.WaitGroup
	const pushes = 6
	commits := make([]string, pushes)
	for i := range pushes {
		repo := gittest.New(t)
		repo.Git("pull", "--quiet", f.URL(shop), "main")
		commits[i] = repo.Commit(fmt.Sprint("branch ", i))
		wg.Go(func() {
			_, stderr, err := repo.Try("push", f.URL(shop), fmt.Sprintf("HEAD:refs/heads/b%d", i))
			if err != nil || strings.Count(stderr, "saw refs/") != 1 || !strings.Contains(stderr, fmt.Sprintf("saw refs/heads/b%d ", i)) {
				t.Errorf("push %d = %v\n%s", i, err, stderr)
			}
		})
	}
	wg.Wait()
	seen := map[string]bool{}
	for range pushes {
		d, e := f.receiver.event(t)
		seen[d.ID] = true
		i := slices.Index(commits, e.After)
		if i < 0 || e.Ref != fmt.Sprintf("refs/heads/b%d", i) || e.Commits[0].ID == first {
			t.Errorf("event = %+v", e)
		}
	}
	if len(seen) != pushes {
		t.Errorf("%d delivery IDs, want %d", len(seen), pushes)
	}
}

// What a first push is shown is the same for all of them, and has to be whole before the first asks.
func TestFirstPushesAtTheSameTime(t *testing.T) {
	f := newFixture(t)
	var wg sync.WaitGroup
	for i := range 12 {
		name := Name{Tenant: "demo", Application: fmt.Sprint("shop", i)}
		repo, _ := f.clone(t, name)
		wg.Go(func() {
			if _, stderr, err := repo.Try("push", "origin", "main"); err != nil {
				t.Errorf("push to %s = %v\n%s", name, err, stderr)
			}
		})
	}
	wg.Wait()
}

func TestATemplateThatAKillLeftHalfMadeIsMadeAnew(t *testing.T) {
	dir := t.TempDir()
	half := filepath.Join(dir, ".empty.git")
	if err := os.MkdirAll(half, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(half, "HEAD"), []byte("ref: refs/heads/main\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	f := openFixture(t, dir, newReceiver())
	repo, _ := f.clone(t, shop)
	repo.Git("push", "origin", "main")
}

func TestAPushOfTwentyMegabytes(t *testing.T) {
	f := newFixture(t)
	repo, _ := f.clone(t, shop)
	noise := make([]byte, 20<<20)
	random := rand.NewChaCha8([32]byte{1})
	if _, err := random.Read(noise); err != nil {
		t.Fatal(err)
	}
	repo.Write("big", string(noise))
	commit := repo.Commit("big")
	repo.Git("push", "origin", "main")
	if _, e := f.receiver.event(t); e.After != commit {
		t.Errorf("event = %+v", e)
	}
	copied := gittest.New(t)
	copied.Git("clone", "--quiet", f.URL(shop), "copy")
	if got := copied.Git("-C", "copy", "rev-parse", "HEAD"); got != commit {
		t.Errorf("clone is at %s, want %s", got, commit)
	}
}

func TestAPushOverTheLimitIsRefused(t *testing.T) {
	f := newFixture(t, func(o *Options) { o.MaxPushBytes = 100_000 })
	repo, _ := f.clone(t, shop)
	repo.Git("config", "core.compression", "0")
	repo.Write("big", strings.Repeat("0123456789", 50_000))
	repo.Commit("big")
	if _, stderr, err := repo.Try("push", "origin", "main"); err == nil {
		t.Errorf("a push over the limit went through:\n%s", stderr)
	}
	if got := f.receiver.take(); len(got) != 0 {
		t.Errorf("events = %+v", got)
	}
}

func TestFetchSpeaksVersionTwo(t *testing.T) {
	f := newFixture(t)
	repo, first := f.clone(t, shop)
	repo.Git("push", "origin", "main")
	copied := gittest.New(t)
	for _, version := range []string{"0", "1", "2"} {
		dir := "copy" + version
		copied.Git("-c", "protocol.version="+version, "clone", "--quiet", f.URL(shop), dir)
		if got := copied.Git("-C", dir, "rev-parse", "HEAD"); got != first {
			t.Errorf("version %s: clone is at %s, want %s", version, got, first)
		}
	}
	second := repo.Commit("second")
	repo.Git("push", "origin", "main")
	copied.Git("-C", "copy2", "-c", "protocol.version=2", "pull", "--quiet")
	if got := copied.Git("-C", "copy2", "rev-parse", "HEAD"); got != second {
		t.Errorf("after a pull at %s, want %s", got, second)
	}
}

func TestTokenAndPusher(t *testing.T) {
	f := newFixture(t, func(o *Options) { o.Token = "t0k3n" })
	repo, _ := f.clone(t, shop)
	with := func(userinfo string) string {
		return strings.Replace(f.URL(shop), "://", "://"+userinfo+"@", 1)
	}
	for _, userinfo := range []string{"", "ada:wrong", "t0k3n:"} {
		if _, _, err := repo.Try("push", with(userinfo), "main"); err == nil {
			t.Errorf("a push as %q went through", userinfo)
		}
	}
	repo.Git("push", with("grace:t0k3n"), "main")
	_, e := f.receiver.event(t)
	if e.Pusher != (eventPerson{"grace", "ada@example.com"}) || e.Sender.Login != "grace" {
		t.Errorf("pusher = %+v", e.Pusher)
	}
	repo.Commit("second")
	repo.Git("-c", "http.extraHeader=Authorization: Bearer t0k3n", "push", "origin", "main")
	if _, e := f.receiver.event(t); e.Pusher.Name != "ada@example.com" {
		t.Errorf("pusher with a bearer token = %+v", e.Pusher)
	}
}

func TestDeletingTheDefaultBranchIsRefused(t *testing.T) {
	f := newFixture(t)
	repo, _ := f.clone(t, shop)
	repo.Git("push", "origin", "main")
	f.receiver.event(t)
	if _, stderr, err := repo.Try("push", "origin", ":main"); err == nil || !strings.Contains(stderr, "deletion of the current branch") {
		t.Errorf("deletion = %v\n%s", err, stderr)
	}
	if err := f.Flush(t.Context()); err != nil || len(f.receiver.take()) != 1 {
		t.Errorf("a refused push made an event, or %v", err)
	}
}

func TestAPushWithoutSideBandStillSucceeds(t *testing.T) {
	f := newFixture(t)
	repo, first := f.clone(t, shop)
	// What an old client sends: no capabilities but the report. The pack is what git makes of the commit.
	pack := repo.Git("-c", "core.quotePath=false", "rev-list", "--objects", "--no-object-names", "HEAD")
	if pack == "" {
		t.Fatal("no objects")
	}
	status, body := f.push(t, appendFlush(appendPacket(nil, zeroID+" "+first+" refs/heads/main\x00report-status")), packOf(t, repo, pack))
	if status != 200 || !strings.Contains(body, "unpack ok") || !strings.Contains(body, "ok refs/heads/main") || !strings.HasSuffix(body, "0000") {
		t.Errorf("answer %d %q", status, body)
	}
	if _, e := f.receiver.event(t); e.After != first {
		t.Errorf("event = %+v", e)
	}
}

func TestErrRefusedIsFoundThroughWrapping(t *testing.T) {
	if err := statusError(422, ""); !errors.Is(err, ErrRefused) {
		t.Errorf("statusError(422) = %v", err)
	}
}
