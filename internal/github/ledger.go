package github

import (
	"context"
	"time"

	"github.com/skyisland/skyisland/internal/release"
)

// Follower names the cursor by which the outbox is read.
const Follower = "github"

// Happening is an entry of the outbox: something happened to a release.
type Happening struct {
	Seq     int64
	Release release.ID
}

// Work is what GitHub is owed of one release. See [Ledger].
type Work struct {
	Release                     release.ID
	Account, Repository, Commit string
	Seq                         int64
	State                       WorkState
	Notes                       string
	Attempts                    int
	Failing, Due, Updated       time.Time
	Reason                      string
	Claim                       int64
	Earlier, Later              bool
	Objects                     []Object
}

// WorkState is how work stands, or a part of it.
type WorkState string

// The states of work, and of objects.
const (
	Waiting WorkState = "waiting"
	Settled WorkState = "settled"
	Dead    WorkState = "dead"
	// Trying is an object of which nobody knows whether it arrived, Sent one that did.
	Trying WorkState = "trying"
	Sent   WorkState = "sent"
)

// Object is one thing at GitHub: Remote is its ID there, Sent the hash of what it was last made to say.
type Object struct {
	Name, Remote, Sent string
	State              WorkState
	Attempts           int
	Reason             string
	Updated            time.Time
}

// Ledger keeps what GitHub is owed, and what it has. What is claimed is changed by nobody else until the claim runs out;
// a change under a claim that did is [release.ErrConflict].
type Ledger interface {
	// Happened are entries after a seq, in their order, at most so many; LastHappened is the seq of the newest.
	Happened(ctx context.Context, after int64, most int) ([]Happening, error)
	LastHappened(ctx context.Context) (int64, error)
	// Cursor is how far a follower has come; false for one that has never moved.
	Cursor(ctx context.Context, name string) (int64, bool, error)
	// Owe keeps that something happened to releases and moves the cursor, together.
	Owe(ctx context.Context, owed []Work, seq int64, at time.Time) error
	// Claim takes what is due, one of each account that is not limited.
	Claim(ctx context.Context, now, until time.Time, most int) ([]Work, error)
	// Keep stores an object under a claim, Settle ends the claim.
	Keep(ctx context.Context, w Work, o Object, at time.Time) error
	Settle(ctx context.Context, w Work, again, at time.Time) error
	// Limit leaves an account alone until a time.
	Limit(ctx context.Context, account string, until time.Time, reason string) error
	Prune(ctx context.Context, before time.Time) error

	AddProtection(ctx context.Context, p Protection, at time.Time) error
	ClaimProtections(ctx context.Context, now, until time.Time, most int) ([]Protection, error)
	// KeepProtection ends the claim unless hold is set.
	KeepProtection(ctx context.Context, p Protection, hold bool) error
}

// Releases are what there is to tell.
type Releases interface {
	// Release is [release.ErrNotFound] for one that was never recorded.
	Release(ctx context.Context, id release.ID) (release.Summary, error)
	// RepositoryOf is the address of an application's repository, or [release.ErrNotFound].
	RepositoryOf(ctx context.Context, lane release.Lane) (string, error)
	// Status is how a release is, live while it is under way.
	Status(ctx context.Context, id release.ID) (release.Status, error)
	// ReleaseOfCommit is the newest release of a commit of a repository in an environment, or [release.ErrNotFound].
	ReleaseOfCommit(ctx context.Context, repository, environment, commit string) (release.Summary, error)
}
