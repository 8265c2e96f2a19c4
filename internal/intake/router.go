package intake

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/skyisland/skyisland/internal/release"
)

const (
	// batch is how many events are taken from the inbox at once, and how many are worked on at most.
	batch = 50
	// lookEvery is how often the inbox is looked at without being woken. After a look that read many events, most of which
	// somebody is working on, it is left alone for lookPause: what comes close together is seen together.
	lookEvery = time.Second
	lookPause = 100 * time.Millisecond
	// tryLimit is how long one try of an event may take: the fetch of a repository is the longest
	// part. Without it, an event that hangs would never be postponed.
	tryLimit = time.Minute
	// retryFirst and retryMost are how long an event waits after what it needs was away; the wait
	// doubles from one to the other.
	retryFirst = time.Second
	retryMost  = time.Minute
	// giveUpAfter is how old an event may get whose turn it is and that cannot be handed on. It keeps
	// the later pushes of its ref waiting, and nobody expects a release of yesterday's push today.
	// leastTries are made before, a few minutes' worth: an event that was stored long ago, while
	// nobody worked on the inbox, has its chance too.
	giveUpAfter = 24 * time.Hour
	leastTries  = 8
	// whyLimit bounds how much of an error is kept with a postponed event, in bytes.
	whyLimit = 1000
)

// Router hands stored events on, each until it has its outcome. Pushes of one ref are handed on in
// the order in which they were stored, so that an old commit that had to wait never overtakes a newer
// one; besides that, no event waits for another. One router at a time works on an inbox.
type Router struct {
	inbox        Inbox
	applications Applications
	manifests    Manifests
	submitter    Submitter
	people       People
	releases     Releases
	repositories Repositories
	heads        Heads
	serving      Serving
	builds       Builds
	released     Released
	instructor   Instructor
	protections  Protections
	log          *slog.Logger
	wake         chan struct{}
	slots        chan struct{}

	// learning is held while the branches of an application are read and changed.
	learning sync.Mutex

	// looking is held while the inbox is read and its events are claimed.
	looking sync.Mutex
	// begun is set once the inbox was read, under looking.
	begun bool

	mu sync.Mutex
	// settled is closed, and made anew, each time an event has got its outcome.
	settled chan struct{}
	// tries counts the tries of each event that had to be postponed.
	tries map[int64]int
	// busy are the lines somebody is working on.
	busy map[string]bool
	// held are the lines whose first event was postponed.
	held map[string]hold
}

// hold keeps a line's later events behind the one that waits.
type hold struct {
	event int64
	until time.Time
}

// Parts are what a router works with. All are required but People and those that say what they are for.
type Parts struct {
	Inbox        Inbox
	Applications Applications
	Manifests    Manifests
	Submitter    Submitter
	Releases     Releases
	Repositories Repositories
	Heads        Heads
	Serving      Serving
	// People knows who pushes; without it, whoever pushes is who the source says.
	People People
	Log    *slog.Logger

	// Builds is for releases that wait for something built elsewhere, Released and Instructor for the buttons of check runs,
	// Protections for jobs of GitHub that wait for our word. An event that needs one that is not there is ignored.
	Builds      Builds
	Released    Released
	Instructor  Instructor
	Protections Protections
}

// NewRouter is a router; [Router.Run] does the work.
func NewRouter(p Parts) *Router {
	return &Router{
		inbox: p.Inbox, applications: p.Applications, manifests: p.Manifests, submitter: p.Submitter, releases: p.Releases,
		repositories: p.Repositories, heads: p.Heads, serving: p.Serving, people: p.People, log: p.Log,
		builds: p.Builds, released: p.Released, instructor: p.Instructor, protections: p.Protections,
		wake: make(chan struct{}, 1), slots: make(chan struct{}, batch),
		settled: make(chan struct{}), tries: map[int64]int{}, busy: map[string]bool{}, held: map[string]hold{},
	}
}

// Wake makes the router look at the inbox now.
func (r *Router) Wake() {
	select {
	case r.wake <- struct{}{}:
	default: // it will look anyway
	}
}

