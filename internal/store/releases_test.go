package store_test

import (
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/skyisland/skyisland/internal/release"
	"github.com/skyisland/skyisland/internal/store"
)

func summary(number, second int, phase release.Phase) release.Summary {
	return release.Summary{
		ID: id(number), Phase: phase, Ref: "refs/heads/main", Commit: "0123456", Message: "a change",
		Requester: release.Actor{Name: "ada", Source: "github", Groups: []string{"release-managers"}},
		Requested: at(number), Updated: at(second),
	}
}

func entry(number int, message string) release.Entry {
	return release.Entry{Number: number, At: at(number), Phase: release.Building, Message: message, Details: []string{"line"}}
}

func phase(t *testing.T, s *store.Store, number int) release.Phase {
	t.Helper()
	got, err := s.Release(t.Context(), id(number))
	check(t, err)
	return got.Phase
}

func TestAReleaseComesBackAsItWasSaved(t *testing.T) {
	onEach(t, func(t *testing.T, open database) {
		s := open(t)
		_, err := s.Release(t.Context(), id(1))
		wantError(t, err, release.ErrNotFound)

		saved := summary(1, 5, release.RolledBack)
		saved.Message = nasty
		saved.Cause = &release.Cause{Kind: release.CauseAlarm, Message: "it burns", Details: []string{nasty}, By: &release.Actor{Name: "prometheus"}}
		broken := entry(2, "build failed: "+nasty)
		broken.Details = []string{nasty, "exit 1"}
		plain := entry(1, "started")
		plain.Details = nil
		check(t, s.SaveProgress(t.Context(), saved, []release.Entry{broken, plain}))

		want := saved
		want.Message, want.Requested, want.Updated = "a\uFFFDb\uFFFDc", kept(saved.Requested), kept(saved.Updated)
		want.Cause.Details = []string{"a\x00b\uFFFDc"}
		if got, err := open(t).Release(t.Context(), id(1)); err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("release %+v, error %v, want %+v", got, err, want)
		}
		plain.At, broken.At = kept(plain.At), kept(broken.At)
		broken.Message, broken.Details = "build failed: a\uFFFDb\uFFFDc", []string{"a\x00b\uFFFDc", "exit 1"}
		if got, err := s.Entries(t.Context(), id(1)); err != nil || !reflect.DeepEqual(got, []release.Entry{plain, broken}) {
			t.Errorf("entries %+v, error %v, want %+v", got, err, []release.Entry{plain, broken})
		}
		if got, err := s.Entries(t.Context(), id(2)); err != nil || len(got) != 0 {
			t.Errorf("entries %+v, error %v, want none", got, err)
		}
	})
}

func TestAnOlderWriteNeverHidesANewerOne(t *testing.T) {
	onEach(t, func(t *testing.T, open database) {
		s := open(t)
		for _, step := range []struct {
			name    string
			second  int
			phase   release.Phase
			entries []release.Entry
			want    release.Phase
		}{
			{"the first", 1, release.Admitting, []release.Entry{entry(1, "one")}, release.Admitting},
			{"a later one", 2, release.Building, []release.Entry{entry(2, "two"), entry(3, "three")}, release.Building},
			{"the first again", 1, release.Admitting, []release.Entry{entry(1, "one")}, release.Building},
			{"an older entry under a newer clock", 9, release.Testing, []release.Entry{entry(2, "two")}, release.Building},
			{"the same again", 2, release.Building, []release.Entry{entry(2, "two"), entry(3, "three")}, release.Building},
			{"a newer summary without entries", 3, release.Testing, nil, release.Testing},
			{"an older summary without entries", 2, release.Building, nil, release.Testing},
			{"the same entries with an older summary", 2, release.Building, []release.Entry{entry(3, "three")}, release.Testing},
			{"a newer entry under an older clock", 1, release.Deploying, []release.Entry{entry(4, "four")}, release.Deploying},
		} {
			check(t, s.SaveProgress(t.Context(), summary(1, step.second, step.phase), step.entries))
			if got := phase(t, s, 1); got != step.want {
				t.Errorf("%s: %s, want %s", step.name, got, step.want)
			}
		}
		check(t, s.SaveProgress(t.Context(), summary(1, 1, release.Pending), []release.Entry{entry(2, "other words")}))
		got, err := s.Entries(t.Context(), id(1))
		check(t, err)
		var messages []string
		for _, e := range got {
			messages = append(messages, e.Message)
		}
		if want := []string{"one", "two", "three", "four"}; !slices.Equal(messages, want) {
			t.Errorf("entries %q, want %q", messages, want)
		}
	})
}

