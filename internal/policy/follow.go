package policy

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"time"
)

// origin is where rules come from that may change.
type origin interface {
	// look gives what is there now, and nil when that is what it was at the look before.
	look(ctx context.Context) (*finding, error)
	// again has the next look give what is there in any case.
	again()
	// taken says that what the last look gave is in force.
	taken()
	// keep stores what is in force for a start without the origin; it does nothing when that was done.
	keep() error
	// pace says when to look again.
	pace() *pace
	String() string
}

// finding is what is there at an origin.
type finding struct {
	// sum names the content, and tag is what a server calls it.
	sum [sha256.Size]byte
	tag string
	// moving is that it may be changing just now, and is not to be taken.
	moving bool
	// open reads it.
	open func() (content, error)
}

// errDamaged is that a bundle may have been good where it came from.
var errDamaged = errors.New("the bundle is damaged")

// Run looks for changed rules until ctx ends, where they come from a folder or a server. Rules that cannot be had or are
// refused are said once, and the last good ones stay in force.
func (e *Engine) Run(ctx context.Context) error {
	if e.origin == nil {
		<-ctx.Done()
		return nil
	}
	pace := e.origin.pace()
	timer := time.NewTimer(pace.next(nil))
	defer timer.Stop()
	said := ""
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-timer.C:
		}
		err := e.follow(ctx)
		timer.Reset(pace.next(err))
		switch {
		case ctx.Err() != nil:
			return nil
		case err == nil:
			said = ""
		case err.Error() != said:
			said = err.Error()
			e.log.ErrorContext(ctx, "policies stay as they are", "from", e.origin.String(), "revision", e.notes.read().Revision, "error", err)
		}
	}
}

// follow takes changed rules in. What was refused is looked at once: its error comes from the look that found it. Rules that
// cannot be kept are in force all the same, and keeping them is tried again at each look: what the server says now counts
// for more than what a full disk still has.
func (e *Engine) follow(ctx context.Context) error {
	found, err := e.origin.look(ctx)
	if err != nil {
		e.notes.unreached(err)
		return err
	}
	if found != nil && found.moving {
		return nil
	}
	switch e.notes.reached(found) {
	case sightNew:
		err = e.try(ctx, found)
	case sightRefused:
		e.retry(ctx)
	case sightSame:
	}
	if err != nil {
		return err
	}
	return e.origin.keep()
}

// try takes what was found, or remembers why not.
func (e *Engine) try(ctx context.Context, found *finding) error {
	there, err := found.open()
	if errors.Is(err, errDamaged) {
		// Perhaps on its way here only, so it is fetched again, as seldom as from a server that is away.
		e.origin.again()
		err = &awayError{cause: err}
		e.notes.unreached(err)
		return err
	}
	next := candidate{sum: found.sum, tag: found.tag, revision: there.manifest.Revision}
	if err == nil {
		next.rules, err = there.compile()
	}
	if err == nil {
		err = e.admit(ctx, next)
	}
	if err != nil {
		e.notes.refuse(next, err)
	}
	return err
}

// retry tries rules again that were refused for the data alone, which may have made room for them.
func (e *Engine) retry(ctx context.Context) {
	if waiting, ok := e.notes.waiting(); ok {
		// Why it waits was said when it was refused.
		_ = e.admit(ctx, waiting)
	}
}

// compile makes rules of what is there.
func (c content) compile() (*rules, error) {
	out, err := compile(c.files)
	if err != nil {
		return nil, err
	}
	if err := c.manifest.covers(out.packages); err != nil {
		return nil, err
	}
	return out, nil
}

// admit puts rules in force, unless the data keeps them out.
func (e *Engine) admit(ctx context.Context, next candidate) error {
	data, err := e.dataFor(next.rules)
	if err != nil {
		return err
	}
	if err := e.suits(ctx, data); err != nil {
		return err
	}
	e.data.Store(&data)
	e.notes.take(next)
	e.log.InfoContext(ctx, "policies in force", "from", e.origin.String(), "bundle", e.Bundle(ctx), "revision", next.revision)
	e.origin.taken()
	return nil
}

// suits says whether new rules can have the data that is in force. Rules that cannot would deny everything from one moment
// to the next, though neither they nor the data are wrong by themselves: the two came in the wrong order. Data that the
// present rules refuse keeps nobody from new rules, which may be what mends it.
func (e *Engine) suits(ctx context.Context, next source) error {
	data, changing := next.(*file)
	if !changing || e.data.Load() == nil || e.view(ctx).broken != "" {
		return nil
	}
	content, err := slurp(data.path)
	if err != nil {
		// It is gone or cannot be read, which denies everything under any rules, or it was never there.
		return nil //nolint:nilerr // the file's own view tells it
	}
	if _, err := data.understand(content, nil); err != nil {
		return fmt.Errorf("the new rules cannot have the data in %s, and would deny everything: %w: change the data first, or the rules", data.path, err)
	}
	return nil
}

// begin takes the first rules, unless the kept ones have to do.
func (e *Engine) begin(ctx context.Context) error {
	before := e.data.Load()
	err := e.follow(ctx)
	now := e.data.Load()
	switch {
	case now == nil && err == nil:
		return errors.New("there are no rules")
	case now == nil:
		return err
	case err != nil && now == before:
		e.log.WarnContext(ctx, "policies are those of the last good bundle", "from", e.origin.String(), "bundle", e.Bundle(ctx), "revision", e.notes.read().Revision, "error", err)
	case err != nil:
		e.log.WarnContext(ctx, "policies are in force, but not kept for a start without their server", "from", e.origin.String(), "error", err)
	}
	return nil
}

// dataFor puts the data beside rules. A data file that has been there is still expected.
func (e *Engine) dataFor(rules *rules) (source, error) {
	if e.dataFile != "" {
		next := &file{path: e.dataFile, rules: rules, log: e.log}
		if before := e.data.Load(); before != nil {
			if old, ok := (*before).(*file); ok {
				old.mu.Lock()
				next.seen = old.seen
				old.mu.Unlock()
			}
		}
		return next, nil
	}
	view, err := rules.with(context.Background(), e.fixedData)
	if err != nil {
		return nil, fmt.Errorf("read policy data: %w", err)
	}
	return fixed{view}, nil
}
