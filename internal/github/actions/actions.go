// Package actions finds the runs of GitHub Actions workflows and downloads the artifacts that they leave.
//
// A run counts only for the commit that it has checked out: what a pull request ran is a merge that nobody releases, and
// what a fork ran is somebody else's.
package actions

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/google/go-github/v60/github"

	"github.com/skyisland/skyisland/internal/release"
)

var (
	// ErrRefused is returned when GitHub does not let us in.
	ErrRefused = errors.New("GitHub refuses")
	// ErrCorrupt is returned for an artifact that is not what its digest says.
	ErrCorrupt = errors.New("other bytes came than GitHub says")
	// ErrUnusable is returned for an artifact that is too large to be taken.
	ErrUnusable = errors.New("the artifact cannot be taken")
)

// LimitedError is returned when GitHub wants to be left alone for a while.
type LimitedError struct {
	// After is how long.
	After time.Duration
	Err   error
}

// Error is GitHub's own.
func (e *LimitedError) Error() string { return e.Err.Error() }

// Unwrap is GitHub's own error.
func (e *LimitedError) Unwrap() error { return e.Err }

// Find is a client for a repository, as a release names it, and its owner and name at GitHub. A repository that is not
// GitHub's is an error.
type Find func(ctx context.Context, repository string) (client *github.Client, owner, name string, err error)

// Options are what else is to be known.
type Options struct {
	// Most is the most bytes an artifact may have; 0 is 1 GiB.
	Most int64
	// Timeout bounds a question, 0 is 20 seconds, and Download the download of an artifact, 0 is ten minutes.
	Timeout, Download time.Duration
	// Now is the time; nil is the system's.
	Now func() time.Time
}

// Actions asks GitHub. It is safe for concurrent use.
type Actions struct {
	find    Find
	options Options
	// files fetches what GitHub keeps elsewhere, without anybody's token.
	files *http.Client
}

