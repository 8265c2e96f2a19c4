package store_test

import (
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/skyisland/skyisland/internal/release"
	"github.com/skyisland/skyisland/internal/store"
)

const sha = "0d1a26e67d8f5eaf1f6ba5c57fc3c7d91ac0fd1c"

func TestWritebacksComeInPages(t *testing.T) {
	onEach(t, func(t *testing.T, open database) {
		s := open(t)
		for n := 1; n <= 5; n++ {
			owe(t, s, at(n), owed(n, int64(n), "acme"))
		}
		other := owed(6, 6, "acme")
		other.Release.Lane.Tenant = "another"
		owe(t, s, at(5), other)
		var got []string
		filter := store.WritebackFilter{Limit: 2, Tenants: []string{"demo"}}
		for range 9 {
			page, next, err := s.Writebacks(t.Context(), filter)
			check(t, err)
			for _, one := range page {
				got = append(got, one.Release.String())
			}
			if filter.After = next; next == "" {
				break
			}
		}
		if want := []string{id(5).String(), id(4).String(), id(3).String(), id(2).String(), id(1).String()}; !slices.Equal(got, want) {
			t.Errorf("got %v, want %v", got, want)
		}
		if all, next, err := s.Writebacks(t.Context(), store.WritebackFilter{Limit: 6}); err != nil || len(all) != 6 || next != "" {
			t.Errorf("%d of all, next %q, %v", len(all), next, err)
		}
		_, _, err := s.Writebacks(t.Context(), store.WritebackFilter{Limit: 6, After: "here"})
		wantError(t, err, store.ErrCursor)
	})
}

func owed(number int, seq int64, account string) store.Writeback {
	return store.Writeback{Release: id(number), Account: account, Repository: account + "/checkout", Commit: sha, Seq: seq}
}

func owe(t *testing.T, s *store.Store, at time.Time, of ...store.Writeback) {
	t.Helper()
	var last int64
	for _, w := range of {
		last = max(last, w.Seq)
	}
	check(t, s.OweWriteback(t.Context(), of, "github", last, at))
}

func claim(t *testing.T, s *store.Store, now time.Time) []store.Writeback {
	t.Helper()
	out, err := s.ClaimWriteback(t.Context(), now, now.Add(time.Minute), 4)
	check(t, err)
	return out
}

func TestAWriteBackIsClaimedByOneAndOnceForEachAccount(t *testing.T) {
	onEach(t, func(t *testing.T, open database) {
		one, other := open(t), open(t)
		owe(t, one, at(1), owed(1, 1, "acme"), owed(2, 2, "acme"), owed(3, 3, "umbrella"))
		var claims sync.Mutex
		got := map[string]int{}
		var both sync.WaitGroup
		for _, s := range []*store.Store{one, other} {
			both.Go(func() {
				taken, err := s.ClaimWriteback(t.Context(), at(2), at(62), 4)
				if err != nil {
					t.Error(err)
				}
				claims.Lock()
				defer claims.Unlock()
				for _, w := range taken {
					got[w.Release.String()]++
				}
			})
		}
		both.Wait()
		if len(got) != 2 || got[id(1).String()] != 1 || got[id(3).String()] != 1 {
			t.Errorf("claimed %v, want the oldest of each account once", got)
		}
		if seq, moved, err := one.Cursor(t.Context(), "github"); err != nil || !moved || seq != 3 {
			t.Errorf("the cursor is at %d, %t, %v", seq, moved, err)
		}
	})
}

func TestAClaimThatWasTakenOverStoresNothing(t *testing.T) {
	onEach(t, func(t *testing.T, open database) {
		s := open(t)
		owe(t, s, at(1), owed(1, 1, "acme"))
		late := claim(t, s, at(1))[0]
		if again := claim(t, s, at(30)); len(again) != 0 {
			t.Fatalf("claimed twice: %+v", again)
		}
		mine := claim(t, s, at(62))[0]
		wantError(t, s.KeepWritebackObject(t.Context(), late, store.WritebackObject{Name: "check", State: store.WritebackSent}, at(63)), release.ErrConflict)
		wantError(t, s.SettleWriteback(t.Context(), late, at(63), at(63)), release.ErrConflict)
		check(t, s.KeepWritebackObject(t.Context(), mine, store.WritebackObject{Name: "check", Remote: "7", Sent: nasty, State: store.WritebackSent, Attempts: 1}, at(63)))
		mine.State, mine.Due = store.WritebackSettled, at(63)
		check(t, s.SettleWriteback(t.Context(), mine, at(65), at(63)))
		if again := claim(t, s, at(200)); len(again) != 0 {
			t.Errorf("what is settled is due: %+v", again)
		}
		listed, _, err := s.Writebacks(t.Context(), store.WritebackFilter{Release: id(1), Limit: 10})
		check(t, err)
		if len(listed) != 1 || len(listed[0].Objects) != 1 || listed[0].Objects[0].Remote != "7" || listed[0].State != store.WritebackSettled {
			t.Errorf("listed %+v", listed)
		}
	})
}

