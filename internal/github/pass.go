package github

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/google/go-github/v60/github"

	"github.com/skyisland/skyisland/internal/release"
)

// pass is one attempt to make GitHub show a release as it is.
type pass struct {
	*Writer

	work    Work
	repo    Repository
	client  *github.Client
	objects map[string]Object
}

// thing is an object of a kind at GitHub.
type thing interface {
	// name is among those of the release, says what the object is to say.
	name() string
	says() any
	// find looks for what an attempt made whose answer was lost; done when it says already what it is to say.
	find(ctx context.Context, p *pass, o Object) (remote string, done bool, err error)
	// send makes the object, or changes what remote names, and returns its name there.
	send(ctx context.Context, p *pass, o Object) (remote string, err error)
}

// marked is a thing that is found again by a mark, which is stored before it is sent.
type marked interface {
	mark() (string, error)
}

// patience is how many attempts an object has before those after it are not held up by it any more, and mostFailures how
// many may fail in one pass.
const (
	patience     = 3
	mostFailures = 2
)

// pass makes GitHub show a release, and keeps what became of it. Its error is of the ledger.
func (w *Writer) pass(ctx context.Context, work Work) error {
	bounded, cancel := context.WithTimeout(ctx, passBound)
	defer cancel()
	facts, noted, err := w.facts(bounded, work)
	var failed *failure
	work.Notes = noted
	if err == nil {
		failed, err = w.write(bounded, work, facts)
	} else {
		failed, err = &failure{error: errors.New(brief(err.Error()))}, nil
	}
	// What was done is stored also when the program stops.
	storing, stored := context.WithTimeout(context.WithoutCancel(ctx), passBound)
	defer stored()
	if errors.Is(err, release.ErrConflict) {
		// Somebody else has the claim by now, and the rest of the work.
		w.Log.WarnContext(ctx, "write-back took longer than its claim", "release", work.Release.String())
		return nil
	}
	if err != nil {
		return err
	}
	return w.settle(storing, work, facts, failed, ctx.Err() != nil)
}

// settle ends a claim. Work that was cut off by the end of the program is no failure.
func (w *Writer) settle(ctx context.Context, work Work, facts Facts, failed *failure, cutOff bool) error {
	now := w.Now()
	said := work.Reason
	switch {
	case failed == nil:
		work.State, work.Attempts, work.Failing, work.Reason, work.Due = Settled, 0, time.Time{}, "", now
		if phase := facts.Status.Phase; phase.MovesTraffic() {
			work.State, work.Due = Waiting, now.Add(refresh)
		}
	case cutOff:
		work.State, work.Due = Waiting, now
	default:
		work.State, work.Reason = Waiting, failed.Error()
		work.Attempts++
		if work.Failing.IsZero() {
			work.Failing = now
		}
		work.Due = now.Add(backoff(work.Attempts))
		if failed.limit > 0 {
			until := now.Add(failed.limit)
			work.Due = until
			if err := w.Ledger.Limit(ctx, work.Account, until, work.Reason); err != nil {
				return err
			}
			w.Log.WarnContext(ctx, "github is left alone for a while", "account", work.Account, "until", until, "reason", work.Reason)
		}
		if failed.refused || now.Sub(work.Failing) > giveUp {
			work.State = Dead
			if work.Reason == said {
				break // as at the transition before: somebody has been told
			}
			w.Log.WarnContext(ctx, "write-back given up", "release", work.Release.String(), "reason", work.Reason)
		}
	}
	err := w.Ledger.Settle(ctx, work, now.Add(again), now)
	if errors.Is(err, release.ErrConflict) {
		return nil
	}
	return err
}

// write sends what differs. Its error is of the ledger.
func (w *Writer) write(ctx context.Context, work Work, facts Facts) (*failure, error) {
	repo, err := parseRepository(work.Repository)
	if err != nil {
		return &failure{error: err, refused: true}, nil
	}
	client, err := w.Connection.Client(ctx, repo)
	if err != nil {
		failed := judge(err, w.Now())
		if failed.unknown {
			w.Connection.forget(repo)
		}
		failed.error = fmt.Errorf("get access to %s: %w", repo, failed.error)
		return failed, nil
	}
	p := &pass{Writer: w, work: work, repo: repo, client: client, objects: map[string]Object{}}
	for _, o := range work.Objects {
		p.objects[o.Name] = o
	}
	return p.all(ctx, things(want(facts), facts.Status))
}