// New asks with the clients that find gives.
func New(find Find, o Options) *Actions {
	if o.Most == 0 {
		o.Most = 1 << 30
	}
	if o.Timeout == 0 {
		o.Timeout = 20 * time.Second
	}
	if o.Download == 0 {
		o.Download = 10 * time.Minute
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	dialer := &net.Dialer{Timeout: 10 * time.Second, KeepAlive: 30 * time.Second}
	return &Actions{find: find, options: o, files: &http.Client{
		Transport: &http.Transport{
			Proxy: http.ProxyFromEnvironment, DialContext: dialer.DialContext, ForceAttemptHTTP2: true, MaxIdleConnsPerHost: 2,
			IdleConnTimeout: time.Minute, TLSHandshakeTimeout: 10 * time.Second, ResponseHeaderTimeout: 30 * time.Second,
			// A digest is of what is sent.
			DisableCompression: true,
		},
		CheckRedirect: func(r *http.Request, via []*http.Request) error {
			if len(via) > mostRedirects {
				return fmt.Errorf("over %d redirects", mostRedirects)
			}
			return safe(r.URL)
		},
	}}
}

// mostRedirects is how often a download may be sent elsewhere.
const mostRedirects = 3

// Run is a run of a workflow.
type Run struct {
	ID int64
	// URL is where people see it.
	URL string
	// Status is completed, or how far it is, as GitHub says it; Conclusion how it ended, empty before.
	Status, Conclusion string
}

// Over says whether the run has ended.
func (r Run) Over() bool { return r.Status == "completed" }

// Succeeded says whether it has ended well.
func (r Run) Succeeded() bool { return r.Over() && r.Conclusion == "success" }

// events are those whose runs check out the commit that they are listed under.
var events = []string{"push", "merge_group", "create", "release", "workflow_dispatch", "repository_dispatch", "schedule"}

// mostRuns is how many runs of one commit are looked at, newest first.
const mostRuns = 100

// Latest is the newest run of a workflow, named by its file, for exactly this commit. Without one, and without such a
// workflow, it is [release.ErrNotFound], with what was looked for.
func (a *Actions) Latest(ctx context.Context, repository, workflow, commit string) (Run, error) {
	client, owner, name, err := a.find(ctx, repository)
	if err != nil {
		return Run{}, err
	}
	ctx, cancel := context.WithTimeout(ctx, a.options.Timeout)
	defer cancel()
	where := owner + "/" + name
	found, _, err := client.Actions.ListWorkflowRunsByFileName(ctx, owner, name, url.PathEscape(workflow), &github.ListWorkflowRunsOptions{
		HeadSHA: commit, ExcludePullRequests: true, ListOptions: github.ListOptions{PerPage: mostRuns},
	})
	if err != nil {
		err = a.told(err)
		if errors.Is(err, release.ErrNotFound) {
			return Run{}, fmt.Errorf("%s has no workflow .github/workflows/%s that the token may see: %w", where, workflow, release.ErrNotFound)
		}
		return Run{}, fmt.Errorf("look for the run of %s for commit %s in %s: %w", workflow, commit, where, err)
	}
	ours := slices.DeleteFunc(found.WorkflowRuns, func(r *github.WorkflowRun) bool { return !counts(r, commit) })
	if len(ours) == 0 {
		sentence := fmt.Sprintf("%s has no run of %s for commit %s", where, workflow, commit)
		if others := len(found.WorkflowRuns); others > 0 {
			sentence += fmt.Sprintf(" but %d of forks or pull requests, which build something else", others)
		}
		return Run{}, fmt.Errorf("%s: %w", sentence, release.ErrNotFound)
	}
	newest := slices.MaxFunc(ours, func(x, y *github.WorkflowRun) int {
		if x.GetRunNumber() != y.GetRunNumber() {
			return x.GetRunNumber() - y.GetRunNumber()
		}
		return x.GetRunAttempt() - y.GetRunAttempt()
	})
	return Run{ID: newest.GetID(), URL: newest.GetHTMLURL(), Status: newest.GetStatus(), Conclusion: newest.GetConclusion()}, nil
}

// counts says whether a run is of the repository's own commit. GitHub was asked for the commit, and an older server
// that does not know the question answers with all runs.
func counts(r *github.WorkflowRun, commit string) bool {
	own := r.GetHeadRepository().GetFullName()
	return r.GetHeadSHA() == commit && slices.Contains(events, r.GetEvent()) &&
		own != "" && strings.EqualFold(own, r.GetRepository().GetFullName())
}

// told turns what GitHub says into the words of this package.
func (a *Actions) told(err error) error {
	var limited *github.RateLimitError
	if errors.As(err, &limited) {
		return limitedFor(limited.Rate.Reset.Sub(a.options.Now()), err)
	}
	var abuse *github.AbuseRateLimitError
	if errors.As(err, &abuse) {
		return &LimitedError{After: min(max(abuse.GetRetryAfter(), leastLimit), mostLimit), Err: err}
	}
	var answer *github.ErrorResponse
	if !errors.As(err, &answer) || answer.Response == nil {
		return err
	}
	if wait, is := a.limit(answer); is {
		return limitedFor(wait, err)
	}
	if answer.Message == "" {
		// Not GitHub's words: a proxy before it, or a page that says that it is being upgraded. That ends.
		return fmt.Errorf("what answered %d does not speak as GitHub does: %w", answer.Response.StatusCode, err)
	}
	switch answer.Response.StatusCode {
	case http.StatusNotFound, http.StatusGone:
		return fmt.Errorf("%w: %w", release.ErrNotFound, err)
	case http.StatusUnauthorized, http.StatusForbidden:
		return fmt.Errorf("%w: %w", ErrRefused, err)
	default:
		return err
	}
}

// The bounds of how long GitHub is left alone. The least is for an answer that does not say how long, or says a time that
// is over by our clock: GitHub asks for a minute at least.
const (
	leastLimit = time.Minute
	mostLimit  = 2 * time.Hour
)

func limitedFor(wait time.Duration, err error) error {
	if wait <= 0 {
		wait = leastLimit
	}
	return &LimitedError{After: min(wait, mostLimit), Err: err}
}

// limit says whether an answer that the library takes for a refusal asks for patience, and for how long; 0 is not said. It
// does not know 429, nor a 403 whose documentation is at an address that it has not heard of.
func (a *Actions) limit(answer *github.ErrorResponse) (time.Duration, bool) {
	status, header := answer.Response.StatusCode, answer.Response.Header
	after, hasAfter := seconds(header.Get("Retry-After"))
	secondary := strings.Contains(strings.ToLower(answer.Message), "secondary rate limit")
	if status != http.StatusTooManyRequests && (status != http.StatusForbidden || !hasAfter && !secondary) {
		return 0, false
	}
	if reset, said := seconds(header.Get("X-RateLimit-Reset")); said && !hasAfter && header.Get("X-RateLimit-Remaining") == "0" {
		return time.Unix(0, 0).Add(reset).Sub(a.options.Now()), true
	}
	return after, true
}

func seconds(text string) (time.Duration, bool) {
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil || n < 0 || n > int64(1)<<33 {
		return 0, false
	}
	return time.Duration(n) * time.Second, true
}
