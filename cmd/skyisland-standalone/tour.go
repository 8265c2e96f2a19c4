package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/skyisland/skyisland/internal/api"
	"github.com/skyisland/skyisland/internal/api/client"
	"github.com/skyisland/skyisland/internal/release"
	"github.com/skyisland/skyisland/internal/scaffold"
)

// The tour's sample and the load on it. The rate is what the sample's manifest expects.
const (
	tourTenant      = "demo"
	tourApplication = "timetable"
	tourRate        = 200
)

// tour shows a newcomer three releases: the first, a good one and a bad one. Every part of it can be
// repeated, so a tour that was cut off goes on where it was.
type tour struct {
	out io.Writer
	// dir is the sample's repository, remote where it is pushed to, entry where clients reach it.
	dir    string
	remote string
	entry  string
	// page is the address of a release's page in the Temporal UI.
	page func(release.ID) string
	// answer is a link by which a question is answered in a browser, token the file of what one signs in with.
	answer func(release.ID, release.Ask) (string, error)
	token  string
	// patience is how long a question waits for somebody before the tour answers it.
	patience time.Duration
	api      *client.Client
	repo     sample
}

// chapter is one release of the tour.
type chapter struct {
	tag     string
	title   string
	message string
	// change edits the sample; nil for the first version.
	change func(dir string) error
	want   release.Phase
}

func chapters() []chapter {
	return []chapter{
		{tag: "v1", title: "The first release: nothing to compare with, so it goes straight live and is watched", message: "First version", want: release.Completed},
		{
			tag: "v2", title: "A good release: somebody approves it, and it goes live in steps, each on evidence", message: "Say how long the journey takes",
			change: func(dir string) error { return errors.Join(ask(dir), scaffold.Variant(dir, scaffold.Good)) }, want: release.Completed,
		},
		{
			tag: "v3", title: "A bad release: it passes its tests, its cases and the pressure gate, and fails every real client", message: "Answer in the client's language",
			change: func(dir string) error { return errors.Join(askNobody(dir), scaffold.Variant(dir, scaffold.Bad)) }, want: release.RolledBack,
		},
	}
}

// run walks the chapters.
func (t *tour) run(ctx context.Context) error {
	if err := t.prepare(ctx); err != nil {
		return err
	}
	load := newTraffic(t.entry, tourRate)
	loading, stop := context.WithCancel(ctx)
	defer stop()
	for i, c := range chapters() {
		if i == 1 {
			// The first version is live: clients come.
			fmt.Fprintf(t.out, "\n    %d requests a second now come from clients to %s\n", tourRate, t.entry)
			load.start(loading)
		}
		before := load.counts()
		status, err := t.tell(ctx, i+1, c)
		if err != nil {
			return fmt.Errorf("tour, %s: %w", c.tag, err)
		}
		if status.Phase != c.want {
			return fmt.Errorf("tour, %s: the release should be %s, and is %s: %s", c.tag, c.want, status.Phase, causeOf(status))
		}
		t.conclude(c, status, load.counts().since(before), i > 0)
	}
	stop()
	load.wait()
	t.farewell(load.counts())
	return nil
}

// prepare makes the sample and its repository.
func (t *tour) prepare(ctx context.Context) error {
	if err := t.scaffold(); err != nil {
		return fmt.Errorf("make the sample application: %w", err)
	}
	t.repo = sample{dir: t.dir}
	return t.repo.init(ctx, t.remote)
}

// scaffold writes the sample, once: under another name first, so that a start that is killed half-way
// does not leave half of it.
func (t *tour) scaffold() error {
	if _, err := os.Stat(t.dir); !errors.Is(err, os.ErrNotExist) {
		return err
	}
	fresh := t.dir + ".new"
	if err := os.RemoveAll(fresh); err != nil {
		return err
	}
	if _, err := scaffold.Write(fresh, scaffold.Options{Tenant: tourTenant, Application: tourApplication}); err != nil {
		return err
	}
	return os.Rename(fresh, t.dir)
}

// tell pushes a version and prints what happens to it.
func (t *tour) tell(ctx context.Context, number int, c chapter) (release.Status, error) {
	fmt.Fprintf(t.out, "\n%d. %s\n    $ git commit -m %q && git push\n", number, c.title, c.message)
	commit, err := t.repo.version(ctx, c)
	if err != nil {
		return release.Status{}, err
	}
	if err := t.repo.push(ctx, commit); err != nil {
		return release.Status{}, err
	}
	id, err := t.find(ctx, commit)
	if err != nil {
		return release.Status{}, err
	}
	fmt.Fprintf(t.out, "    release %s   %s\n", id, t.page(id))
	story, question := story{out: t.out}, question{tour: t, id: id}
	defer question.close()
	var last release.Status
	for status, err := range t.api.Watch(ctx, id) {
		if err != nil {
			return last, err
		}
		last = status
		story.tell(status)
		if err := question.follow(ctx, status); err != nil {
			return last, err
		}
		if status.Phase.Ended() {
			return last, nil
		}
	}
	if ctx.Err() != nil {
		return last, ctx.Err()
	}
	return last, errors.New("the server stopped telling")
}

// findEvery is how often the tour looks for the release of its push.
const findEvery = 200 * time.Millisecond

// find waits for the release of a commit.
func (t *tour) find(ctx context.Context, commit string) (release.ID, error) {
	tick := time.NewTicker(findEvery)
	defer tick.Stop()
	for {
		page, err := t.api.Releases(ctx, api.ReleaseFilter{Tenant: tourTenant, Application: tourApplication, Limit: 20})
		if err != nil {
			return release.ID{}, err
		}
		for _, summary := range page.Releases {
			if summary.Commit == commit {
				return summary.ID, nil
			}
		}
		select {
		case <-ctx.Done():
			return release.ID{}, ctx.Err()
		case <-tick.C:
		}
	}
}

// conclude says what a chapter came to.
func (t *tour) conclude(c chapter, status release.Status, seen counts, loaded bool) {
	switch c.want {
	case release.RolledBack:
		fmt.Fprintf(t.out, "    => rolled back with nobody's help: %s\n", causeOf(status))
		fmt.Fprintf(t.out, "       clients saw %d bad answers out of %d\n", seen.bad, seen.all)
	default:
		fmt.Fprintf(t.out, "    => live at 100%%\n")
		if loaded {
			fmt.Fprintf(t.out, "       clients saw %d bad answers out of %d\n", seen.bad, seen.all)
		}
	}
}

func (t *tour) farewell(all counts) {
	fmt.Fprintf(t.out, `
The tour is over: %d requests, %d bad answers. Now it is your turn:
    cd %s
    edit, git commit -a -m "my change", git push
`, all.all, all.bad, t.dir)
}

func causeOf(status release.Status) string {
	if status.Cause == nil {
		return "no cause given"
	}
	return status.Cause.Message
}
