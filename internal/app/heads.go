package app

import (
	"context"
	"errors"

	"github.com/skyisland/skyisland/internal/git"
	"github.com/skyisland/skyisland/internal/intake"
	"github.com/skyisland/skyisland/internal/release"
	"github.com/skyisland/skyisland/internal/store"
)

// now is git in the words of who asks what repositories have at this moment.
type now struct{ source *git.Source }

func (n now) Refs(ctx context.Context, application release.Application, names ...string) (map[string]string, error) {
	return n.source.Refs(ctx, application.Repository, names...)
}

func (n now) Contains(ctx context.Context, application release.Application, commit, other string) (bool, error) {
	for _, id := range []string{commit, other} {
		if err := n.source.Fetch(ctx, application.Repository, id); err != nil {
			return false, notFound(err)
		}
	}
	has, err := n.source.Contains(ctx, application.Repository, commit, other)
	return has, notFound(err)
}

func (n now) Commit(ctx context.Context, application release.Application, commit string) (intake.Commit, error) {
	if err := n.source.Fetch(ctx, application.Repository, commit); err != nil {
		return intake.Commit{}, notFound(err)
	}
	found, err := n.source.Commit(ctx, application.Repository, commit)
	return intake.Commit{Message: found.Message, Email: found.Author.Email}, notFound(err)
}

// heads is the store in the words of who keeps what was seen of refs.
type heads struct{ store *store.Store }

func (h heads) Head(ctx context.Context, application release.Application, ref string) (intake.Head, error) {
	head, err := h.store.Head(ctx, application.Tenant, application.Name, ref)
	return intake.Head(head), err
}

func (h heads) Heads(ctx context.Context, application release.Application) (map[string]intake.Head, error) {
	kept, err := h.store.Heads(ctx, application.Tenant, application.Name)
	if err != nil {
		return nil, err
	}
	out := make(map[string]intake.Head, len(kept))
	for ref, head := range kept {
		out[ref] = intake.Head(head)
	}
	return out, nil
}

func (h heads) SaveHead(ctx context.Context, application release.Application, head intake.Head) error {
	return h.store.SaveHead(ctx, application.Tenant, application.Name, store.Head(head))
}

// promotionsCursor names how far promotions have come in what happened, and completionsRead how much of it is read at once.
const (
	promotionsCursor = "promotions"
	completionsRead  = 200
)

// story is what happened to releases, in the words of who promotes what has completed.
type story struct{ store *store.Store }

// Completed are the releases that completed after a seq.
func (s story) Completed(ctx context.Context, after int64) (out []release.Summary, next int64, err error) {
	happened, err := s.store.Happened(ctx, after, completionsRead)
	if err != nil {
		return nil, after, err
	}
	next = after
	for _, one := range happened {
		next = one.Seq
		if one.Entry.Kind != release.EntryEnded || one.Entry.Phase != release.Completed {
			continue
		}
		summary, err := s.store.Release(ctx, one.Release)
		if errors.Is(err, release.ErrNotFound) {
			continue
		}
		if err != nil {
			return nil, after, err
		}
		out = append(out, summary)
	}
	return out, next, nil
}

// Cursor is how far promotions have come. What completed before there were any is not promoted.
func (s story) Cursor(ctx context.Context) (int64, error) {
	seq, moved, err := s.store.Cursor(ctx, promotionsCursor)
	if err != nil || moved {
		return seq, err
	}
	if seq, err = s.store.LastHappened(ctx); err != nil {
		return 0, err
	}
	return seq, s.MoveCursor(ctx, seq)
}

func (s story) MoveCursor(ctx context.Context, seq int64) error {
	return s.store.MoveCursor(ctx, promotionsCursor, seq)
}
