package github

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/skyisland/skyisland/internal/release"
)

// Protection is a deployment of GitHub Actions that waits for a word on a release: the deployment_protection_rule of an
// App. See [Ledger].
type Protection struct {
	Repository  string
	Run         int64
	Environment string
	Account     string
	Commit      string
	// State is waiting, approved, rejected or dead; Said is what it was told last.
	State        WorkState
	Said         string
	Attempts     int
	Created, Due time.Time
	Reason       string
	Claim        int64
}

// The answers.
const (
	approved WorkState = "approved"
	rejected WorkState = "rejected"
)

const (
	// lookAgain is how often it is looked whether a release has got on that a deployment waits for.
	lookAgain = 5 * time.Second
	// mostWaiting is how many are looked at before releases have their turn again.
	mostWaiting = 16
	// waitsFor is how long GitHub lets a deployment wait.
	waitsFor = 30 * 24 * time.Hour
)

// environmentName is what GitHub allows as far as one of our environments can be meant.
var environmentName = regexp.MustCompile(`^[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?$`)

// Protect takes that a workflow run of a repository (owner/name) waits to deploy a commit to an environment. Its callback
// has to be the run's at the configured GitHub. It is answered when the commit's release in that environment has ended, and
// told meanwhile that it waits; the same run and environment again are kept once.
func (w *Writer) Protect(ctx context.Context, repository string, run int64, environment, commit, callback string) error {
	repo, err := parseRepository(repository)
	switch {
	case err != nil:
	case !w.Connection.App():
		err = errors.New("only an App can answer; set github.app in the configuration")
	case run <= 0:
		err = fmt.Errorf("%d is not the number of a workflow run", run)
	case !environmentName.MatchString(environment):
		err = fmt.Errorf("the environment %s cannot be one of ours: use letters, digits and inner hyphens", strconv.Quote(cut(environment, mostInline)))
	case !wholeCommit.MatchString(commit):
		err = fmt.Errorf("%s is not a commit: want 40 hexadecimal digits", strconv.Quote(cut(commit, mostInline)))
	case !w.Connection.callback(callback, repo, run):
		err = fmt.Errorf("the callback is not that of run %d of %s at %s", run, repo, w.Connection.base.Host)
	}
	if err != nil {
		return fmt.Errorf("deployment protection rule: %w", err)
	}
	return w.Ledger.AddProtection(ctx, Protection{
		Repository: repo.String(), Run: run, Environment: environment, Account: w.Connection.account(repo), Commit: commit,
	}, w.Now())
}

// callback says whether an address is the one by which a run is answered. What is called is never what came.
func (c *Connection) callback(address string, r Repository, run int64) bool {
	u, err := url.Parse(address)
	return err == nil && u.User == nil && u.Scheme == c.base.Scheme && strings.EqualFold(u.Host, c.base.Host) && u.RawQuery == "" &&
		strings.EqualFold(u.Path, c.base.Path+protectionPath(r, run))
}

func protectionPath(r Repository, run int64) string {
	return fmt.Sprintf("repos/%s/%s/actions/runs/%d/deployment_protection_rule", r.Owner, r.Name, run)
}

// answerAll answers the deployments that wait and can be answered. Its error is of the ledger.
func (w *Writer) answerAll(ctx context.Context) error {
	if !w.Connection.App() {
		return nil
	}
	for range mostWaiting {
		// One by one: what a limit stops is not claimed any more, and what is cut off holds nothing else up.
		now := w.Now()
		claimed, err := w.Ledger.ClaimProtections(ctx, now, now.Add(claim), 1)
		if err != nil || len(claimed) == 0 {
			return err
		}
		bounded, cancel := context.WithTimeout(ctx, passBound)
		err = w.answer(bounded, claimed[0])
		cancel()
		if err != nil && !errors.Is(err, release.ErrConflict) {
			return err
		}
	}
	return nil
}