func TestWhatHappensDuringAWriteBackIsWrittenAfterIt(t *testing.T) {
	onEach(t, func(t *testing.T, open database) {
		s := open(t)
		owe(t, s, at(1), owed(1, 1, "acme"))
		w := claim(t, s, at(1))[0]
		owe(t, s, at(2), owed(1, 5, "acme"))
		w.State = store.WritebackSettled
		check(t, s.SettleWriteback(t.Context(), w, at(4), at(3)))
		if early := claim(t, s, at(3)); len(early) != 0 {
			t.Errorf("due at once: %+v", early)
		}
		again := claim(t, s, at(4))
		if len(again) != 1 || again[0].Seq != 5 {
			t.Fatalf("claimed %+v", again)
		}
		// A failed attempt keeps its time, whatever happens meanwhile.
		failed := again[0]
		failed.State, failed.Attempts, failed.Failing, failed.Due, failed.Reason = store.WritebackWaiting, 1, at(4), at(40), "502"
		owe(t, s, at(5), owed(1, 6, "acme"))
		check(t, s.SettleWriteback(t.Context(), failed, at(6), at(5)))
		owe(t, s, at(7), owed(1, 7, "acme"))
		if early := claim(t, s, at(39)); len(early) != 0 {
			t.Errorf("a retry came early: %+v", early)
		}
		if late := claim(t, s, at(40)); len(late) != 1 || late[0].Attempts != 1 || !late[0].Failing.Equal(kept(at(4))) {
			t.Errorf("claimed %+v", late)
		}
		if trouble, _, err := s.Writebacks(t.Context(), store.WritebackFilter{Trouble: true, Limit: 10}); err != nil || len(trouble) != 1 || trouble[0].Reason != "502" {
			t.Errorf("trouble is %+v, %v", trouble, err)
		}
	})
}

func TestALimitIsOfTheAccount(t *testing.T) {
	onEach(t, func(t *testing.T, open database) {
		s := open(t)
		owe(t, s, at(1), owed(1, 1, "acme"), owed(2, 2, "umbrella"))
		check(t, s.LimitWriteback(t.Context(), "acme", at(50), "used up"))
		check(t, s.LimitWriteback(t.Context(), "acme", at(40), "a shorter one"))
		if got := claim(t, s, at(45)); len(got) != 1 || got[0].Account != "umbrella" {
			t.Errorf("claimed %+v", got)
		}
		if got := claim(t, s, at(50)); len(got) != 1 || got[0].Account != "acme" {
			t.Errorf("claimed %+v", got)
		}
	})
}

func TestReleasesOfOneCommitKnowOfEachOther(t *testing.T) {
	onEach(t, func(t *testing.T, open database) {
		s := open(t)
		other := owed(9, 3, "acme")
		other.Release.Lane.Environment = "staging"
		owe(t, s, at(1), owed(1, 1, "acme"), owed(2, 2, "acme"), other)
		listed, _, err := s.Writebacks(t.Context(), store.WritebackFilter{Limit: 10})
		check(t, err)
		got := map[string]string{}
		for _, w := range listed {
			got[w.Release.String()] = fmt.Sprint(w.Earlier, w.Later)
		}
		if got[id(1).String()] != "false true" || got[id(2).String()] != "true false" || got[other.Release.String()] != "false false" {
			t.Errorf("got %v", got)
		}
	})
}

