package gitremote

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/skyisland/skyisland/internal/git/gitcmd"
)

const (
	// eventCommits is how many commits an event lists. Its head commit is told apart from them.
	eventCommits = 20
	// eventMessage is how many characters of a commit's message an event carries.
	eventMessage = 4000
)

// pushEvent has GitHub's names for the parts of a push event that mean something here.
type pushEvent struct {
	Ref        string          `json:"ref"`
	Before     string          `json:"before"`
	After      string          `json:"after"`
	Created    bool            `json:"created"`
	Deleted    bool            `json:"deleted"`
	Forced     bool            `json:"forced"`
	BaseRef    *string         `json:"base_ref"`
	Compare    string          `json:"compare"`
	Commits    []eventCommit   `json:"commits"`
	HeadCommit *eventCommit    `json:"head_commit"`
	Repository eventRepository `json:"repository"`
	Pusher     eventPerson     `json:"pusher"`
	Sender     eventSender     `json:"sender"`
}

type eventCommit struct {
	ID        string      `json:"id"`
	Message   string      `json:"message"`
	Timestamp time.Time   `json:"timestamp"`
	Author    eventPerson `json:"author"`
	Committer eventPerson `json:"committer"`
}

type eventPerson struct {
	Name  string `json:"name"`
	Email string `json:"email,omitempty"`
}

type eventRepository struct {
	ID            int64       `json:"id"`
	Name          string      `json:"name"`
	FullName      string      `json:"full_name"`
	Owner         eventSender `json:"owner"`
	CloneURL      string      `json:"clone_url"`
	DefaultBranch string      `json:"default_branch"`
}

type eventSender struct {
	Login string `json:"login"`
}

// event builds the body of the push event for c. All of it is read from what c names, which git keeps for ever, so a
// second delivery says the same.
func (r *Remote) event(ctx context.Context, p *repository, c change) ([]byte, error) {
	head, err := r.head(ctx, p)
	if err != nil {
		return nil, err
	}
	e := pushEvent{
		Ref: c.Ref, Before: c.Before, After: c.After,
		Created: c.created(), Deleted: c.deleted(),
		Commits: []eventCommit{},
		Repository: eventRepository{
			ID:            repositoryID(p.name),
			Name:          p.name.Application,
			FullName:      p.name.String(),
			Owner:         eventSender{Login: p.name.Tenant},
			CloneURL:      r.URL(p.name),
			DefaultBranch: strings.TrimPrefix(head, "refs/heads/"),
		},
	}
	var author eventPerson
	if !c.deleted() {
		if err := r.describe(ctx, p, c, &e); err != nil {
			return nil, err
		}
		if e.HeadCommit != nil {
			author = e.HeadCommit.Author
		}
	}
	login := cmp.Or(c.Pusher, author.Email, "git")
	e.Pusher = eventPerson{Name: login, Email: author.Email}
	e.Sender = eventSender{Login: login}
	raw, err := json.Marshal(e)
	if err != nil {
		return nil, fmt.Errorf("encode event: %w", err)
	}
	return raw, nil
}

// describe fills in what the commits say.
func (r *Remote) describe(ctx context.Context, p *repository, c change, e *pushEvent) error {
	heads, err := r.git.Commits(ctx, p.dir, c.After)
	if errors.Is(err, gitcmd.ErrObjectMissing) {
		return nil // a tag can name a file or a tree, which has no history
	}
	if err != nil {
		return err
	}
	head := toEvent(heads[0])
	e.HeadCommit = &head
	if !c.created() {
		if e.Forced, err = r.forced(ctx, p, c); err != nil {
			return err
		}
	}
	if !strings.HasPrefix(c.Ref, "refs/heads/") {
		return nil // as on GitHub, a tag brings no commits
	}
	exclude := []string{c.Before}
	if c.created() {
		exclude = nil
		if c.Base != "" {
			exclude = []string{c.Base}
		}
	}
	commits, err := r.git.History(ctx, p.dir, c.After, exclude, eventCommits)
	if err != nil {
		return err
	}
	slices.Reverse(commits) // oldest first
	for _, commit := range commits {
		e.Commits = append(e.Commits, toEvent(commit))
	}
	return nil
}

// forced reports whether the ref lost commits it had.
func (r *Remote) forced(ctx context.Context, p *repository, c change) (bool, error) {
	kept, err := r.git.IsAncestor(ctx, p.dir, c.Before, c.After)
	var exit *gitcmd.ExitError
	if errors.As(err, &exit) { // before was no commit: a tag that named a file
		return true, nil
	}
	return !kept, err
}

func toEvent(c gitcmd.Commit) eventCommit {
	message := strings.TrimSuffix(c.Message, "\n")
	if runes := []rune(message); len(runes) > eventMessage {
		message = string(runes[:eventMessage-1]) + "…"
	}
	at := c.At
	if year := at.Year(); year < 1 || year > 9999 { // JSON has no other years, and anybody can write one into a commit
		at = time.Unix(0, 0).UTC()
	}
	return eventCommit{
		ID: c.ID, Message: message, Timestamp: at,
		Author:    eventPerson(c.Author),
		Committer: eventPerson(c.Committer),
	}
}

// repositoryID is a number for those who need one: 48 bits, so that every JSON reader keeps it whole.
func repositoryID(name Name) int64 {
	sum := sha256.Sum256([]byte(name.String()))
	return int64(binary.BigEndian.Uint64(sum[:8]) >> 16)
}
