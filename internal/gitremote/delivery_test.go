package gitremote

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"
)

var uuid = regexp.MustCompile(`^[0-9a-f]{8}-[0-9a-f]{4}-8[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$`)

func TestRunDeliversLaterWithTheSameID(t *testing.T) {
	f := newFixture(t)
	f.receiver.answers(down)
	repo, first := f.clone(t, shop)
	repo.Git("push", "origin", "main")
	second := repo.Commit("second")
	repo.Git("push", "origin", "main")
	tried := f.receiver.take()
	if len(tried) != 2 || tried[0].ID != tried[1].ID || !uuid.MatchString(tried[0].ID) {
		t.Fatalf("while nobody is there: %d tries, want the first event twice", len(tried))
	}
	if err := f.Flush(t.Context()); !errors.Is(err, errDown) {
		t.Errorf("Flush = %v, want the reason", err)
	}

	stop := f.run(t)
	f.receiver.answers(nil)
	d1, e1 := f.receiver.event(t)
	d2, e2 := f.receiver.event(t)
	if d1.ID != tried[0].ID || e1.After != first || e1.Before != zeroID {
		t.Errorf("first event = %s %+v", d1.ID, e1)
	}
	if d2.ID == d1.ID || e2.Before != first || e2.After != second {
		t.Errorf("second event = %s %+v", d2.ID, e2)
	}
	stop()
	f.receiver.take()
	if err := f.Flush(t.Context()); err != nil || len(f.receiver.take()) != 0 {
		t.Errorf("delivered again, or %v", err)
	}
}

func TestTheNextPushDeliversWhatWasNotDelivered(t *testing.T) {
	f := newFixture(t)
	f.receiver.answers(down)
	repo, first := f.clone(t, shop)
	repo.Git("push", "origin", "main")
	f.receiver.answers(nil)
	second := repo.Commit("second")
	repo.Git("push", "origin", "main")
	_, e1 := f.receiver.event(t)
	_, e2 := f.receiver.event(t)
	if e1.After != first || e2.After != second {
		t.Errorf("events after %s, %s; want %s, %s", e1.After, e2.After, first, second)
	}
}

func TestAKillBeforeTheDeliveryLosesNothing(t *testing.T) {
	f := newFixture(t)
	f.receiver.answers(down)
	repo, first := f.clone(t, shop)
	repo.Git("push", "origin", "main")
	tried := f.receiver.take()
	f.server.Close()

	again := openFixture(t, f.dir, newReceiver())
	if err := again.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	d, e := again.receiver.event(t)
	if d.ID != tried[0].ID || e.After != first {
		t.Errorf("after the start: %s %+v, want %s", d.ID, e, tried[0].ID)
	}
}

// TestAKillBeforeTheLedgerLosesNothing puts the files back as they are between git's update of the ref and ours of the
// ledger: the new ref with the old ledger.
func TestAKillBeforeTheLedgerLosesNothing(t *testing.T) {
	f := newFixture(t)
	repo, first := f.clone(t, shop)
	repo.Git("push", "origin", "main")
	f.receiver.event(t)
	ledgerPath := filepath.Join(f.find(shop).dir, ledgerFile)
	before, err := os.ReadFile(ledgerPath)
	if err != nil {
		t.Fatal(err)
	}
	second := repo.Commit("second")
	repo.Git("push", "origin", "main")
	whole, _ := f.receiver.event(t)
	f.server.Close()
	if err := os.WriteFile(ledgerPath, before, 0o600); err != nil {
		t.Fatal(err)
	}

	again := openFixture(t, f.dir, newReceiver())
	again.run(t)
	d, e := again.receiver.event(t)
	if e.Before != first || e.After != second || d.ID != whole.ID {
		t.Errorf("after the start: %s %+v, want the ID %s it would have had", d.ID, e, whole.ID)
	}
}

func TestAKillBeforeTheLedgerIsNotTheNextPushersChange(t *testing.T) {
	f := newFixture(t, func(o *Options) { o.Token = "t" })
	repo, first := f.clone(t, shop)
	to := strings.Replace(f.URL(shop), "://", "://grace:t@", 1)
	repo.Git("push", to, "main")
	f.receiver.event(t)
	// A ref that changed behind the ledger's back, as a kill leaves it.
	repo.Git("push", f.find(shop).dir, "main:refs/heads/stray")
	repo.Commit("second")
	repo.Git("push", to, "main")
	_, stray := f.receiver.event(t)
	_, main := f.receiver.event(t)
	if stray.Ref != "refs/heads/stray" || stray.After != first || stray.Pusher.Name == "grace" {
		t.Errorf("stray = %+v", stray)
	}
	if main.Ref != "refs/heads/main" || main.Pusher.Name != "grace" {
		t.Errorf("main = %+v", main)
	}
}

