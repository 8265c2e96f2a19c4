package github

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"regexp"
	"sync"
	"time"

	"github.com/skyisland/skyisland/internal/release"
)

const (
	// claim is longer than a pass can take, so that nobody else writes the same release meanwhile.
	claim     = 3 * passBound
	passBound = 30 * time.Second
	// atOnce is how many accounts are written to at the same time. Of one account it is one release at a time: GitHub asks
	// for that.
	atOnce = 4
	// followAt is how many entries of the outbox are read at once.
	followAt = 200
	// again is how long a release rests between two passes, and refresh how often the evidence of a canary is shown anew
	// while nothing happens.
	again   = 2 * time.Second
	refresh = time.Minute
	// poll is how often the outbox is looked at without a word that there is something in it: another program may have put
	// it there.
	poll      = time.Second
	kept      = 30 * 24 * time.Hour
	pruneEach = time.Hour
)

// Options are what a writer needs. All but Link and Log is required.
type Options struct {
	Connection *Connection
	Ledger     Ledger
	Releases   Releases
	// Link is where people see a release; "" is nowhere.
	Link func(release.ID) string
	Now  func() time.Time
	Log  *slog.Logger
}

// Writer writes back. It is safe for concurrent use, also beside writers of other programs.
type Writer struct {
	Options

	kick   chan struct{}
	pruned time.Time
}

// NewWriter is a writer. Nothing is written before [Writer.Run].
func NewWriter(o Options) (*Writer, error) {
	if o.Connection == nil || o.Ledger == nil || o.Releases == nil || o.Now == nil {
		return nil, errors.New("github: connection, ledger, releases and clock are all needed")
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.Link == nil {
		o.Link = func(release.ID) string { return "" }
	}
	return &Writer{Options: o, kick: make(chan struct{}, 1)}, nil
}

// Kick says that something happened.
func (w *Writer) Kick() {
	select {
	case w.kick <- struct{}{}:
	default:
	}
}

// Run writes back until ctx ends.
func (w *Writer) Run(ctx context.Context) {
	tick := time.NewTicker(poll)
	defer tick.Stop()
	failed := false
	for {
		err := w.Step(ctx)
		if err != nil && ctx.Err() == nil && !failed {
			// Said once: the same store that is away is away every second.
			w.Log.ErrorContext(ctx, "github is not told", "error", err)
		}
		failed = err != nil
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		case <-w.kick:
		}
	}
}

// Step does all there is to do now. Its error is of the ledger: what GitHub refuses, or does not answer, is kept there.
func (w *Writer) Step(ctx context.Context) error {
	for {
		more, err := w.follow(ctx)
		if err != nil {
			return err
		}
		if !more {
			break
		}
	}
	for ctx.Err() == nil {
		now := w.Now()
		claimed, err := w.Ledger.Claim(ctx, now, now.Add(claim), atOnce)
		if err != nil {
			return err
		}
		if len(claimed) == 0 {
			break
		}
		if err := w.passes(ctx, claimed); err != nil {
			return err
		}
	}
	if err := w.answerAll(ctx); err != nil {
		return err
	}
	if now := w.Now(); now.Sub(w.pruned) > pruneEach {
		w.pruned = now
		return w.Ledger.Prune(ctx, now.Add(-kept))
	}
	return ctx.Err()
}

func (w *Writer) passes(ctx context.Context, claimed []Work) error {
	var all sync.WaitGroup
	failed := make([]error, len(claimed))
	for i, work := range claimed {
		all.Go(func() { failed[i] = w.pass(ctx, work) })
	}
	all.Wait()
	return errors.Join(failed...)
}

// wholeCommit is a commit that GitHub can be told of.
var wholeCommit = regexp.MustCompile(`^[0-9a-f]{40}$`)

// follow reads what happened, and keeps of which releases GitHub is owed. Who has never followed begins with what happens
// next: nobody wants to be told of a year of releases.
func (w *Writer) follow(ctx context.Context) (more bool, err error) {
	seq, moved, err := w.Ledger.Cursor(ctx, Follower)
	if err != nil {
		return false, err
	}
	if !moved {
		if seq, err = w.Ledger.LastHappened(ctx); err != nil {
			return false, err
		}
		return false, w.Ledger.Owe(ctx, nil, seq, w.Now())
	}
	happened, err := w.Ledger.Happened(ctx, seq, followAt)
	if err != nil || len(happened) == 0 {
		return false, err
	}
	newest := map[release.ID]int64{}
	var order []release.ID
	for _, h := range happened {
		seq = h.Seq
		if h.Release.Number == 0 {
			continue
		}
		if _, there := newest[h.Release]; !there {
			order = append(order, h.Release)
		}
		newest[h.Release] = h.Seq
	}
	var owed []Work
	for _, id := range order {
		work, ours, err := w.owed(ctx, id)
		if err != nil {
			return false, err
		}
		if ours {
			work.Seq = newest[id]
			owed = append(owed, work)
		}
	}
	return len(happened) == followAt, w.Ledger.Owe(ctx, owed, seq, w.Now())
}

// owed is the work of a release, and whether its repository is at the configured GitHub.
func (w *Writer) owed(ctx context.Context, id release.ID) (Work, bool, error) {
	address, err := w.Releases.RepositoryOf(ctx, id.Lane)
	if errors.Is(err, release.ErrNotFound) {
		return Work{}, false, nil
	}
	if err != nil {
		return Work{}, false, err
	}
	repository, ours := w.Connection.Repository(address)
	if !ours {
		return Work{}, false, nil
	}
	summary, err := w.Releases.Release(ctx, id)
	if errors.Is(err, release.ErrNotFound) {
		return Work{}, false, nil
	}
	if err != nil {
		return Work{}, false, err
	}
	work := Work{Release: id, Account: w.Connection.account(repository), Repository: repository.String(), Commit: summary.Commit}
	return work, wholeCommit.MatchString(summary.Commit), nil
}

// notes are what the writer keeps with its work.
type notes struct {
	Seen map[int]release.Evidence `json:"seen,omitempty"`
}

// facts are what is known of a release now, and the notes to keep.
func (w *Writer) facts(ctx context.Context, work Work) (Facts, string, error) {
	var noted notes
	if work.Notes != "" {
		if err := json.Unmarshal([]byte(work.Notes), &noted); err != nil {
			// They are only of what was seen; what will be seen is more.
			noted = notes{}
		}
	}
	status, err := w.Releases.Status(ctx, work.Release)
	if err != nil {
		return Facts{}, work.Notes, fmt.Errorf("read release %s: %w", work.Release, err)
	}
	// What belongs to the commit that is told of: it is the one that was recorded.
	status.Commit = work.Commit
	noted.Seen = see(noted.Seen, status)
	text, err := json.Marshal(noted)
	if err != nil {
		return Facts{}, work.Notes, fmt.Errorf("note what was seen of release %s: %w", work.Release, err)
	}
	return Facts{
		Status: status, Seen: noted.Seen, Earlier: work.Earlier, Later: work.Later, App: w.Connection.App(), Link: w.Link(work.Release),
	}, string(text), nil
}
