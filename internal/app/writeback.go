package app

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/skyisland/skyisland/internal/api"
	"github.com/skyisland/skyisland/internal/config"
	"github.com/skyisland/skyisland/internal/github"
	"github.com/skyisland/skyisland/internal/release"
	"github.com/skyisland/skyisland/internal/store"
)

// connectGitHub is how GitHub is spoken to; nil for an installation that is nobody there.
func connectGitHub(g config.GitHub) (*github.Connection, error) {
	if !g.WritesBack() {
		return nil, nil
	}
	return github.Connect(github.Access{
		API: g.API, Host: g.Host, Token: github.Secret(g.Token.Reveal()), AppID: g.App.ID, AppKey: github.Secret(g.App.Key.Reveal()),
	})
}

// newWriter is who tells GitHub; nil when nobody is configured to.
func (a *App) newWriter(c config.Config) (*github.Writer, error) {
	if a.github == nil {
		return nil, nil
	}
	return github.NewWriter(github.Options{
		Connection: a.github, Ledger: ledger{a.store}, Releases: told{a.store, a.dispatch.Status}, Link: workflowLink(c.Temporal), Now: time.Now, Log: a.log,
	})
}

// told is what there is to tell GitHub.
type told struct {
	*store.Store

	live func(ctx context.Context, id release.ID) (release.Status, error)
}

// liveBound is how long a release may take to say how it is.
const liveBound = 10 * time.Second

// Status is how a release is. One that Temporal does not have any more, or that has ended and does not answer, is told from
// the records.
func (t told) Status(ctx context.Context, id release.ID) (release.Status, error) {
	asking, cancel := context.WithTimeout(ctx, liveBound)
	defer cancel()
	status, asked := t.live(asking, id)
	if asked == nil {
		return status, nil
	}
	summary, err := t.Release(ctx, id)
	if err != nil {
		return release.Status{}, errors.Join(asked, err)
	}
	if !summary.Phase.Ended() && !errors.Is(asked, release.ErrNotFound) {
		return release.Status{}, asked
	}
	entries, err := t.Entries(ctx, id)
	if err != nil {
		return release.Status{}, err
	}
	return release.Status{
		ID: id, Phase: summary.Phase, Since: summary.Updated, Ref: summary.Ref, Commit: summary.Commit, Message: summary.Message,
		Requester: summary.Requester, Requested: summary.Requested, Step: -1, Cause: summary.Cause, Timeline: entries,
	}, nil
}

// ledger is the store in the words of who tells GitHub.
type ledger struct{ *store.Store }

func (l ledger) Happened(ctx context.Context, after int64, most int) ([]github.Happening, error) {
	entries, err := l.Store.Happened(ctx, after, most)
	out := make([]github.Happening, len(entries))
	for i, entry := range entries {
		out[i] = github.Happening{Seq: entry.Seq, Release: entry.Release}
	}
	return out, err
}

func (l ledger) Owe(ctx context.Context, owed []github.Work, seq int64, at time.Time) error {
	kept := make([]store.Writeback, len(owed))
	for i, w := range owed {
		kept[i] = writeback(w)
	}
	return l.OweWriteback(ctx, kept, github.Follower, seq, at)
}

func (l ledger) Claim(ctx context.Context, now, until time.Time, most int) ([]github.Work, error) {
	claimed, err := l.ClaimWriteback(ctx, now, until, most)
	out := make([]github.Work, len(claimed))
	for i, w := range claimed {
		out[i] = work(w)
	}
	return out, err
}

func (l ledger) Keep(ctx context.Context, w github.Work, o github.Object, at time.Time) error {
	return l.KeepWritebackObject(ctx, writeback(w), store.WritebackObject{
		Name: o.Name, Remote: o.Remote, Sent: o.Sent, State: string(o.State), Attempts: o.Attempts, Reason: o.Reason,
	}, at)
}

func (l ledger) Settle(ctx context.Context, w github.Work, again, at time.Time) error {
	return l.SettleWriteback(ctx, writeback(w), again, at)
}

func (l ledger) Limit(ctx context.Context, account string, until time.Time, reason string) error {
	return l.LimitWriteback(ctx, account, until, reason)
}

func (l ledger) Prune(ctx context.Context, before time.Time) error {
	return l.PruneWriteback(ctx, before)
}

func (l ledger) AddProtection(ctx context.Context, p github.Protection, at time.Time) error {
	return l.Store.AddProtection(ctx, protection(p), at)
}