// Run hands events on until ctx ends, and returns nil when the last of its work has ended.
func (r *Router) Run(ctx context.Context) error {
	var work sync.WaitGroup
	defer work.Wait()
	report := func(err error) {
		if ctx.Err() == nil {
			r.log.ErrorContext(ctx, "events not handed on", "retry_in", lookEvery, "error", err)
		}
	}
	tick := time.NewTicker(lookEvery)
	defer tick.Stop()
	for {
		rested := time.After(lookPause)
		crowded := r.look(ctx, &work, report)
		select {
		case <-ctx.Done():
			return nil
		case <-r.wake:
		case <-tick.C:
		}
		if !crowded {
			continue
		}
		select {
		case <-ctx.Done():
			return nil
		case <-rested:
		}
	}
}

// Once hands on the events whose turn it is, at most 50, and returns when each is settled or
// postponed. Its error is what the inbox said; an event it concerns stays where it is, and the events
// of other lines go on.
func (r *Router) Once(ctx context.Context) error {
	var (
		work sync.WaitGroup
		mu   sync.Mutex
		errs []error
	)
	r.look(ctx, &work, func(err error) {
		mu.Lock()
		defer mu.Unlock()
		errs = append(errs, err)
	})
	work.Wait()
	return errors.Join(errs...)
}

// look begins the work on every line that has events and nobody working on it. It says whether it has
// read many events and begun the work on few.
func (r *Router) look(ctx context.Context, work *sync.WaitGroup, report func(error)) (crowded bool) {
	r.looking.Lock()
	defer r.looking.Unlock()
	// Who is busy is asked before the inbox is: of a line that was free then, nothing that is read
	// can have been settled since, because only this function claims lines.
	r.mu.Lock()
	busy := make(map[string]bool, len(r.busy))
	for name := range r.busy {
		busy[name] = true
	}
	r.mu.Unlock()
	due := time.Now().UTC()
	if !r.begun {
		// What an earlier process postponed is due as well: this one does not know which lines it
		// has to hold back until it has tried them, and what was away may be there again.
		due = due.Add(retryMost)
	}
	events, err := r.inbox.Pending(ctx, due, batch)
	if err != nil {
		report(fmt.Errorf("read the inbox: %w", err))
		return false
	}
	r.begun = true
	begun := 0
	for _, l := range linesOf(events) {
		if busy[l.name] {
			continue
		}
		select {
		case r.slots <- struct{}{}:
		default:
			return true // whoever gives a slot back wakes the router
		}
		begun += len(l.tasks)
		r.mu.Lock()
		r.busy[l.name] = true
		r.mu.Unlock()
		work.Go(func() {
			err := r.follow(ctx, l)
			r.mu.Lock()
			delete(r.busy, l.name)
			r.mu.Unlock()
			<-r.slots
			if err != nil {
				report(err) // and the next look is at the next tick: at once would be a loop without a pause
				return
			}
			r.Wake()
		})
	}
	return len(events) > batch/2 && begun < batch/2
}

// follow works on the events of a line in their order. An error of the inbox ends it, because what
// comes after an event that is neither settled nor postponed would overtake it.
func (r *Router) follow(ctx context.Context, l line) error {
	for _, task := range l.tasks {
		hold, err := r.holding(ctx, l.name, task.ID)
		if err != nil {
			return err
		}
		if hold.event != 0 {
			why := fmt.Sprintf("waits for event %d, an earlier push of the same ref", hold.event)
			if err := r.inbox.Postpone(ctx, task.ID, why, hold.until); err != nil {
				return fmt.Errorf("postpone event %d: %w", task.ID, err)
			}
			continue
		}
		if err := r.handle(ctx, l.name, task); err != nil {
			return err
		}
	}
	return nil
}

