package intake

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"time"
)

// kindSchedule is the kind of an event of a schedule.
const kindSchedule = "schedule"

const (
	// missedWithin is how far back a due time is seen to that passed while no server ran. Nobody expects the release of
	// the day before yesterday.
	missedWithin = 24 * time.Hour
	// clockEvery is how often the clock is looked at: it may be set, and a machine may sleep.
	clockEvery = time.Minute
)

// Schedule releases a branch whenever it is due.
type Schedule struct {
	// Name is of its own among all schedules: a DNS label.
	Name                string
	Tenant, Application string
	// Environment is empty for those that the branch is released to.
	Environment string
	Branch      string
	// Definition is all there is to it in words: a schedule that is defined otherwise is another one.
	Definition string
	// Latest is the last due time after one time and not after another; the zero time for none. Next is the first after one.
	Latest func(after, until time.Time) time.Time
	Next   func(after time.Time) time.Time
}

// ScheduleRecords keep until when schedules have been seen to, for all servers and across restarts.
type ScheduleRecords interface {
	// ScheduleSeen is until when; for a schedule that is new, or defined otherwise than before, it is now.
	ScheduleSeen(ctx context.Context, name, definition string, now time.Time) (time.Time, error)
	// SeeSchedule keeps that a schedule was seen to until a time.
	SeeSchedule(ctx context.Context, name string, until time.Time) error
}

// Schedules put an event into the inbox whenever one is due. Its name is the schedule's and the time's, so that two servers,
// or one that starts again, make one event.
type Schedules struct {
	all     []Schedule
	records ScheduleRecords
	inbox   Inbox
	router  *Router
	log     *slog.Logger
}

// NewSchedules are schedules; [Schedules.Run] does the work.
func NewSchedules(all []Schedule, records ScheduleRecords, inbox Inbox, router *Router, log *slog.Logger) *Schedules {
	return &Schedules{all: all, records: records, inbox: inbox, router: router, log: log}
}

// Run sees to what is due until ctx ends. Of the times that passed while nobody did, at most a day ago, the latest counts.
func (s *Schedules) Run(ctx context.Context) error {
	for {
		now := time.Now()
		wait := clockEvery
		for _, one := range s.all {
			if err := s.see(ctx, one, now); err != nil && ctx.Err() == nil {
				s.log.ErrorContext(ctx, "schedule not seen to", "schedule", one.Name, "retry_in", lookEvery, "error", err)
				wait = lookEvery
				continue
			}
			if next := one.Next(now); !next.IsZero() {
				wait = min(wait, max(next.Sub(now), time.Millisecond))
			}
		}
		timer := time.NewTimer(wait)
		select {
		case <-ctx.Done():
			timer.Stop()
			return nil
		case <-timer.C:
		}
	}
}

// see puts the event of a schedule that is due into the inbox. It is stored before it is seen to: a crash in between stores
// it again, which is the same event.
func (s *Schedules) see(ctx context.Context, one Schedule, now time.Time) error {
	seen, err := s.records.ScheduleSeen(ctx, one.Name, one.Definition, now.UTC())
	if err != nil {
		return err
	}
	if most := now.Add(-missedWithin); seen.Before(most) {
		seen = most
	}
	due := one.Latest(seen, now)
	if due.IsZero() {
		return nil
	}
	body, err := json.Marshal(scheduled{
		Schedule: one.Name, Tenant: one.Tenant, Application: one.Application, Environment: one.Environment, Branch: one.Branch,
	})
	if err != nil {
		return err
	}
	id, duplicate, err := s.inbox.Accept(ctx, Event{
		Source: SourceSchedule, Delivery: one.Name + "@" + due.UTC().Format(time.RFC3339), Kind: kindSchedule, Body: body, ReceivedAt: now.UTC(),
	})
	if err != nil {
		return fmt.Errorf("store the event of %s: %w", due.UTC().Format(time.RFC3339), err)
	}
	s.log.InfoContext(ctx, "schedule is due", "schedule", one.Name, "due", due, "event", id, "duplicate", duplicate)
	s.router.Wake()
	return s.records.SeeSchedule(ctx, one.Name, due)
}
