package gitremote

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"
)

// Run delivers what no push waited for, until ctx ends: first whatever an earlier process left, then each event that a
// push could not deliver, again and again. It returns nil.
func (r *Remote) Run(ctx context.Context) error {
	r.signal() // what New found
	delay := r.opts.RetryDelay
	retry := time.NewTimer(delay)
	defer retry.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-r.wake:
		case <-retry.C:
		}
		retry.Stop()
		names := r.takeDue()
		if len(names) == 0 {
			continue
		}
		failed := false
		for _, name := range names {
			if err := r.flush(ctx, name); err != nil {
				failed = true
				if ctx.Err() == nil {
					r.opts.Log.WarnContext(ctx, "push events not delivered",
						"repository", name.String(), "retry_in", delay, "error", err)
				}
			}
		}
		if !failed {
			delay = r.opts.RetryDelay
			continue
		}
		retry.Reset(delay)
		delay = min(2*delay, r.opts.RetryMax)
	}
}

// Flush delivers every event there is, of all repositories, one try each. It returns what could not be delivered, which
// [Remote.Run] will try again.
func (r *Remote) Flush(ctx context.Context) error {
	r.mu.Lock()
	names := slices.Collect(maps.Keys(r.repositories))
	r.mu.Unlock()
	var errs []error
	for _, name := range names {
		errs = append(errs, r.flush(ctx, name))
	}
	return errors.Join(errs...)
}

// signal wakes Run.
func (r *Remote) signal() {
	select {
	case r.wake <- struct{}{}:
	default: // a token is there already
	}
}

// later leaves a repository to Run.
func (r *Remote) later(name Name) {
	r.mu.Lock()
	r.due[name] = true
	r.mu.Unlock()
	r.signal()
}

func (r *Remote) takeDue() []Name {
	r.mu.Lock()
	defer r.mu.Unlock()
	names := slices.Collect(maps.Keys(r.due))
	clear(r.due)
	return names
}

// flush reconciles one repository and tries each of its events. On failure the repository is due again.
func (r *Remote) flush(ctx context.Context, name Name) error {
	p := r.find(name)
	err := r.reconcileIdle(ctx, p)
	if err == nil {
		err = r.deliverPending(ctx, p)
	}
	if err != nil {
		r.mu.Lock()
		r.due[name] = true
		r.mu.Unlock()
		return fmt.Errorf("deliver events of %s: %w", name, err)
	}
	return nil
}

func (r *Remote) reconcileIdle(ctx context.Context, p *repository) error {
	if !p.pushing.tryTake() {
		return nil // the push under way does it
	}
	defer p.pushing.release()
	_, err := r.reconcile(ctx, p, "")
	return err
}

// deliverPending tries the events of p in their order. One that fails keeps back the later ones of its ref, and no
// others. It returns nil when nothing is left.
func (r *Remote) deliverPending(ctx context.Context, p *repository) error {
	if err := p.delivery.take(ctx); err != nil {
		return err
	}
	defer p.delivery.release()
	blocked := map[string]bool{}
	var errs []error
	for {
		c, ok, err := p.nextPending(blocked)
		if err != nil {
			return errors.Join(append(errs, err)...)
		}
		if !ok {
			return errors.Join(errs...)
		}
		if err := r.deliver(ctx, p, c); err != nil {
			blocked[c.Ref] = true
			p.failed(c.Ref)
			errs = append(errs, fmt.Errorf("%s: %w", c.Ref, err))
			if ctx.Err() != nil || len(errs) >= maxFailures {
				return errors.Join(errs...)
			}
		}
	}
}

// maxFailures ends a round: after so many refs the fault is hardly in one event. The next round begins with others.
const maxFailures = 3

// nextPending is the event to try next: the first of a ref that is not blocked, those that failed least before others.
func (p *repository) nextPending(blocked map[string]bool) (change, bool, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	l, err := readLedger(p.dir)
	if err != nil {
		return change{}, false, err
	}
	var next change
	for _, c := range l.Pending {
		if !blocked[c.Ref] && (next.ID == "" || p.failures[c.Ref] < p.failures[next.Ref]) {
			next = c
		}
	}
	return next, next.ID != "", nil
}

func (p *repository) failed(ref string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.failures[ref]++
}

// deliver hands one event over and takes it off the ledger. A kill in between delivers it twice, with one ID.
func (r *Remote) deliver(ctx context.Context, p *repository, c change) error {
	within, cancel := context.WithTimeout(ctx, r.opts.DeliveryTimeout)
	defer cancel()
	body, err := r.event(within, p, c)
	if err != nil {
		return fmt.Errorf("make event: %w", err)
	}
	answer, err := r.opts.Deliver(within, Delivery{ID: c.ID, Event: "push", Repository: p.name, Ref: c.Ref, Body: body})
	result := settled{id: c.ID, message: answer.Message}
	if errors.Is(err, ErrRefused) {
		r.opts.Log.ErrorContext(ctx, "push event refused",
			"repository", p.name.String(), "ref", c.Ref, "delivery", c.ID, "error", err)
		result = settled{id: c.ID, message: err.Error(), refused: true}
	} else if err != nil {
		return err
	}
	return p.settle(c.Ref, result)
}

// settle takes an event off the ledger, whatever has become of the one who waited for it.
func (p *repository) settle(ref string, result settled) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.failures, ref)
	l, err := readLedger(p.dir)
	if err != nil {
		return err
	}
	if !l.settle(result.id) {
		return nil
	}
	p.keep(result)
	return writeLedger(p.dir, l)
}
