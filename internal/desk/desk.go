// Package desk is where what people say in chats and on pages becomes instructions. It knows who they are, finds what
// they mean, tells the release, and keeps a record of every word, also of those that are not followed.
package desk

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"time"

	"github.com/skyisland/skyisland/internal/dispatch"
	"github.com/skyisland/skyisland/internal/notify"
	"github.com/skyisland/skyisland/internal/release"
	"github.com/skyisland/skyisland/workflows"
)

// Releases is what the desk needs of the workflows.
type Releases interface {
	Instruct(ctx context.Context, id release.ID, what dispatch.Instruction, in release.Instruction) (workflows.Followed, error)
	Status(ctx context.Context, id release.ID) (release.Status, error)
}

// People knows who somebody is. Its error is a sentence for whoever it does not know.
type People interface {
	Person(source, id string) (release.Actor, error)
}

// Records finds releases and keeps what was said.
type Records interface {
	// Newest is the release of a lane with the highest number; [release.ErrNotFound] without one.
	Newest(ctx context.Context, lane release.Lane) (release.ID, error)
	SaveInstruction(ctx context.Context, id release.ID, kind string, instruction release.Instruction, refused string) error
}

// Freezer declares freezes. The same ID twice is one freeze. A no of the rules is a [release.DeniedError].
type Freezer interface {
	AddFreeze(ctx context.Context, freeze release.Freeze) error
}

// Options are what a desk needs. All are required but Log.
type Options struct {
	Releases Releases
	People   People
	Records  Records
	Freezer  Freezer
	Now      func() time.Time
	Log      *slog.Logger
}

// Desk takes words. It is a [notify.Desk], safe for concurrent use.
type Desk struct{ Options }

// New is a desk.
func New(o Options) *Desk {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	return &Desk{o}
}

// Tell finds out who speaks and of what, and does it. A word that is not followed is a [notify.Reply] that says why;
// an error means that nobody knows, and that the same word may be said again.
func (d *Desk) Tell(ctx context.Context, word notify.Word) (notify.Reply, error) {
	by, err := d.People.Person(word.Source, word.User)
	if err != nil {
		// Whoever it is, it is kept that they tried.
		stranger := release.Actor{Name: word.User, Source: word.Source}
		return d.refuse(ctx, word, release.ID{}, stranger, err.Error())
	}
	if word.What == notify.WhatFreeze {
		return d.freeze(ctx, word, by)
	}
	id, err := d.find(ctx, word.About)
	switch {
	case errors.Is(err, release.ErrNotFound):
		return d.refuse(ctx, word, id, by, fmt.Sprintf("there is no release %s", word.About))
	case errors.Is(err, errAbout):
		return d.refuse(ctx, word, id, by, err.Error())
	case err != nil:
		return notify.Reply{}, err
	}
	if word.What == notify.WhatStatus {
		return d.status(ctx, word, id, by)
	}
	what := dispatch.Instruction(word.What)
	if !slices.Contains(dispatch.Instructions(), what) {
		return d.refuse(ctx, word, id, by, fmt.Sprintf("%q is nothing that releases understand", word.What))
	}
	return d.instruct(ctx, word, id, what, by)
}

// errAbout is a text that names no release.
var errAbout = errors.New("is not a release: write tenant/application/environment/number")

// find is the release that a word is about.
func (d *Desk) find(ctx context.Context, about string) (release.ID, error) {
	if id, err := release.ParseID(about); err == nil {
		return id, nil
	}
	lane, err := release.ParseLane(about)
	if err != nil {
		return release.ID{}, fmt.Errorf("%q %w", about, errAbout)
	}
	return d.Records.Newest(ctx, lane)
}