func TestProgressIsStoredWholeOrNotAtAll(t *testing.T) {
	onEach(t, func(t *testing.T, open database) {
		s := open(t)
		unnamed := summary(1, 1, release.Pending)
		unnamed.ID.Lane.Tenant = "No Name"
		if err := s.SaveProgress(t.Context(), unnamed, []release.Entry{entry(1, "one")}); err == nil {
			t.Error("a release without a name was stored")
		}
		if got, _, err := s.Releases(t.Context(), store.ReleaseFilter{}); err != nil || len(got) != 0 {
			t.Errorf("releases %+v, error %v, want none", got, err)
		}
	})
}

func TestManyRecordTheSameReleaseAtOnce(t *testing.T) {
	onEach(t, func(t *testing.T, open database) {
		stores := []*store.Store{open(t), open(t)}
		var wait sync.WaitGroup
		for n := range 20 {
			wait.Go(func() {
				phase := release.Building
				if n == 19 {
					phase = release.Completed
				}
				if err := stores[n%2].SaveProgress(t.Context(), summary(1, n, phase), []release.Entry{entry(n+1, "x")}); err != nil {
					t.Error(err)
				}
			})
		}
		wait.Wait()
		if got := phase(t, stores[0], 1); got != release.Completed {
			t.Errorf("phase %s, want that of the last entry, %s", got, release.Completed)
		}
		if got, err := stores[1].Entries(t.Context(), id(1)); err != nil || len(got) != 20 {
			t.Errorf("%d entries, error %v, want 20", len(got), err)
		}
	})
}

func TestReleasesAreListedNewestFirst(t *testing.T) {
	onEach(t, func(t *testing.T, open database) {
		s := open(t)
		for n := 1; n <= 7; n++ {
			sum := summary(n, n, release.Completed)
			if n > 4 {
				// The same moment: the number decides, and not as text.
				sum.Requested = at(5)
			}
			if n == 2 {
				sum.Phase = release.Ramping
			}
			check(t, s.SaveProgress(t.Context(), sum, nil))
		}
		ten := summary(10, 1, release.Completed)
		ten.Requested = at(5)
		check(t, s.SaveProgress(t.Context(), ten, nil))
		other := summary(1, 1, release.Completed)
		other.ID.Lane.Environment = "staging"
		other.Requested = at(0)
		check(t, s.SaveProgress(t.Context(), other, nil))

		for _, test := range []struct {
			name   string
			filter store.ReleaseFilter
			want   []int
		}{
			{"all", store.ReleaseFilter{}, []int{10, 7, 6, 5, 4, 3, 2, 1, 1}},
			{"of an environment", store.ReleaseFilter{Environment: "production"}, []int{10, 7, 6, 5, 4, 3, 2, 1}},
			{"of an application", store.ReleaseFilter{Tenant: "demo", Application: "hello", Environment: "staging"}, []int{1}},
			{"in a phase", store.ReleaseFilter{Phase: release.Ramping}, []int{2}},
			{"of nobody", store.ReleaseFilter{Tenant: "' OR 1=1 --"}, nil},
			{"too many asked for", store.ReleaseFilter{Limit: 1 << 30}, []int{10, 7, 6, 5, 4, 3, 2, 1, 1}},
		} {
			got, next, err := s.Releases(t.Context(), test.filter)
			if err != nil || next != "" || !slices.Equal(numbers(got), test.want) {
				t.Errorf("%s: releases %v, next %q, error %v, want %v", test.name, numbers(got), next, err, test.want)
			}
		}

		var pages [][]int
		filter := store.ReleaseFilter{Environment: "production", Limit: 3}
		for {
			got, next, err := s.Releases(t.Context(), filter)
			check(t, err)
			pages = append(pages, numbers(got))
			if next == "" {
				break
			}
			filter.Before = next
			// What comes in between moves nobody to another page.
			if len(pages) == 1 {
				newest := summary(20, 1, release.Pending)
				newest.Requested = at(30)
				check(t, s.SaveProgress(t.Context(), newest, nil))
			}
		}
		if want := [][]int{{10, 7, 6}, {5, 4, 3}, {2, 1}}; !reflect.DeepEqual(pages, want) {
			t.Errorf("pages %v, want %v", pages, want)
		}
	})
}

