package github

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"strings"
	"time"

	"github.com/google/go-github/v60/github"
)

// commentThing is the comment on a rollback: on the pull request that brought the commit, or else on the commit. It is
// written once, and changed when there is more to say.
type commentThing struct {
	text, release string
	// since is before any of our comments.
	since time.Time
}

func (t commentThing) name() string { return "comment" }
func (t commentThing) says() any    { return t.text }

// The kinds of where a comment is, as the first part of its stored name; the last part is the mark.
const (
	notYet   = "new"
	onIssue  = "issue"
	onCommit = "commit"
)

// mark draws what an unanswered comment is found again by. Nobody can write it before us.
func (t commentThing) mark() (string, error) {
	drawn := make([]byte, 12)
	if _, err := rand.Read(drawn); err != nil {
		return "", fmt.Errorf("draw the mark of a comment: %w", err)
	}
	return notYet + ":0:" + hex.EncodeToString(drawn), nil
}

// place reads a stored name.
func place(remote string) (kind string, id int64, mark string, err error) {
	parts := strings.Split(remote, ":")
	if len(parts) != 3 || parts[2] == "" {
		return "", 0, "", fmt.Errorf("the stored comment %q is none", remote)
	}
	id, err = number(parts[1])
	return parts[0], id, parts[2], err
}

func (t commentThing) marker(mark string) string {
	return "<!-- skyisland release " + t.release + " " + mark + " -->"
}

func (t commentThing) find(ctx context.Context, p *pass, o Object) (string, bool, error) {
	if o.Remote == "" {
		return "", false, nil
	}
	kind, _, mark, err := place(o.Remote)
	if err != nil || kind != notYet {
		// Changing it twice is changing it once.
		return o.Remote, false, err
	}
	pulls, err := t.pulls(ctx, p)
	if err != nil {
		return "", false, err
	}
	for _, pull := range pulls {
		id, err := t.onPull(ctx, p, pull.GetNumber(), t.marker(mark))
		if err != nil {
			return "", false, err
		}
		if id != 0 {
			return fmt.Sprintf("%s:%d:%s", onIssue, id, mark), false, nil
		}
	}
	id, err := t.beside(ctx, p, t.marker(mark))
	if err != nil || id == 0 {
		return o.Remote, false, err
	}
	return fmt.Sprintf("%s:%d:%s", onCommit, id, mark), false, nil
}

// mostPulls bounds in how many pull requests of a commit a comment is looked for.
const mostPulls = 10

// pulls are the pull requests of the commit, the one first that is told: which it was merged by, else an open one.
func (t commentThing) pulls(ctx context.Context, p *pass) ([]*github.PullRequest, error) {
	list, _, err := p.client.PullRequests.ListPullRequestsWithCommit(ctx, p.repo.Owner, p.repo.Name, p.work.Commit, &github.ListOptions{PerPage: mostPulls})
	if err != nil {
		return nil, err
	}
	rank := func(pull *github.PullRequest) int {
		switch {
		case pull.MergedAt != nil && pull.GetMergeCommitSHA() == p.work.Commit:
			return 0
		case pull.MergedAt != nil:
			return 1
		case pull.GetState() == "open":
			return 2
		default:
			return 3
		}
	}
	for i, pull := range list {
		if rank(pull) < rank(list[0]) {
			list[0], list[i] = list[i], list[0]
		}
	}
	return list, nil
}

func (t commentThing) onPull(ctx context.Context, p *pass, pull int, marker string) (int64, error) {
	options := &github.IssueListCommentsOptions{ListOptions: github.ListOptions{PerPage: pageSize}}
	if !t.since.IsZero() {
		// Clocks differ.
		since := t.since.Add(-time.Hour)
		options.Since = &since
	}
	return begins(marker, &options.ListOptions, func() ([]*github.IssueComment, *github.Response, error) {
		return p.client.Issues.ListComments(ctx, p.repo.Owner, p.repo.Name, pull, options)
	})
}

func (t commentThing) beside(ctx context.Context, p *pass, marker string) (int64, error) {
	options := &github.ListOptions{PerPage: pageSize}
	return begins(marker, options, func() ([]*github.RepositoryComment, *github.Response, error) {
		return p.client.Repositories.ListCommitComments(ctx, p.repo.Owner, p.repo.Name, p.work.Commit, options)
	})
}

// begins is the first of the comments, page by page, that begins with a marker; 0 when none does.
func begins[C interface {
	GetID() int64
	GetBody() string
}](marker string, at *github.ListOptions, list func() ([]C, *github.Response, error)) (int64, error) {
	for range mostPages {
		page, response, err := list()
		if err != nil {
			return 0, err
		}
		for _, one := range page {
			if strings.HasPrefix(one.GetBody(), marker) {
				return one.GetID(), nil
			}
		}
		if at.Page = response.NextPage; at.Page == 0 {
			break
		}
	}
	return 0, nil
}

func (t commentThing) send(ctx context.Context, p *pass, o Object) (string, error) {
	kind, id, mark, err := place(o.Remote)
	if err != nil {
		return "", err
	}
	body := t.marker(mark) + "\n" + t.text
	switch kind {
	case onIssue:
		_, _, err = p.client.Issues.EditComment(ctx, p.repo.Owner, p.repo.Name, id, &github.IssueComment{Body: &body})
		return o.Remote, err
	case onCommit:
		_, _, err = p.client.Repositories.UpdateComment(ctx, p.repo.Owner, p.repo.Name, id, &github.RepositoryComment{Body: &body})
		return o.Remote, err
	}
	pulls, err := t.pulls(ctx, p)
	if err != nil {
		return "", err
	}
	if len(pulls) > 0 {
		made, _, err := p.client.Issues.CreateComment(ctx, p.repo.Owner, p.repo.Name, pulls[0].GetNumber(), &github.IssueComment{Body: &body})
		return fmt.Sprintf("%s:%d:%s", onIssue, made.GetID(), mark), err
	}
	made, _, err := p.client.Repositories.CreateComment(ctx, p.repo.Owner, p.repo.Name, p.work.Commit, &github.RepositoryComment{Body: &body})
	return fmt.Sprintf("%s:%d:%s", onCommit, made.GetID(), mark), err
}