// things are all objects, in the order in which they are sent.
func things(of wanted, s release.Status) []thing {
	var out []thing
	for _, status := range of.Statuses {
		out = append(out, statusThing{status})
	}
	if of.Check != nil {
		out = append(out, checkThing{*of.Check})
	}
	out = append(out, deploymentThing{of.Deployment}, stateThing{of.State, of.Deployment.Environment})
	if of.Comment != "" {
		out = append(out, commentThing{of.Comment, s.ID.String(), s.Requested})
	}
	return out
}

func (p *pass) all(ctx context.Context, things []thing) (*failure, error) {
	var first *failure
	failures := 0
	for _, one := range things {
		o, failed, err := p.one(ctx, one)
		if err != nil {
			return nil, err
		}
		if failed == nil {
			continue
		}
		if failed.unknown {
			p.Connection.forget(p.repo)
		}
		if first == nil {
			first = failed
			first.error = fmt.Errorf("%s: %w", one.name(), failed.error)
		}
		failures++
		// Where GitHub is away nothing else would arrive; where it stumbles over one object, the others are not held up.
		if failed.limit > 0 || failures == mostFailures || o.Attempts < patience || ctx.Err() != nil {
			break
		}
	}
	return first, nil
}

// one makes GitHub show one object. The failure is of the attempt, and nil for an object that is given up.
func (p *pass) one(ctx context.Context, t thing) (Object, *failure, error) {
	o, there := p.objects[t.name()]
	if !there {
		o = Object{Name: t.name(), State: Waiting}
	}
	hash, err := hashOf(t.says())
	if err != nil {
		return o, nil, err
	}
	if o.State == Dead || o.State == Sent && o.Sent == hash {
		return o, nil, nil
	}
	before := o.State
	if o.State == Trying {
		remote, done, err := t.find(ctx, p, o)
		if err != nil {
			return p.failed(ctx, o, o.State, err)
		}
		if remote != "" {
			o.Remote = remote
		}
		if done {
			return p.sent(ctx, o, hash)
		}
	}
	// Before the request, so that who comes after a lost answer knows that there may be one.
	o.State = Trying
	o.Attempts++
	if m, ok := t.(marked); ok && o.Remote == "" {
		if o.Remote, err = m.mark(); err != nil {
			return o, nil, err
		}
	}
	if err := p.keep(ctx, o); err != nil {
		return o, nil, err
	}
	remote, err := t.send(ctx, p, o)
	if err != nil {
		return p.failed(ctx, o, before, err)
	}
	o.Remote = remote
	return p.sent(ctx, o, hash)
}

func (p *pass) sent(ctx context.Context, o Object, hash string) (Object, *failure, error) {
	o.State, o.Sent, o.Attempts, o.Reason = Sent, hash, 0, ""
	return o, nil, p.keep(ctx, o)
}

// failed keeps why an object is not there. A request that a limit refused did not take effect.
func (p *pass) failed(ctx context.Context, o Object, before WorkState, err error) (Object, *failure, error) {
	failed := judge(err, p.Now())
	o.Reason = failed.Error()
	switch {
	case failed.refused:
		o.State = Dead
		p.Log.WarnContext(ctx, "github refuses", "release", p.work.Release.String(), "object", o.Name, "reason", o.Reason)
		return o, nil, p.keep(ctx, o)
	case failed.limit > 0:
		o.State = before
	}
	return o, failed, p.keep(ctx, o)
}

// keep stores an object. What is known is stored also when the program stops.
func (p *pass) keep(ctx context.Context, o Object) error {
	storing, cancel := context.WithTimeout(context.WithoutCancel(ctx), passBound)
	defer cancel()
	p.objects[o.Name] = o
	return p.Ledger.Keep(storing, p.work, o, p.Now())
}

// hashOf names what an object says.
func hashOf(says any) (string, error) {
	text, err := json.Marshal(says)
	if err != nil {
		return "", fmt.Errorf("hash what GitHub is to show: %w", err)
	}
	sum := sha256.Sum256(text)
	return hex.EncodeToString(sum[:12]), nil
}