func TestARefusedEventIsNotTriedAgainAndKeepsNothingBack(t *testing.T) {
	f := newFixture(t)
	f.receiver.answers(func(context.Context, Delivery) (Answer, error) { return Answer{}, ErrRefused })
	repo, _ := f.clone(t, shop)
	repo.Git("push", "origin", "main")
	f.receiver.answers(nil)
	second := repo.Commit("second")
	repo.Git("push", "origin", "main")
	if _, e := f.receiver.event(t); e.After != second {
		t.Errorf("event = %+v", e)
	}
	if got := f.receiver.take(); len(got) != 2 {
		t.Errorf("%d tries, want 2", len(got))
	}
}

func TestEventsThatFailKeepBackOnlyTheirOwnRef(t *testing.T) {
	f := newFixture(t)
	repo, _ := f.clone(t, shop)
	var refs []string
	for i := range 6 {
		refs = append(refs, fmt.Sprintf("HEAD:refs/heads/b%d", i))
	}
	f.receiver.answers(down)
	repo.Git(append([]string{"push", "origin"}, refs...)...)
	// Five poisoned refs, and more than one round gives up on.
	f.receiver.answers(func(_ context.Context, d Delivery) (Answer, error) {
		if d.Ref != "refs/heads/b5" {
			return Answer{}, errDown
		}
		return Answer{}, nil
	})
	f.run(t)
	f.later(shop)
	if d, _ := f.receiver.event(t); d.Ref != "refs/heads/b5" {
		t.Errorf("delivered %s", d.Ref)
	}
}

func TestRunEndsWithItsContextDuringADelivery(t *testing.T) {
	f := newFixture(t, func(o *Options) { o.Patience = time.Nanosecond })
	repo, _ := f.clone(t, shop)
	repo.Git("push", "origin", "main")
	started := make(chan struct{}, 10)
	f.receiver.answers(func(ctx context.Context, _ Delivery) (Answer, error) {
		started <- struct{}{}
		<-ctx.Done()
		return Answer{}, ctx.Err()
	})
	stop := f.run(t)
	<-started
	stop()
}

func TestABrokenLedgerRefusesPushesAndSaysSo(t *testing.T) {
	f := newFixture(t)
	repo, _ := f.clone(t, shop)
	repo.Git("push", "origin", "main")
	f.receiver.event(t)
	for name, content := range map[string]string{
		"cut off": `{"version":1,"refs":`, "of the future": `{"version":2}`, "with an ID that is none": `{"version":1,"refs":{"refs/heads/a":"--x"}}`,
	} {
		t.Run(name, func(t *testing.T) {
			if err := os.WriteFile(filepath.Join(f.find(shop).dir, ledgerFile), []byte(content), 0o600); err != nil {
				t.Fatal(err)
			}
			repo.Commit("next")
			_, stderr, err := repo.Try("push", "origin", "main")
			if err == nil || !strings.Contains(stderr, "read ledger") {
				t.Errorf("push = %v\n%s", err, stderr)
			}
			if err := f.Flush(t.Context()); err == nil {
				t.Error("Flush says nothing")
			}
		})
	}
}

func TestDeliveryIDsDifferWhenAnythingDoes(t *testing.T) {
	seen := map[string]string{}
	for _, c := range []struct {
		repository, born, ref, before, after string
		count                                int64
	}{
		{"a/b", "x", "r", "1", "2", 1}, {"a/b", "x", "r", "1", "2", 2}, {"a/b", "y", "r", "1", "2", 1},
		{"a/c", "x", "r", "1", "2", 1}, {"a/b", "x", "r1", "", "2", 1}, {"a/b", "x", "r", "12", "", 1}, {"a/b", "x", "r", "", "12", 1},
	} {
		id := deliveryID(c.repository, c.born, c.ref, c.before, c.after, c.count)
		if other, ok := seen[id]; ok || !uuid.MatchString(id) {
			t.Errorf("%+v has the ID %s, as has %s", c, id, other)
		}
		seen[id] = fmt.Sprintf("%+v", c)
	}
}
