package store

import (
	"context"
	"errors"
	"fmt"
	"strings"
)

// acceptance is an event that is to be stored, and what became of it.
type acceptance struct {
	event     Event
	id        int64
	duplicate bool
}

// errKnown is for events of which one was stored already: none of them has been given a number.
var errKnown = errors.New("stored already")

// mostRows is how many events one statement stores, at most. It is a power of two, and so are the numbers below it that
// are used: a statement is only known again by a database when it has as many rows.
const mostRows = 64

// Accept stores an event once, and says whether it was there already; the ID is that of the stored
// one then, whatever the body. An event that exceeds the bounds of its fields is an error.
func (s *Store) Accept(ctx context.Context, event Event) (id int64, duplicate bool, err error) {
	if err := event.check(); err != nil {
		return 0, false, fmt.Errorf("accept event: %w", err)
	}
	a := &acceptance{event: event}
	err = s.arrivals.together(ctx, &joint{size: len(event.Body), accepts: a, do: func(ctx context.Context, b *batch) (said, err error) {
		return nil, b.accept(ctx, a)
	}})
	if err != nil {
		// When ctx ended it may be on its way still, so nothing of it is read.
		return 0, false, fmt.Errorf("accept event %s of %s: %w", event.Delivery, event.Source, err)
	}
	return a.id, a.duplicate, nil
}

// accept stores an event, or finds the one that is stored.
func (b *batch) accept(ctx context.Context, a *acceptance) error {
	var err error
	if a.id, err = b.number(ctx); err != nil {
		return err
	}
	stored, err := b.insert(ctx, a.id, a.event)
	if err != nil {
		return err
	}
	a.duplicate = stored == 0
	if !a.duplicate {
		b.take(1)
		return nil
	}
	const find = `SELECT id FROM inbox WHERE source = ? AND delivery = ?`
	return b.GetContext(ctx, &a.id, b.Rebind(find), a.event.Source, a.event.Delivery)
}

// acceptAll stores the events that come first among the changes, many with each statement, and gives the changes that are
// left. Where one of them is stored already it is [errKnown], and the transaction is of no use: numbers would be missing.
func (b *batch) acceptAll(ctx context.Context, changes []*joint) (left []*joint, err error) {
	n := 0
	for n < len(changes) && changes[n].accepts != nil {
		n++
	}
	if n < 2 {
		return changes, nil
	}
	accepts := changes[:n]
	for rows := mostRows; rows > 0; rows /= 2 {
		for len(accepts) >= rows {
			first, err := b.number(ctx)
			if err != nil {
				return nil, err
			}
			events := make([]Event, rows)
			for i, j := range accepts[:rows] {
				j.accepts.id, j.accepts.duplicate = first+int64(i), false
				events[i] = j.accepts.event
			}
			stored, err := b.insert(ctx, first, events...)
			if err != nil {
				return nil, err
			}
			if stored < int64(rows) {
				return nil, errKnown
			}
			b.take(rows)
			accepts = accepts[rows:]
		}
	}
	return changes[n:], nil
}

// insert stores events under numbers from the first on, but for those whose source has had the delivery before, and says
// how many it has stored.
func (b *batch) insert(ctx context.Context, first int64, events ...Event) (int64, error) {
	const row = `(?, ?, ?, ?, ?, ?, ?, 0, ?, '')`
	// What is repeated is fixed text; what was sent is in args.
	query := `
		INSERT INTO inbox (id, source, delivery, kind, body, body_size, received_at, attempts, due_at, postponed)
		VALUES ` + row + strings.Repeat(", "+row, len(events)-1) + `
		ON CONFLICT (source, delivery) DO NOTHING`
	args := make([]any, 0, 8*len(events))
	for i, e := range events {
		body := e.Body
		if body == nil {
			body = []byte{}
		}
		received := micros(e.ReceivedAt)
		args = append(args, first+int64(i), e.Source, e.Delivery, e.Kind, body, len(body), received, received)
	}
	return b.exec(ctx, query, args...)
}
