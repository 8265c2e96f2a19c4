package intake

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/skyisland/skyisland/internal/glob"
	"github.com/skyisland/skyisland/internal/release"
)

// sourceBackfill is the source of changes that nobody told of and that a look at the repository found.
const sourceBackfill = "backfill"

const (
	// backfillEvery is how often repositories are looked at.
	backfillEvery = 5 * time.Minute
	// backfillGrace is how long a change may stay untold before it is taken for lost: its event may be on its way.
	backfillGrace = 30 * time.Second
	// sentFor is how far back sources are asked what they have sent, and sentOverlap how much of what was asked before is
	// asked again: GitHub lists a delivery when it has ended.
	sentFor     = 72 * time.Hour
	sentOverlap = 10 * time.Minute
	// backfillMost bounds how many changes of one application are found in one look.
	backfillMost = 100
)

// missed is a change that was found, and the body of its event.
type missed struct {
	Repository string `json:"repository"`
	CloneURL   string `json:"clone_url"`
	Ref        string `json:"ref"`
	Before     string `json:"before"`
	After      string `json:"after"`
}

// readMissed reads a change that was found. Who pushed is not known; who wrote the commit is asked later.
func readMissed(body []byte) (change, error) {
	var m missed
	if err := json.Unmarshal(body, &m); err != nil {
		return change{}, fmt.Errorf("the missed change cannot be read: %w", err)
	}
	c := change{Repository: m.Repository, CloneURL: m.CloneURL, Ref: m.Ref, Before: m.Before, After: m.After}
	return c, c.check(named{"missed change", "ref", "before", "after", "repository", "clone_url"})
}

// Deliveries are what sources say they have sent.
type Deliveries interface {
	// Missed are the events that were sent since a time and that the inbox does not know, oldest first. What could not be
	// asked is the error beside them.
	Missed(ctx context.Context, applications []release.Application, since time.Time) ([]Event, error)
}

// Backfill finds changes that no event has told of, because a delivery was lost or nobody was there to take it, and
// submits them as events of its own. Those go the way of all others, so one that is told after all is a duplicate.
//
// It asks the sources that keep what they have sent, and compares what repositories have with what was seen of them. What
// was there before an application was first looked at is not a change.
type Backfill struct {
	applications Applications
	repositories Repositories
	heads        Heads
	inbox        Inbox
	router       *Router
	log          *slog.Logger
	// sent may be nil. asked is since when it has told everything.
	sent   Deliveries
	asked  time.Time
	kicked chan struct{}
	// grace is backfillGrace, and now the time, but for tests.
	grace time.Duration
	now   func() time.Time
	// untold are the changes of which no event is here yet, since when.
	untold map[string]time.Time
}

// NewBackfill is a backfill; [Backfill.Run] does the work. Without a source that keeps what it has sent, repositories alone
// are compared.
func NewBackfill(p Parts, router *Router, sent Deliveries) *Backfill {
	return &Backfill{
		sent: sent, kicked: make(chan struct{}, 1),
		applications: p.Applications, repositories: p.Repositories, heads: p.Heads, inbox: p.Inbox, router: router, log: p.Log,
		grace: backfillGrace, now: time.Now, untold: map[string]time.Time{},
	}
}

// Kick has it look now, because an application was added: what its repository gets from now on is a change.
func (b *Backfill) Kick() {
	select {
	case b.kicked <- struct{}{}:
	default: // it will look anyway
	}
}

// Run looks at once, again when what it found is no longer on its way, and then from time to time, until ctx ends.
func (b *Backfill) Run(ctx context.Context) error {
	wait := time.NewTimer(0)
	defer wait.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-wait.C:
		case <-b.kicked:
		}
		if err := b.Look(ctx); err != nil && ctx.Err() == nil {
			b.log.WarnContext(ctx, "repositories not compared with what was seen", "error", err)
		}
		if len(b.untold) > 0 {
			wait.Reset(b.grace)
			continue
		}
		wait.Reset(backfillEvery)
	}
}

// Look compares every application's repository with what was seen of it. One that cannot be asked does not keep the
// others from being.
func (b *Backfill) Look(ctx context.Context) error {
	known, err := b.applications.Applications(ctx)
	if err != nil {
		return fmt.Errorf("list applications: %w", err)
	}
	var errs []error
	if err := b.recover(ctx, known); err != nil {
		errs = append(errs, err)
	}
	was := b.untold
	b.untold = map[string]time.Time{}
	for _, application := range known {
		if err := b.compare(ctx, application, was); err != nil {
			errs = append(errs, fmt.Errorf("%s/%s: %w", application.Tenant, application.Name, err))
		}
	}
	return errors.Join(errs...)
}