// answer tells one deployment what there is to say. What was said before is not said again.
func (w *Writer) answer(ctx context.Context, p Protection) error {
	now := w.Now()
	state, comment, err := w.verdict(ctx, p)
	if err != nil {
		return err
	}
	p.Due = now.Add(lookAgain)
	if now.Sub(p.Created) > waitsFor {
		p.State, p.Reason = Dead, "GitHub does not wait any longer"
		return w.Ledger.KeepProtection(ctx, p, false)
	}
	if said := string(state) + ": " + comment; said != p.Said {
		repeated := p.Attempts > 0
		p.Attempts++
		if err := w.Ledger.KeepProtection(ctx, p, true); err != nil {
			return err
		}
		if err := w.say(ctx, p, state, comment); err != nil {
			return w.unsaid(ctx, p, judge(err, now), repeated, state)
		}
		p.Said = said
	}
	p.State, p.Attempts, p.Reason = state, 0, ""
	return w.keepProtection(ctx, p)
}

// unsaid keeps why an answer did not arrive. One that is refused when it is repeated had arrived: a deployment is decided
// once.
func (w *Writer) unsaid(ctx context.Context, p Protection, failed *failure, repeated bool, state WorkState) error {
	now := w.Now()
	p.Reason, p.Due = failed.Error(), now.Add(backoff(p.Attempts))
	switch {
	case failed.refused && repeated && state != Waiting:
		p.State = state
	case failed.refused:
		p.State = Dead
		w.Log.WarnContext(ctx, "github refuses", "repository", p.Repository, "run", p.Run, "reason", p.Reason)
	case failed.limit > 0:
		// It was not looked at.
		p.Due = now.Add(failed.limit)
		p.Attempts--
		if err := w.Ledger.Limit(ctx, p.Account, p.Due, p.Reason); err != nil {
			return err
		}
	}
	return w.keepProtection(ctx, p)
}

func (w *Writer) keepProtection(ctx context.Context, p Protection) error {
	storing, cancel := context.WithTimeout(context.WithoutCancel(ctx), passBound)
	defer cancel()
	return w.Ledger.KeepProtection(storing, p, false)
}

// verdict is what a deployment is told.
func (w *Writer) verdict(ctx context.Context, p Protection) (WorkState, string, error) {
	address := "https://" + w.Connection.anyHost() + "/" + p.Repository
	summary, err := w.Releases.ReleaseOfCommit(ctx, address, strings.ToLower(p.Environment), p.Commit)
	if errors.Is(err, release.ErrNotFound) {
		return Waiting, "Sky Island waits for a release of this commit", nil
	}
	if err != nil {
		return "", "", err
	}
	name := fmt.Sprintf("release %d of %s/%s", summary.ID.Number, summary.ID.Lane.Tenant, summary.ID.Lane.Application)
	switch {
	case summary.Phase == release.Completed:
		return approved, name + " has completed", nil
	case summary.Phase.Ended():
		why := ""
		if summary.Cause != nil {
			why = ": " + code(summary.Cause.Message)
		}
		return rejected, name + " is " + string(summary.Phase) + why, nil
	default:
		return Waiting, name + " is under way", nil
	}
}

// anyHost is one of the names of the host of repositories.
func (c *Connection) anyHost() string {
	first := ""
	for host := range c.hosts {
		if first == "" || len(host) < len(first) {
			first = host
		}
	}
	return first
}

// say sends an answer; go-github has no call for it.
func (w *Writer) say(ctx context.Context, p Protection, state WorkState, comment string) error {
	repo, err := parseRepository(p.Repository)
	if err != nil {
		return &failure{error: err, refused: true}
	}
	client, err := w.Connection.Client(ctx, repo)
	if err != nil {
		return err
	}
	body := struct {
		Environment string `json:"environment_name"`
		State       string `json:"state,omitempty"`
		Comment     string `json:"comment"`
	}{Environment: p.Environment, Comment: comment}
	if state != Waiting {
		body.State = string(state)
	}
	request, err := client.NewRequest(http.MethodPost, protectionPath(repo, p.Run), body)
	if err != nil {
		return err
	}
	_, err = client.Do(ctx, request, nil)
	if err != nil && judge(err, w.Now()).unknown {
		w.Connection.forget(repo)
	}
	return err
}