// instruct tells a release, with the question as it was before and as it stands after.
func (d *Desk) instruct(ctx context.Context, word notify.Word, id release.ID, what dispatch.Instruction, by release.Actor) (notify.Reply, error) {
	in := release.Instruction{
		ID: d.attempt(word), By: by, Comment: word.Comment, PlanHash: word.PlanHash, Ask: word.Ask, At: d.Now().UTC(),
	}
	var before *release.Ask
	if what == dispatch.Approve || what == dispatch.Reject {
		status, err := d.Releases.Status(ctx, id)
		if errors.Is(err, release.ErrNotFound) {
			return d.refuse(ctx, word, id, by, fmt.Sprintf("there is no release %s", id))
		}
		if err != nil {
			return notify.Reply{}, err
		}
		before = status.Ask
		// A person writes the beginning of a hash; the release compares the whole.
		if word.PlanHash != "" && strings.HasPrefix(status.PlanHash, word.PlanHash) {
			in.PlanHash = status.PlanHash
		}
		// A command shows no question: it is about the one that is open now, and no later one.
		if in.Ask == 0 && before != nil {
			in.Ask = before.Number
		}
	}
	followed, err := Audit{d.Releases, d.Records}.Instruct(ctx, id, what, in)
	if refusal, ok := refused(id, err); ok {
		d.Log.WarnContext(ctx, "word not followed", "release", id.String(), "instruction", word.What, "actor", by.String(), "reason", refusal)
		return notify.Reply{Text: refusal, Refused: true, Ask: d.askNow(ctx, id)}, nil
	}
	if err != nil {
		return notify.Reply{}, err
	}
	d.Log.InfoContext(ctx, "word followed", "release", id.String(), "instruction", word.What, "actor", by.String())
	reply := notify.Reply{Text: id.String() + ": " + followed.Message}
	if before != nil {
		reply.Ask = d.askAfter(ctx, id, *before, what, in, followed.Message)
	}
	return reply, nil
}

// askNow is the question that is open; nil without one. Not to know it is no reason to leave somebody without answer.
func (d *Desk) askNow(ctx context.Context, id release.ID) *release.Ask {
	status, err := d.Releases.Status(ctx, id)
	if err != nil {
		return nil
	}
	return status.Ask
}

// askAfter is how the question stands after an answer that counts: as the release shows it while it is open, and
// closed by this answer when the release shows it no more.
func (d *Desk) askAfter(ctx context.Context, id release.ID, before release.Ask, what dispatch.Instruction, in release.Instruction, message string) *release.Ask {
	if now := d.askNow(ctx, id); now != nil && now.Number == before.Number {
		return now
	}
	if what == dispatch.Reject {
		before.Closed = "rejected by " + in.By.String()
		return &before
	}
	before.Answers = append(slices.Clone(before.Answers), release.Approved{By: in.By, Comment: in.Comment, At: in.At, Point: before.Point})
	before.Closed = "approved: " + message
	return &before
}

// refused is the reason for which an instruction was not followed, when that is what the error says.
func refused(id release.ID, err error) (string, bool) {
	var no *dispatch.RefusedError
	switch {
	case errors.As(err, &no):
		return no.Message, true
	case errors.Is(err, release.ErrFinished):
		return fmt.Sprintf("release %s has ended: nothing more can be said to it", id), true
	case errors.Is(err, release.ErrNotFound):
		return fmt.Sprintf("there is no release %s", id), true
	default:
		return "", false
	}
}

// refuse answers a word that reaches no release, and keeps it.
func (d *Desk) refuse(ctx context.Context, word notify.Word, id release.ID, by release.Actor, why string) (notify.Reply, error) {
	in := release.Instruction{ID: instructionID(word), By: by, Comment: word.Comment, PlanHash: word.PlanHash, Ask: word.Ask, At: d.Now().UTC()}
	if known, err := release.ParseID(word.About); err == nil {
		id = known
	}
	if err := d.Records.SaveInstruction(ctx, id, word.What, in, why); err != nil {
		return notify.Reply{}, err
	}
	d.Log.WarnContext(ctx, "word not followed", "about", word.About, "instruction", word.What, "actor", by.String(), "reason", why)
	return notify.Reply{Text: why, Refused: true}, nil
}

// attempt names one attempt to say a word. The same within a minute is the same, as two clicks and a delivery that comes
// twice are. Later it is said anew: what stood against it then may be gone, and a release keeps its answer to an attempt.
func (d *Desk) attempt(word notify.Word) string {
	if word.ID == "" {
		return ""
	}
	word.ID += "\n" + d.Now().UTC().Format("2006-01-02 15:04")
	return instructionID(word)
}

// instructionID makes the same click the same instruction, and keeps those of two chats apart.
func instructionID(word notify.Word) string {
	if word.ID == "" {
		return ""
	}
	sum := sha256.Sum256([]byte(word.Source + "\n" + word.ID))
	return hex.EncodeToString(sum[:16])
}
