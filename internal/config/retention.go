package config

import (
	"errors"
	"fmt"
	"time"

	"github.com/skyisland/skyisland/internal/release"
)

const day = 24 * time.Hour

// The bounds of [Retention]. A row is what knows a delivery again: sources deliver again for days, GitHub for three.
const (
	usualEvents = 90 * day
	leastEvents = 7 * day
	usualBodies = 30 * day
	leastBodies = day
)

// Retention is how long what came from outside is kept once it has its outcome.
type Retention struct {
	// Events is how long it is known what came and what became of it; 0 is 90 days, and the least is 7.
	Events release.Duration `yaml:"events"`
	// Bodies is how long what was sent is kept whole, to be looked at and replayed: from 1 day to as long as Events;
	// 0 is 30 days, or Events where that is shorter.
	Bodies release.Duration `yaml:"bodies"`
}

// Kept is how long events and their bodies are kept, with what is left out filled in.
func (r Retention) Kept() (events, bodies time.Duration) {
	events, bodies = r.Events.Std(), r.Bodies.Std()
	if events == 0 {
		events = usualEvents
	}
	if bodies == 0 {
		bodies = min(usualBodies, events)
	}
	return events, bodies
}

func (r Retention) check() error {
	events, bodies := r.Kept()
	var faults []error
	if events < leastEvents {
		faults = append(faults, fmt.Errorf("retention.events: %s is less than 7d: a source that delivers again what is no longer known would release it twice", r.Events))
	}
	if bodies < leastBodies {
		faults = append(faults, fmt.Errorf("retention.bodies: %s is less than 1d", r.Bodies))
	}
	if bodies > events {
		faults = append(faults, fmt.Errorf("retention.bodies: %s is longer than events are kept, %s", r.Bodies, release.Duration(events)))
	}
	return errors.Join(faults...)
}