func TestAFullLastPageIsTheLast(t *testing.T) {
	onEach(t, func(t *testing.T, open database) {
		s := open(t)
		for n := 1; n <= 2; n++ {
			check(t, s.SaveProgress(t.Context(), summary(n, n, release.Completed), nil))
		}
		got, next, err := s.Releases(t.Context(), store.ReleaseFilter{Limit: 2})
		if err != nil || next != "" || len(got) != 2 {
			t.Errorf("%d releases, next %q, error %v, want 2 and no next page", len(got), next, err)
		}
	})
}

func TestACursorOfNobodyIsAnError(t *testing.T) {
	onEach(t, func(t *testing.T, open database) {
		for _, cursor := range []string{"x", "demo/hello/production/99", nasty} {
			_, _, err := open(t).Releases(t.Context(), store.ReleaseFilter{Before: cursor})
			if err == nil || !strings.Contains(err.Error(), "cursor") {
				t.Errorf("cursor %q: error %v, want one that names the cursor", cursor, err)
			}
		}
	})
}

func numbers(releases []release.Summary) []int {
	var out []int
	for _, r := range releases {
		out = append(out, r.ID.Number)
	}
	return out
}

func TestTheZeroTimeStaysZero(t *testing.T) {
	onEach(t, func(t *testing.T, open database) {
		s := open(t)
		sum := summary(1, 1, release.Pending)
		sum.Requested, sum.Updated = time.Time{}, time.Time{}
		check(t, s.SaveProgress(t.Context(), sum, nil))
		if got, err := s.Release(t.Context(), id(1)); err != nil || !got.Requested.IsZero() || !got.Updated.IsZero() {
			t.Errorf("release %+v, error %v, want zero times", got, err)
		}
	})
}

func TestAReleaseIsUnderWayUntilItHasEnded(t *testing.T) {
	onEach(t, func(t *testing.T, open database) {
		s := open(t)
		want := []release.ID{}
		for n, phase := range []release.Phase{
			release.Pending, release.Admitting, release.Building, release.Testing, release.Deploying, release.Verifying, release.Pressing,
			release.Approving, release.Ramping, release.CuttingOver, release.Watching, release.RollingBack, release.Completed, release.Refused,
			release.Failed, release.Aborted, release.Superseded, release.RolledBack,
		} {
			check(t, s.SaveProgress(t.Context(), summary(n+1, n+1, phase), nil))
			if !phase.Ended() {
				want = append([]release.ID{id(n + 1)}, want...)
			}
		}
		got, err := s.UnderWay(t.Context(), id(1).Lane)
		if err != nil || !slices.Equal(got, want) {
			t.Errorf("releases %v under way, %v, want %v", got, err, want)
		}
		if got, err := s.UnderWay(t.Context(), release.Lane{Tenant: "nobody"}); err != nil || len(got) != 0 {
			t.Errorf("releases %v under way in a lane that has none, %v", got, err)
		}
	})
}
