package canary

import (
	"errors"
	"fmt"
)

const (
	maxGatewayName = 256
	maxCount       = 1 << 40
)

// MaxBatchSessions is how many bad sessions one stream of a batch may list, both arms together. Bad units beyond it are
// counted, and ignored by the test.
const MaxBatchSessions = 4096

// Batch is one message of a gateway: what it has seen under one weight version since its message
// before. A gateway sends one at least every 100 ms while it has something to tell, at once when a
// canary unit was bad, and an empty one at least every second, so that silence means trouble. When
// verdicts of several weight versions are due it sends a batch for each. Batches of different gateways
// and of different weight versions commute.
type Batch struct {
	// Gateway names the sender, 1 to 256 bytes, unique among all senders of the test.
	Gateway string `json:"gateway"`
	// Run tells the lives of one gateway apart: a process that starts again takes a higher one (its
	// start time will do) and counts Seq from 1.
	Run uint64 `json:"run,omitempty"`
	// Seq counts the batches of one run from 1, without gaps. A batch that was not acknowledged is
	// sent again unchanged, under its old Seq.
	Seq uint64 `json:"seq"`
	// WeightVersion is the version of the weight under which the units were assigned.
	WeightVersion int `json:"weight_version"`
	// CanaryRequests and StableRequests are the requests that were assigned to each arm, finished or not.
	CanaryRequests int64 `json:"canary_requests,omitempty"`
	StableRequests int64 `json:"stable_requests,omitempty"`
	// CanaryDrawn and StableDrawn are the sessions newly drawn into each arm. Only sticky routes use
	// them; leave both 0 where new sessions cannot be told from old ones.
	CanaryDrawn int64 `json:"canary_drawn,omitempty"`
	StableDrawn int64 `json:"stable_drawn,omitempty"`
	// Streams holds the verdicts reached.
	Streams PerStream[Counts] `json:"streams,omitzero"`
}

// Counts are the verdicts of one stream in one batch.
//
// On a sticky route the session of every bad unit goes along: only the first bad unit of a session
// counts for the test, so a bad unit whose session is not listed is reported to people and otherwise
// ignored. A session is any well-mixed 64-bit hash of what makes the session, independent of its arm; a
// request without one is a session of its own and takes a random number.
type Counts struct {
	CanaryBad      int64    `json:"cb,omitempty"`
	StableBad      int64    `json:"sb,omitempty"`
	CanaryGood     int64    `json:"cg,omitempty"`
	StableGood     int64    `json:"sg,omitempty"`
	CanarySessions []uint64 `json:"cs,omitempty"`
	StableSessions []uint64 `json:"ss,omitempty"`
}

// Count adds one unit's mark. It is meant for gateways that count while they hold a lock of their own.
func (c *Counts) Count(arm Arm, kind MarkKind) {
	switch {
	case kind == MarkBad && arm == Canary:
		c.CanaryBad++
	case kind == MarkBad:
		c.StableBad++
	case kind == MarkGood && arm == Canary:
		c.CanaryGood++
	case kind == MarkGood:
		c.StableGood++
	}
}

// CountSession adds one unit's mark on a sticky route.
func (c *Counts) CountSession(arm Arm, kind MarkKind, session uint64) {
	c.Count(arm, kind)
	if kind != MarkBad {
		return
	}
	// Ignoring a bad unit is allowed, an endless message is not. The bound is on both arms together: one on
	// each would ignore stable's, which are more, and keep the canary's.
	if len(c.CanarySessions)+len(c.StableSessions) >= MaxBatchSessions {
		return
	}
	if arm == Canary {
		c.CanarySessions = append(c.CanarySessions, session)
	} else {
		c.StableSessions = append(c.StableSessions, session)
	}
}

// Urgent reports whether the batch holds a bad canary unit and should be sent at once.
func (b *Batch) Urgent() bool {
	for i := range b.Streams {
		if b.Streams[i].CanaryBad > 0 {
			return true
		}
	}
	return false
}

// Empty reports whether the batch is a mere sign of life.
func (b *Batch) Empty() bool {
	if b.CanaryRequests|b.StableRequests|b.CanaryDrawn|b.StableDrawn != 0 {
		return false
	}
	for i := range b.Streams {
		c := &b.Streams[i]
		if c.CanaryBad|c.StableBad|c.CanaryGood|c.StableGood != 0 {
			return false
		}
	}
	return true
}

// Validate returns nil, or an error that says which field is out of range.
func (b *Batch) Validate() error {
	if err := validGateway(b.Gateway); err != nil {
		return err
	}
	if b.Seq == 0 {
		return errors.New("seq: counts from 1, got 0")
	}
	if b.WeightVersion < 0 {
		return fmt.Errorf("weight_version: %d is negative", b.WeightVersion)
	}
	for _, n := range [...]int64{b.CanaryRequests, b.StableRequests, b.CanaryDrawn, b.StableDrawn} {
		if n < 0 || n > maxCount {
			return fmt.Errorf("requests: %d must be from 0 to %d", n, int64(maxCount))
		}
	}
	for i := range b.Streams {
		if err := b.Streams[i].validate(); err != nil {
			return fmt.Errorf("streams.%s: %w", Stream(i), err)
		}
	}
	return nil
}

func (c *Counts) validate() error {
	for _, n := range [...]int64{c.CanaryBad, c.StableBad, c.CanaryGood, c.StableGood} {
		if n < 0 || n > maxCount {
			return fmt.Errorf("count %d must be from 0 to %d", n, int64(maxCount))
		}
	}
	if len(c.CanarySessions) > MaxBatchSessions || len(c.StableSessions) > MaxBatchSessions {
		return fmt.Errorf("more than %d sessions in one batch", MaxBatchSessions)
	}
	if int64(len(c.CanarySessions)) > c.CanaryBad || int64(len(c.StableSessions)) > c.StableBad {
		return errors.New("more bad sessions than bad units")
	}
	return nil
}

func validGateway(name string) error {
	if name == "" || len(name) > maxGatewayName {
		return fmt.Errorf("gateway: %q must have 1 to %d bytes", name, maxGatewayName)
	}
	return nil
}
