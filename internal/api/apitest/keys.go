package apitest

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/skyisland/skyisland/internal/api"
	"github.com/skyisland/skyisland/internal/release"
)

// Keys keep idempotency keys in memory, and keep the promises of [api.Keys]. They are safe for concurrent use.
type Keys struct {
	mu     sync.Mutex
	kept   map[string]*keptKey
	broken error
	hung   bool
}

type keptKey struct {
	api.KeptKey

	claimed, expires time.Time
}

// NewKeys are none yet.
func NewKeys() *Keys { return &Keys{kept: map[string]*keptKey{}} }

// Break makes everything fail with err; nil mends it.
func (k *Keys) Break(err error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.broken = err
}

// Hang makes everything wait until its context ends, as a database does that does not answer.
func (k *Keys) Hang() {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.hung = true
}

// wait is how a hung database answers.
func (k *Keys) wait(ctx context.Context) error {
	k.mu.Lock()
	hung := k.hung
	k.mu.Unlock()
	if !hung {
		return nil
	}
	<-ctx.Done()
	return ctx.Err()
}

// Forget loses all answers and keeps who has which key, as a server that dies after it has done what it was told.
func (k *Keys) Forget() {
	k.mu.Lock()
	defer k.mu.Unlock()
	for _, one := range k.kept {
		one.Answer = nil
	}
}

// Count is how many there are.
func (k *Keys) Count() int {
	k.mu.Lock()
	defer k.mu.Unlock()
	return len(k.kept)
}

// BeginKey implements [api.Keys].
func (k *Keys) BeginKey(ctx context.Context, key api.KeyClaim, now, claimed, expires time.Time) (api.KeptKey, bool, error) {
	if err := k.wait(ctx); err != nil {
		return api.KeptKey{}, false, err
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.broken != nil {
		return api.KeptKey{}, false, k.broken
	}
	for id, one := range k.kept {
		if !one.expires.After(now) {
			delete(k.kept, id)
		}
	}
	one, there := k.kept[key.ID]
	if !there {
		k.kept[key.ID] = &keptKey{KeptKey: api.KeptKey{Request: key.Request}, claimed: claimed, expires: expires}
		return api.KeptKey{}, false, nil
	}
	if one.Answer == nil && one.Request == key.Request && !one.claimed.After(now) {
		one.claimed = claimed
		return api.KeptKey{}, false, nil
	}
	return one.KeptKey, true, nil
}

// FinishKey implements [api.Keys].
func (k *Keys) FinishKey(ctx context.Context, key api.KeyClaim, answer api.KeptAnswer) error {
	if err := k.wait(ctx); err != nil {
		return err
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	if one := k.kept[key.ID]; one != nil && one.Request == key.Request && one.Answer == nil {
		one.Answer = &answer
	}
	return k.broken
}

// DropKey implements [api.Keys].
func (k *Keys) DropKey(ctx context.Context, key api.KeyClaim) error {
	if err := k.wait(ctx); err != nil {
		return err
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	if one := k.kept[key.ID]; one != nil && one.Request == key.Request && one.Answer == nil {
		delete(k.kept, key.ID)
	}
	return k.broken
}

// Inbox takes what is asked for in, and gives it the outcome that a test says. It is safe for concurrent use.
type Inbox struct {
	mu       sync.Mutex
	requests []api.ReleaseRequest
	outcome  chan struct{}
	settled  api.EventOutcome
	begun    chan<- struct{}
	end      <-chan struct{}
}

// Hold lets the next request wait for end once it has begun.
func (b *Inbox) Hold(begun chan<- struct{}, end <-chan struct{}) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.begun, b.end = begun, end
}

// wait holds one request.
func (b *Inbox) wait(ctx context.Context) {
	b.mu.Lock()
	begun, end := b.begun, b.end
	b.begun, b.end = nil, nil
	b.mu.Unlock()
	if begun == nil {
		return
	}
	close(begun)
	select {
	case <-end:
	case <-ctx.Done():
	}
}

// NewInbox is an empty one.
func NewInbox() *Inbox { return &Inbox{outcome: make(chan struct{})} }

// Requests are what was asked for, each once, in order. The first is event 1.
func (b *Inbox) Requests() []api.ReleaseRequest {
	b.mu.Lock()
	defer b.mu.Unlock()
	return append([]api.ReleaseRequest{}, b.requests...)
}

// Settle gives everything that is asked for an outcome. It is called once.
func (b *Inbox) Settle(outcome api.EventOutcome) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.settled = outcome
	close(b.outcome)
}

// Request implements [api.Intake].
func (b *Inbox) Request(ctx context.Context, request api.ReleaseRequest) (int64, bool, error) {
	b.wait(ctx)
	b.mu.Lock()
	defer b.mu.Unlock()
	if request.Application == "unknown" {
		return 0, false, fmt.Errorf("application %s/%s: %w", request.Tenant, request.Application, release.ErrNotFound)
	}
	for n, one := range b.requests {
		if one.Delivery == request.Delivery {
			return int64(n + 1), true, nil
		}
	}
	b.requests = append(b.requests, request)
	return int64(len(b.requests)), false, nil
}

// Await implements [api.Intake].
func (b *Inbox) Await(ctx context.Context, _ int64) (api.EventOutcome, bool, error) {
	select {
	case <-b.outcome:
		b.mu.Lock()
		defer b.mu.Unlock()
		return b.settled, true, nil
	case <-ctx.Done():
		return api.EventOutcome{}, false, nil
	}
}