func (l ledger) ClaimProtections(ctx context.Context, now, until time.Time, most int) ([]github.Protection, error) {
	claimed, err := l.Store.ClaimProtections(ctx, now, until, most)
	out := make([]github.Protection, len(claimed))
	for i, p := range claimed {
		out[i] = github.Protection{
			Repository: p.Repository, Run: p.Run, Environment: p.Environment, Account: p.Account, Commit: p.Commit, State: github.WorkState(p.State),
			Said: p.Said, Attempts: p.Attempts, Created: p.Created, Due: p.Due, Reason: p.Reason, Claim: p.Claim,
		}
	}
	return out, err
}

func (l ledger) KeepProtection(ctx context.Context, p github.Protection, hold bool) error {
	return l.Store.KeepProtection(ctx, protection(p), hold)
}

func protection(p github.Protection) store.Protection {
	return store.Protection{
		Repository: p.Repository, Run: p.Run, Environment: p.Environment, Account: p.Account, Commit: p.Commit, State: string(p.State),
		Said: p.Said, Attempts: p.Attempts, Created: p.Created, Due: p.Due, Reason: p.Reason, Claim: p.Claim,
	}
}

// writeback is work as it is stored; its objects are stored one by one.
func writeback(w github.Work) store.Writeback {
	return store.Writeback{
		Release: w.Release, Account: w.Account, Repository: w.Repository, Commit: w.Commit, Seq: w.Seq, State: string(w.State), Notes: w.Notes,
		Attempts: w.Attempts, Failing: w.Failing, Due: w.Due, Updated: w.Updated, Reason: w.Reason, Claim: w.Claim,
	}
}

func work(w store.Writeback) github.Work {
	out := github.Work{
		Release: w.Release, Account: w.Account, Repository: w.Repository, Commit: w.Commit, Seq: w.Seq, State: github.WorkState(w.State), Notes: w.Notes,
		Attempts: w.Attempts, Failing: w.Failing, Due: w.Due, Updated: w.Updated, Reason: w.Reason, Claim: w.Claim, Earlier: w.Earlier, Later: w.Later,
	}
	for _, o := range w.Objects {
		out.Objects = append(out.Objects, github.Object{
			Name: o.Name, Remote: o.Remote, Sent: o.Sent, State: github.WorkState(o.State), Attempts: o.Attempts, Reason: o.Reason, Updated: o.Updated,
		})
	}
	return out
}

// writebacks are what GitHub was told, in the words of the API.
type writebacks struct {
	*store.Store

	kick func()
}

// Writebacks are those that match, the last changed first.
func (w writebacks) Writebacks(ctx context.Context, filter api.WritebackFilter) ([]api.Writeback, string, error) {
	kept, next, err := w.Store.Writebacks(ctx, store.WritebackFilter(filter))
	out := make([]api.Writeback, len(kept))
	for i, one := range kept {
		out[i] = api.Writeback{
			Release: one.Release.String(), Repository: one.Repository, Commit: one.Commit, State: one.State, Attempts: one.Attempts,
			Updated: one.Updated, Reason: one.Reason, Objects: []api.WritebackObject{},
		}
		if one.State == store.WritebackWaiting {
			out[i].Due = &kept[i].Due
		}
		for _, o := range one.Objects {
			out[i].Objects = append(out[i].Objects, api.WritebackObject{Name: o.Name, State: o.State, Attempts: o.Attempts, Updated: o.Updated, Reason: o.Reason})
		}
	}
	return out, next, wrongCursor(err)
}

// RetryWriteback lets what was given up of a release be tried again, at once.
func (w writebacks) RetryWriteback(ctx context.Context, of release.ID, at time.Time) error {
	err := w.Store.RetryWriteback(ctx, of, at)
	if err == nil {
		w.kick()
	}
	return err
}

// Protect takes that a workflow run of GitHub Actions waits for a release; see [github.Writer.Protect]. Without write-back
// nobody could answer.
func (a *App) Protect(ctx context.Context, repository string, run int64, environment, commit, callback string) error {
	if a.writer == nil {
		return fmt.Errorf("deployment protection rule: nobody is at GitHub to answer; set github.app in the configuration")
	}
	err := a.writer.Protect(ctx, repository, run, environment, commit, callback)
	if err == nil {
		a.writer.Kick()
	}
	return err
}
