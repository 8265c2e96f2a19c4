package router

import (
	"context"
	"encoding/json"
	"errors"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"

	"github.com/skyisland/skyisland/internal/notify"
)

// sender sends what one channel has due, to several targets at a time. One that is slow holds its own place and no other.
type sender struct {
	*Router

	name    string
	busy    atomic.Int64
	sending sync.WaitGroup
}

// send begins to send what is due and has a place.
func (s *sender) send(ctx context.Context) (more bool, err error) {
	free := atOnce - int(s.busy.Load())
	if free <= 0 {
		return false, nil // who ends gives a kick
	}
	now := s.Now()
	// Looking first keeps a channel that has nothing to say from writing to the database every second.
	next, err := s.Outbox.NextDelivery(ctx, s.name)
	if err != nil || next.IsZero() || next.After(now) {
		return false, err
	}
	batch := 1
	if batching, ok := s.Channels[s.name].(notify.Batching); ok {
		batch = max(1, batching.Batch())
	}
	claimed, err := s.Outbox.ClaimDeliveries(ctx, s.name, now, now.Add(claim), free, batch)
	for _, deliveries := range claimed {
		s.busy.Add(1)
		s.sending.Go(func() {
			defer s.kick(s.name)
			defer s.busy.Add(-1)
			if err := s.sendTo(ctx, deliveries); err != nil {
				s.Log.ErrorContext(ctx, "what became of a notification is not stored, so it is sent again", "channel", s.name, "target", deliveries[0].Target, "error", err)
			}
		})
	}
	return false, err
}

// sendTo sends the messages of one target, and stores what became of them. What was begun is ended and stored also when
// the program stops meanwhile.
func (s *sender) sendTo(ctx context.Context, deliveries []Delivery) error {
	ctx = context.WithoutCancel(ctx)
	// All of it ends before the claim does.
	bounded, cancel := context.WithTimeout(ctx, sendBound)
	defer cancel()
	var notices []notify.Notice
	var readable []Delivery
	for i, d := range deliveries {
		var n notify.Notice
		if err := json.Unmarshal(d.Notice, &n); err != nil {
			if err := s.Outbox.NotDelivered(ctx, deliveries[i:i+1], true, s.Now(), cut("the notice cannot be read: "+err.Error(), mostLine)); err != nil {
				return err
			}
			continue
		}
		notices, readable = append(notices, n), append(readable, d)
	}
	if len(readable) == 0 {
		return nil
	}
	err := s.try(bounded, ctx, readable, notices)
	if len(readable) == 1 || !errors.Is(err, notify.ErrRefused) {
		return s.judge(ctx, readable, err)
	}
	// One of them is refused, and the others need not be: each is said alone, until one has to wait.
	for i := range readable {
		err := s.try(bounded, ctx, readable[i:i+1], notices[i:i+1])
		if err != nil && !errors.Is(err, notify.ErrRefused) {
			return s.judge(ctx, readable[i:], err)
		}
		if err := s.judge(ctx, readable[i:i+1], err); err != nil {
			return err
		}
	}
	return nil
}

// storeError is of the outbox and not of the channel.
type storeError struct{ error }

// try sends, and stores what was sent.
func (s *sender) try(bounded, ctx context.Context, deliveries []Delivery, notices []notify.Notice) error {
	first := deliveries[0]
	receipt, err := s.Channels[s.name].Send(bounded, first.Target, notify.Thread{First: first.First, Ask: first.Asked}, notices)
	if err != nil {
		return err
	}
	if err := s.Outbox.Delivered(ctx, deliveries, receipt, s.Now()); err != nil {
		return storeError{err}
	}
	return nil
}

// judge stores why messages were not sent, and when they are tried again. Its error is that it could not.
func (s *sender) judge(ctx context.Context, deliveries []Delivery, failed error) error {
	var broken storeError
	switch {
	case failed == nil:
		return nil
	case errors.As(failed, &broken):
		return broken.error
	}
	now, first := s.Now(), deliveries[0]
	due, dead := now.Add(backoff(first.Attempts)), errors.Is(failed, notify.ErrRefused) || now.Sub(first.Created) > giveUp
	var later *notify.LaterError
	alone := !dead && errors.As(failed, &later)
	if alone {
		due = now.Add(min(max(later.After, firstRetry), giveUp))
	}
	if dead {
		due = now
		s.Log.WarnContext(ctx, "notification given up", "channel", s.name, "target", first.Target, "notices", len(deliveries), "error", failed)
	}
	err := s.Outbox.NotDelivered(ctx, deliveries, dead, due, cut(failed.Error(), mostLine))
	if err == nil && alone {
		// What is about other releases would only be told the same.
		err = s.Outbox.PostponeTarget(ctx, s.name, first.Target, due)
	}
	return err
}

// backoff is how long to wait after so many attempts: doubling, and a fifth of chance either way, so that what failed
// together does not come back together.
func backoff(attempts int) time.Duration {
	pause := lastRetry
	if attempts < 10 {
		pause = min(lastRetry, firstRetry<<max(0, attempts-1))
	}
	return time.Duration(float64(pause) * (0.8 + 0.4*rand.Float64())) //nolint:gosec // it only spreads tries in time
}