// holding is what keeps an event of a line back; the zero value for nothing.
func (r *Router) holding(ctx context.Context, name string, event int64) (hold, error) {
	r.mu.Lock()
	first, ok := r.held[name]
	r.mu.Unlock()
	if !ok || first.event >= event {
		return hold{}, nil
	}
	// The one that waits may have been settled by a router elsewhere, or be kept no longer.
	_, done, err := r.inbox.Outcome(ctx, first.event)
	if done || errors.Is(err, release.ErrNotFound) {
		r.release(name, first.event)
		return hold{}, nil
	}
	if err != nil {
		return hold{}, fmt.Errorf("read the outcome of event %d: %w", first.event, err)
	}
	if now := time.Now().UTC(); first.until.Before(now) {
		first.until = now.Add(retryFirst) // a time gone by would bring the event back at once, again and again
	}
	return first, nil
}

// release lets a line go on from an event that has its outcome.
func (r *Router) release(name string, event int64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.tries, event)
	if r.held[name].event == event {
		delete(r.held, name)
	}
}

// handle gives an event its outcome, or leaves it for later.
func (r *Router) handle(ctx context.Context, name string, task task) error {
	event := task.Event
	outcome, err := r.try(ctx, task)
	if err != nil && r.hopeless(event) {
		r.log.WarnContext(ctx, "event given up", "event", event.ID, "received", event.ReceivedAt, "error", err)
		outcome, err = Outcome{Kind: Refused, Message: tidy(fmt.Sprintf("given up after %s: %s", giveUpAfter, withoutUsers(err.Error())), whyLimit)}, nil
	}
	if err == nil {
		err = r.inbox.Settle(ctx, event.ID, outcome)
	}
	if ctx.Err() != nil {
		return ctx.Err() // nothing was wrong with the event
	}
	if err != nil {
		return r.postpone(ctx, name, event, err)
	}
	r.log.InfoContext(ctx, "event settled", "event", event.ID, "source", event.Source, "delivery", event.Delivery, "outcome", outcome.Kind)
	r.release(name, event.ID)
	r.mu.Lock()
	defer r.mu.Unlock()
	close(r.settled)
	r.settled = make(chan struct{})
	return nil
}

// hopeless says whether an event that could not be handed on just now is not tried again.
func (r *Router) hopeless(event Event) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return time.Since(event.ReceivedAt) >= giveUpAfter && r.tries[event.ID]+1 >= leastTries
}

// try is one try to route an event, for as long as a try may take.
func (r *Router) try(ctx context.Context, task task) (Outcome, error) {
	within, cancel := context.WithTimeout(ctx, tryLimit)
	defer cancel()
	return outcomeOf(r.route(within, task))
}

func (r *Router) postpone(ctx context.Context, name string, event Event, why error) error {
	r.mu.Lock()
	r.tries[event.ID]++
	delay := min(retryFirst<<min(r.tries[event.ID]-1, 10), retryMost)
	until := time.Now().UTC().Add(delay)
	r.held[name] = hold{event: event.ID, until: until}
	r.mu.Unlock()
	reason := tidy(withoutUsers(why.Error()), whyLimit)
	r.log.WarnContext(ctx, "event postponed", "event", event.ID, "delay", delay, "error", reason)
	if err := r.inbox.Postpone(ctx, event.ID, reason, until); err != nil {
		return fmt.Errorf("postpone event %d: %w", event.ID, err)
	}
	return nil
}

// Await waits until an event has its outcome or ctx ends; the second result is false when it has
// none yet. The error is the inbox's; that ctx has ended is none.
func (r *Router) Await(ctx context.Context, id int64) (Outcome, bool, error) {
	for {
		// Taken before the inbox is asked: an outcome that comes between the two closes it.
		r.mu.Lock()
		settled := r.settled
		r.mu.Unlock()
		outcome, done, err := r.inbox.Outcome(ctx, id)
		if ctx.Err() != nil && !done {
			return Outcome{}, false, nil
		}
		if done || err != nil {
			return outcome, done, err
		}
		select {
		case <-ctx.Done():
			return Outcome{}, false, nil
		case <-settled:
		}
	}
}