// recover takes the deliveries that were sent and never came, before the repositories are compared: they say more.
func (b *Backfill) recover(ctx context.Context, known []release.Application) error {
	if b.sent == nil {
		return nil
	}
	begun, since := b.now(), b.asked.Add(-sentOverlap)
	if b.asked.IsZero() {
		since = begun.Add(-sentFor)
	}
	events, err := b.sent.Missed(ctx, known, since)
	for _, event := range events {
		if _, unreadable := read(event); unreadable != nil {
			b.log.WarnContext(ctx, "a missed delivery cannot be read", "source", event.Source, "delivery", event.Delivery, "error", unreadable)
			continue
		}
		id, duplicate, stored := b.inbox.Accept(ctx, event)
		if stored != nil {
			return fmt.Errorf("store missed delivery %s of %s: %w", event.Delivery, event.Source, stored)
		}
		if !duplicate {
			b.log.WarnContext(ctx, "a delivery had not come", "source", event.Source, "delivery", event.Delivery, "sent", event.ReceivedAt, "event", id)
			b.router.Wake()
		}
	}
	if err != nil {
		return fmt.Errorf("ask what was sent: %w", err)
	}
	b.asked = begun
	return nil
}

// compare finds the changes of one application.
func (b *Backfill) compare(ctx context.Context, application release.Application, was map[string]time.Time) error {
	heads, err := b.heads.Heads(ctx, application)
	if err != nil {
		return err
	}
	refs, err := b.repositories.Refs(ctx, application)
	if err != nil {
		return err
	}
	for _, kind := range []string{"refs/heads/", "refs/tags/"} {
		if _, ok := heads[kind]; !ok {
			if err := b.baseline(ctx, application, kind, refs, heads); err != nil {
				return err
			}
		}
	}
	stored := 0
	for _, ref := range slices.Sorted(maps.Keys(refs)) {
		head, seen := heads[ref]
		if seen && head.Commit == refs[ref] || !concerns(ref, application) {
			continue
		}
		fresh, err := b.submit(ctx, application, ref, head, refs[ref], was)
		if err != nil {
			return err
		}
		if fresh {
			stored++
		}
		if stored == backfillMost {
			b.log.WarnContext(ctx, "more changes may have been missed than are taken at once", "application", application.Tenant+"/"+application.Name, "most", backfillMost)
			return nil
		}
	}
	return nil
}

// baseline keeps what was there when an application was first looked at. Its last entry, which is no ref, says that it
// was done, so that one which was interrupted is done again.
func (b *Backfill) baseline(ctx context.Context, application release.Application, kind string, refs map[string]string, heads map[string]Head) error {
	for ref, commit := range refs {
		if _, seen := heads[ref]; seen || !strings.HasPrefix(ref, kind) {
			continue
		}
		head := Head{Ref: ref, Commit: commit, At: b.now().UTC()}
		if err := b.heads.SaveHead(ctx, application, head); err != nil {
			return err
		}
		heads[ref] = head
	}
	return b.heads.SaveHead(ctx, application, Head{Ref: kind, Commit: "baseline", At: b.now().UTC()})
}

// concerns says whether a change of a ref can lead to a release. Of an application that has never had one, every branch
// can: its first manifest says which.
func concerns(ref string, application release.Application) bool {
	if branch, ok := strings.CutPrefix(ref, "refs/heads/"); ok {
		return len(application.Branches) == 0 || len(application.Branches[branch]) > 0
	}
	tag, ok := strings.CutPrefix(ref, "refs/tags/")
	if !ok {
		return false
	}
	for _, trigger := range application.Triggers {
		if glob.New(trigger.Tags...).Match(tag) {
			return true
		}
	}
	return false
}

// submit puts a change into the inbox, once its own event has had its time, and says whether it was not there before.
func (b *Backfill) submit(ctx context.Context, application release.Application, ref string, head Head, commit string, was map[string]time.Time) (fresh bool, err error) {
	before := head.Commit
	if before == "" {
		before = strings.Repeat("0", len(commit))
	}
	// Two servers that find the same name it alike, and the same found again after another event is another. So is what is
	// still there after an hour: its event was given up, or came when the host did not show the commit yet.
	hour := b.now().UTC().Truncate(time.Hour).Format(time.RFC3339)
	name := key(application.Tenant, application.Name, ref, before, commit, strconv.FormatInt(head.Event, 10), hour)
	since, known := was[name]
	if !known {
		since = b.now()
	}
	if b.now().Sub(since) < b.grace {
		b.untold[name] = since
		return false, nil
	}
	body, err := json.Marshal(missed{
		Repository: repositoryPath(application.Repository), CloneURL: withoutUser(application.Repository), Ref: ref, Before: before, After: commit,
	})
	if err != nil {
		return false, err
	}
	id, duplicate, err := b.inbox.Accept(ctx, Event{Source: sourceBackfill, Delivery: name, Kind: "push", Body: body, ReceivedAt: b.now().UTC()})
	if err != nil {
		return false, fmt.Errorf("store the missed change of %s: %w", ref, err)
	}
	if !duplicate {
		b.log.WarnContext(ctx, "a change was not told of", "application", application.Tenant+"/"+application.Name, "ref", ref, "commit", commit, "event", id)
		b.router.Wake()
	}
	return !duplicate, nil
}

// SetClock lets tests own the time. Call it before anything else.
func (b *Backfill) SetClock(now func() time.Time) { b.now = now }
