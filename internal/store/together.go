package store

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/jmoiron/sqlx"
)

const (
	// mostTogether and mostTogetherBytes bound how many changes share a transaction, and about how many bytes of bodies.
	mostTogether      = 200
	mostTogetherBytes = 16 << 20
	// togetherFor bounds one transaction: who waits for it may have gone, and nobody else would end it.
	togetherFor = 30 * time.Second
)

// errNotBegun is for a transaction that could not even begin, so that there is no use in another.
var errNotBegun = errors.New("begin")

// queue is the changes of the inbox that wait for a transaction. What comes while one is on its way to the disk goes into
// the next, all of it together: the disk is waited for once for many, and nobody waits for others to come.
type queue struct {
	// db is where the transactions are made.
	db *sqlx.DB
	// prepares is set where the driver does not keep statements that are run again by itself.
	prepares bool

	mu      sync.Mutex
	waiting []*joint
	// working says that somebody is emptying the queue.
	working bool
}

// joint is a change that shares its transaction with others.
type joint struct {
	// ctx is that of who waits; a change that nobody waits for any more is not begun.
	ctx context.Context //nolint:containedctx // one call's, for as long as the call
	// event orders the changes of a transaction, so that two programs lock the same rows in the same order.
	event int64
	// size is about how many bytes it stores.
	size int
	// do makes the change. said is what it comes to where nothing is wrong with the database, and it has then changed
	// nothing; err ends the transaction for all, and each is then tried by itself.
	do   func(ctx context.Context, b *batch) (said, err error)
	said error
	done chan error
	// accepts is the event that it stores, where it does nothing else: such changes are made by one statement.
	accepts *acceptance
}

// batch is a transaction of several changes.
type batch struct {
	*sqlx.Tx

	// last is the last number given to an event, stored the one that is stored; 0 before the first is given.
	last, stored int64
	// prepared are statements by their text; nil where the driver keeps them by itself.
	prepared map[string]*sqlx.Stmt
}

// exec runs a statement written with question marks, and gives the number of rows it changed. One that is run for many
// changes is prepared once.
func (b *batch) exec(ctx context.Context, query string, args ...any) (int64, error) {
	if b.prepared == nil {
		return exec(ctx, b.Tx, query, args...)
	}
	statement := b.prepared[query]
	if statement == nil {
		var err error
		// It is closed with the transaction.
		if statement, err = b.PreparexContext(ctx, b.Rebind(query)); err != nil {
			return 0, err
		}
		b.prepared[query] = statement
	}
	result, err := statement.ExecContext(ctx, args...)
	if err != nil {
		return 0, err
	}
	return result.RowsAffected()
}

// together makes a change in a transaction with others that come at the same time. It returns when the change is stored,
// or has failed, which fails no other; or when ctx ends, and then the change may be stored or not.
func (q *queue) together(ctx context.Context, j *joint) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	j.ctx, j.done = ctx, make(chan error, 1)
	q.mu.Lock()
	q.waiting = append(q.waiting, j)
	begin := !q.working
	q.working = true
	q.mu.Unlock()
	if begin {
		// It works for others too, whose changes must not end with this one's ctx.
		go q.work(context.WithoutCancel(ctx))
	}
	select {
	case err := <-j.done:
		return err
	case <-ctx.Done():
		return ctx.Err()
	}
}

// work empties the queue.
func (q *queue) work(ctx context.Context) {
	for {
		batch := q.take()
		if batch == nil {
			return
		}
		q.commit(ctx, batch)
	}
}

// take is what goes into the next transaction; nil when nothing waits, and then nobody works on the queue any more.
func (q *queue) take() []*joint {
	q.mu.Lock()
	defer q.mu.Unlock()
	var taken []*joint
	size, n := 0, 0
	for _, j := range q.waiting {
		if len(taken) == mostTogether || (len(taken) > 0 && size+j.size > mostTogetherBytes) {
			break
		}
		n++
		if err := j.ctx.Err(); err != nil {
			j.done <- err
			continue
		}
		taken, size = append(taken, j), size+j.size
	}
	q.waiting = slices.Delete(q.waiting, 0, n)
	if len(taken) == 0 {
		q.working, q.waiting = false, nil
	}
	return taken
}

// commit stores changes together, or each by itself when one of them fails the others.
func (q *queue) commit(ctx context.Context, changes []*joint) {
	slices.SortStableFunc(changes, func(a, b *joint) int { return int(min(max(a.event-b.event, -1), 1)) })
	err := q.transact(ctx, changes, true)
	if errors.Is(err, errKnown) {
		err = q.transact(ctx, changes, false)
	}
	if err == nil || len(changes) == 1 || errors.Is(err, errNotBegun) {
		answer(changes, err)
		return
	}
	for i, j := range changes {
		err := q.transact(ctx, []*joint{j}, false)
		if errors.Is(err, errNotBegun) {
			answer(changes[i:], err)
			return
		}
		answer([]*joint{j}, err)
	}
}

// answer tells those who wait what became of their changes.
func answer(changes []*joint, err error) {
	for _, j := range changes {
		if err != nil {
			j.said = err
		}
		j.done <- j.said
	}
}

// transact makes changes in one transaction; all events that are accepted at once, if that is wanted.
func (q *queue) transact(ctx context.Context, changes []*joint, atOnce bool) error {
	ctx, cancel := context.WithTimeout(ctx, togetherFor)
	defer cancel()
	if len(changes) == 1 {
		// One that has the transaction for itself ends it with its own ctx.
		defer context.AfterFunc(changes[0].ctx, cancel)()
	}
	tx, err := q.db.BeginTxx(ctx, nil)
	if err != nil {
		return fmt.Errorf("%w: %w", errNotBegun, err)
	}
	// After a commit this does nothing.
	defer tx.Rollback()
	b := &batch{Tx: tx}
	if q.prepares && len(changes) > 1 {
		b.prepared = map[string]*sqlx.Stmt{}
	}
	if atOnce {
		if changes, err = b.acceptAll(ctx, changes); err != nil {
			return err
		}
	}
	for _, j := range changes {
		if j.said, err = j.do(ctx, b); err != nil {
			return err
		}
	}
	if err := b.keepNumber(ctx); err != nil {
		return err
	}
	return tx.Commit()
}

// number is the number of the next event. It is taken for good by [batch.take]: a number is only for what is stored.
// PostgreSQL keeps the counter's row locked until the end of the transaction, so events are visible in the order of their
// numbers, and a reader never passes one that appears later.
func (b *batch) number(ctx context.Context) (int64, error) {
	if b.last == 0 {
		const lock = `
			UPDATE counters SET value = value
			WHERE name = 'inbox'
			RETURNING value`
		if err := b.GetContext(ctx, &b.stored, lock); err != nil {
			return 0, err
		}
		b.last = b.stored
	}
	return b.last + 1, nil
}

func (b *batch) take(n int) { b.last += int64(n) }

// keepNumber stores the last number that was given.
func (b *batch) keepNumber(ctx context.Context) error {
	if b.last == b.stored {
		return nil
	}
	_, err := exec(ctx, b.Tx, `UPDATE counters SET value = ? WHERE name = 'inbox'`, b.last)
	return err
}
