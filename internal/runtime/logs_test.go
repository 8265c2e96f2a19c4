package runtime

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

func logLines(t *testing.T, r *Runtime, filter Filter) []string {
	t.Helper()
	var texts []string
	err := r.Logs(t.Context(), filter, func(l Line) error {
		texts = append(texts, l.Text)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return texts
}

func TestLogsOfSeveralInstancesAreMerged(t *testing.T) {
	r := start(t, t.TempDir())
	d := deployment("serve")
	d.Revision.Run.Instances = 2
	target := deploy(t, r, d)
	other := deploy(t, r, deployment("stubborn"))
	ask(t, "POST", target.Endpoints[0], "/print?text=first+%1b%5b31mred%1b%5b0m+%ff")
	ask(t, "POST", target.Endpoints[1], "/print?text=second")
	ask(t, "POST", other.Endpoints[0], "/print?text=other")

	var lines []Line
	began := time.Now()
	if err := r.Logs(t.Context(), Filter{Revision: d.Revision.ID}, func(l Line) error {
		lines = append(lines, l)
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	got := map[int][]string{}
	for _, l := range lines {
		got[l.Instance] = append(got[l.Instance], l.Text)
		if l.Key != d.Key() || l.Component != "greeter" || l.Time.IsZero() || l.Time.After(began.Add(time.Minute)) {
			t.Errorf("line %+v: want it to say whose it is and when it was", l)
		}
		if want := fmt.Sprintf(" %s/%d %s", d.Revision.ID, l.Instance, l.Text); !strings.HasSuffix(l.String(), want) {
			t.Errorf("%q, want %q at its end", l, want)
		}
	}
	if !slices.Equal(got[0], []string{"this is serve", "first red \uFFFD"}) || !slices.Equal(got[1], []string{"this is serve", "second"}) {
		t.Errorf("got %v", got)
	}
	if !slices.IsSortedFunc(lines, func(a, b Line) int { return a.Time.Compare(b.Time) }) {
		t.Errorf("%v is not in order", lines)
	}
	if got := logLines(t, r, Filter{Tail: 2}); len(got) != 2 {
		t.Errorf("got %q, want two lines", got)
	}
	stop := errors.New("enough")
	if err := r.Logs(t.Context(), Filter{}, func(Line) error { return stop }); !errors.Is(err, stop) {
		t.Errorf("got %v, want what emit said", err)
	}
}

func TestLogsAreFollowedAcrossRotationAndNewRevisions(t *testing.T) {
	r := start(t, t.TempDir(), func(o *Options) { o.LogBytes = 4 << 10 })
	d := deployment("serve")
	target := deploy(t, r, d)
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	lines := make(chan string)
	ended := make(chan error, 1)
	go func() {
		ended <- r.Logs(ctx, Filter{Follow: true}, func(l Line) error {
			lines <- l.Text
			return nil
		})
	}()
	next := func(want string) {
		t.Helper()
		for {
			select {
			case got := <-lines:
				if got == want {
					return
				}
			case err := <-ended:
				t.Fatalf("ended before %q: %v", want, err)
			}
		}
	}
	next("this is serve")
	log := filepath.Join(r.groupDir(d.Key()), "0", "log")
	for n := range 5 {
		ask(t, "POST", target.Endpoints[0], fmt.Sprintf("/print?text=%d-%s&times=100", n, strings.Repeat("x", 60)))
		ask(t, "POST", target.Endpoints[0], fmt.Sprintf("/print?text=end+of+%d", n))
		next(fmt.Sprintf("end of %d", n))
		for info, err := os.Stat(log); err != nil || info.Size() > 4<<10; info, err = os.Stat(log) {
			<-time.After(20 * time.Millisecond)
			if ctx.Err() != nil {
				t.Fatal("the log was not set aside")
			}
		}
	}
	other := deploy(t, r, deployment("stubborn"))
	next("this is stubborn")
	ask(t, "POST", other.Endpoints[0], "/print?text=goodbye")
	next("goodbye")
	cancel()
	for {
		select {
		case <-lines:
			continue
		case err := <-ended:
			if !errors.Is(err, context.Canceled) {
				t.Errorf("got %v, want the context's error", err)
			}
		}
		break
	}

	files, err := filepath.Glob(log + "*")
	if err != nil {
		t.Fatal(err)
	}
	var total int64
	for _, file := range files {
		info, err := os.Stat(file)
		if err != nil {
			t.Fatal(err)
		}
		total += info.Size()
	}
	if total > 4*4<<10 || len(files) > 6 {
		t.Errorf("logs take %d bytes in %v, want three files of 4 KiB and their times", total, files)
	}
	if got := logLines(t, r, Filter{Revision: d.Revision.ID, Tail: 10_000}); !slices.Contains(got, "end of 4") || !slices.Contains(got, "end of 3") {
		t.Errorf("%d lines, want those in the files that were set aside too", len(got))
	}
}

func TestALineHasTheTimeAtWhichItWasNoticed(t *testing.T) {
	at := func(second int) time.Time { return time.Date(2026, 1, 2, 3, 4, second, 0, time.UTC) }
	name := filepath.Join(t.TempDir(), "times")
	if err := appendMarks(name, mark{10, at(1)}, mark{30, at(2)}); err != nil {
		t.Fatal(err)
	}
	marks := readMarks(name)
	for offset, want := range map[int64]time.Time{1: at(1), 10: at(1), 11: at(2), 30: at(2), 31: at(9)} {
		if got := when(marks, offset, at(9)); !got.Equal(want) {
			t.Errorf("the line that ends at %d is of %s, want %s", offset, got, want)
		}
	}
}