func TestADeadWriteBackIsTriedAgainWhenAsked(t *testing.T) {
	onEach(t, func(t *testing.T, open database) {
		s := open(t)
		wantError(t, s.RetryWriteback(t.Context(), id(1), at(1)), release.ErrNotFound)
		owe(t, s, at(1), owed(1, 1, "acme"))
		w := claim(t, s, at(1))[0]
		check(t, s.KeepWritebackObject(t.Context(), w, store.WritebackObject{Name: "check", State: store.WritebackDead, Reason: "403"}, at(2)))
		w.State = store.WritebackSettled
		check(t, s.SettleWriteback(t.Context(), w, at(3), at(2)))
		check(t, s.RetryWriteback(t.Context(), id(1), at(3)))
		again := claim(t, s, at(3))
		if len(again) != 1 || again[0].Objects[0].State != store.WritebackTrying {
			t.Fatalf("claimed %+v", again)
		}
		again[0].State = store.WritebackSettled
		check(t, s.SettleWriteback(t.Context(), again[0], at(4), at(4)))
		wantError(t, s.RetryWriteback(t.Context(), id(1), at(5)), release.ErrNotFound)
		check(t, s.PruneWriteback(t.Context(), at(50)))
		if left, _, err := s.Writebacks(t.Context(), store.WritebackFilter{Release: id(1), Limit: 10}); err != nil || len(left) != 0 {
			t.Errorf("left %+v, %v", left, err)
		}
	})
}

func TestAProtectionIsKeptOnceAndAnsweredByOne(t *testing.T) {
	onEach(t, func(t *testing.T, open database) {
		s := open(t)
		p := store.Protection{Repository: "acme/checkout", Run: 42, Environment: "production", Account: "acme", Commit: sha}
		for range 2 {
			check(t, s.AddProtection(t.Context(), p, at(1)))
		}
		claimed, err := s.ClaimProtections(t.Context(), at(1), at(61), 10)
		check(t, err)
		if len(claimed) != 1 {
			t.Fatalf("claimed %+v", claimed)
		}
		if again, err := s.ClaimProtections(t.Context(), at(2), at(62), 10); err != nil || len(again) != 0 {
			t.Errorf("claimed twice: %+v, %v", again, err)
		}
		got := claimed[0]
		got.Said, got.Attempts = "waits", 1
		check(t, s.KeepProtection(t.Context(), got, true))
		got.State, got.Due = "approved", at(3)
		check(t, s.KeepProtection(t.Context(), got, false))
		wantError(t, s.KeepProtection(t.Context(), got, false), release.ErrConflict)
		if again, err := s.ClaimProtections(t.Context(), at(200), at(260), 10); err != nil || len(again) != 0 {
			t.Errorf("what is answered is due: %+v, %v", again, err)
		}
	})
}

func TestAReleaseIsFoundByItsCommit(t *testing.T) {
	onEach(t, func(t *testing.T, open database) {
		s := open(t)
		lane := id(1).Lane
		check(t, s.SaveApplication(t.Context(), release.Application{Tenant: lane.Tenant, Name: lane.Application, Repository: "git@github.com:acme/checkout.git"}))
		for n := 1; n <= 2; n++ {
			check(t, s.SaveProgress(t.Context(), release.Summary{ID: id(n), Phase: release.Ramping, Commit: sha, Requested: at(n), Updated: at(n)}, nil))
		}
		got, err := s.ReleaseOfCommit(t.Context(), "https://github.com/acme/checkout", "production", sha)
		check(t, err)
		if got.ID != id(2) {
			t.Errorf("found %s", got.ID)
		}
		for _, absent := range [][3]string{
			{"https://github.com/acme/other", "production", sha}, {"https://gitlab.com/acme/checkout", "production", sha},
			{"https://github.com/acme/checkout", "staging", sha}, {"https://github.com/acme/checkout", "production", "f" + sha[1:]},
		} {
			_, err := s.ReleaseOfCommit(t.Context(), absent[0], absent[1], absent[2])
			wantError(t, err, release.ErrNotFound)
		}
		if address, err := s.RepositoryOf(t.Context(), lane); err != nil || address != "git@github.com:acme/checkout.git" {
			t.Errorf("repository %q, %v", address, err)
		}
		_, err = s.RepositoryOf(t.Context(), release.Lane{Tenant: "demo", Application: "absent", Environment: "production"})
		wantError(t, err, release.ErrNotFound)
	})
}
