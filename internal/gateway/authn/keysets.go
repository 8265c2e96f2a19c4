package authn

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"
	"weak"
)

const (
	defaultRenew   = 10 * time.Minute
	defaultLeast   = 10 * time.Second
	defaultWait    = time.Second
	defaultTimeout = 5 * time.Second
	// atOnce is how many issuers are asked at the same time.
	atOnce = 4
	// keySetTick is how often it is looked whether an issuer is to be asked again.
	keySetTick = time.Second
)

// KeySetOptions are what [KeySets] are made of; the zero value will do.
type KeySetOptions struct {
	// Log takes what operators should see; nil discards it.
	Log *slog.Logger
	// Now is the clock; nil is [time.Now].
	Now func() time.Time
	// Transport asks the issuers; nil is one of its own, without a proxy.
	Transport http.RoundTripper
	// Hosts are the only ones that are asked; empty is any. Whoever writes a manifest chooses an address that this machine
	// can reach.
	Hosts []string
	// Every is how often the keys of an issuer are fetched; 0 is 10 min.
	Every time.Duration
	// Least is the least time between two fetches from an issuer, whatever asks for them; 0 is 10 s.
	Least time.Duration
	// Wait is how long a request may wait for keys that are on their way; 0 is 1 s.
	Wait time.Duration
	// Timeout bounds a fetch; 0 is 5 s.
	Timeout time.Duration
}

func (o KeySetOptions) withDefaults() (KeySetOptions, error) {
	for _, d := range []struct {
		value   *time.Duration
		without time.Duration
	}{{&o.Every, defaultRenew}, {&o.Least, defaultLeast}, {&o.Wait, defaultWait}, {&o.Timeout, defaultTimeout}} {
		if *d.value < 0 {
			return o, errors.New("key sets: want times of 0 or more")
		}
		if *d.value == 0 {
			*d.value = d.without
		}
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	return o, nil
}

// KeySets are the public keys that issuers publish at addresses. They are fetched in the background, again and again, and
// when a token names a key that is not there. While an issuer is away, or says something wrong, its last good keys count.
// It needs [KeySets.Run] beside it.
type KeySets struct {
	opts   KeySetOptions
	client *http.Client
	wake   chan struct{}

	mu sync.Mutex
	// sets are those that an Authenticator uses, by address.
	sets map[string]weak.Pointer[remoteSet]
}

// remoteSet is what an issuer publishes at an address.
type remoteSet struct {
	of      *KeySets
	url     string
	content atomic.Pointer[keySet]

	mu sync.Mutex
	// flight is closed when the fetch that was asked for, or is under way, has ended; nil when there is none.
	flight  chan struct{}
	running bool
	began   time.Time // the last fetch
	due     time.Time // the next one
	fails   int       // in a row
	fault   error
	told    string
}

// NewKeySets returns key sets that fetch nothing yet.
func NewKeySets(o KeySetOptions) (*KeySets, error) {
	o, err := o.withDefaults()
	if err != nil {
		return nil, err
	}
	return &KeySets{
		opts: o, client: newClient(o), wake: make(chan struct{}, 1), sets: map[string]weak.Pointer[remoteSet]{},
	}, nil
}

// Run fetches what is due until ctx ends. It returns nil, when no fetch is under way any more.
func (k *KeySets) Run(ctx context.Context) error {
	var fetches sync.WaitGroup
	defer fetches.Wait()
	ticker := time.NewTicker(keySetTick)
	defer ticker.Stop()
	slots := make(chan struct{}, atOnce)
	for {
		k.start(ctx, &fetches, slots)
		select {
		case <-ctx.Done():
			return nil
		case <-ticker.C:
		case <-k.wake:
		}
	}
}

// Refresh fetches what is due and waits for it. It returns what is wrong with the sets in use.
func (k *KeySets) Refresh(ctx context.Context) error {
	var fetches sync.WaitGroup
	k.start(ctx, &fetches, make(chan struct{}, atOnce))
	fetches.Wait()
	var faults []error
	for _, s := range k.inUse() {
		s.mu.Lock()
		faults = append(faults, s.fault)
		s.mu.Unlock()
	}
	return errors.Join(append(faults, ctx.Err())...)
}

// start begins every fetch that is due. Each waits for its slot by itself.
func (k *KeySets) start(ctx context.Context, fetches *sync.WaitGroup, slots chan struct{}) {
	for _, s := range k.inUse() {
		if !s.begin() {
			continue
		}
		fetches.Go(func() {
			select {
			case slots <- struct{}{}:
				defer func() { <-slots }()
			case <-ctx.Done():
				s.end(ctx, nil, ctx.Err())
				return
			}
			set, err := k.fetch(ctx, s.url)
			s.end(ctx, set, err)
		})
	}
}

func (k *KeySets) inUse() []*remoteSet {
	k.mu.Lock()
	defer k.mu.Unlock()
	var sets []*remoteSet
	for address, pointer := range k.sets {
		if s := pointer.Value(); s != nil {
			sets = append(sets, s)
		} else {
			delete(k.sets, address)
		}
	}
	slices.SortFunc(sets, func(a, b *remoteSet) int { return strings.Compare(a.url, b.url) })
	return sets
}

// follow returns the set at an address, which is fetched soon.
func (k *KeySets) follow(address string) (*remoteSet, error) {
	u, err := url.Parse(address)
	if err != nil {
		return nil, errors.New("the address of the keys is none")
	}
	if err := allowed(k.opts.Hosts, u); err != nil {
		return nil, err
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	s := k.sets[address].Value()
	if s == nil {
		s = &remoteSet{of: k, url: address}
		k.sets[address] = weak.Make(s)
		if u.Scheme == "http" && !loopback(u) {
			k.opts.Log.Warn("keys of an issuer come without encryption: whoever can change them on the way can make tokens", "from", shown(address))
		}
		k.stir()
	}
	return s, nil
}

// stir has [KeySets.Run] look now.
func (k *KeySets) stir() {
	select {
	case k.wake <- struct{}{}:
	default:
	}
}

func (s *remoteSet) current() *keySet { return s.content.Load() }

func (s *remoteSet) from() string { return shown(s.url) }

// ask wants newer keys, and waits for them for a moment. Whoever comes while they are on their way waits for the same; who
// comes too soon after them does not wait, because they would be no others. It is not sure while the issuer is away.
func (s *remoteSet) ask(ctx context.Context) (sure bool) {
	s.mu.Lock()
	if s.flight == nil {
		if s.tooSoon() {
			defer s.mu.Unlock()
			return s.fault == nil
		}
		s.flight = make(chan struct{})
		s.of.stir()
	}
	flight := s.flight
	s.mu.Unlock()
	limit := time.NewTimer(s.of.opts.Wait)
	defer limit.Stop()
	select {
	case <-flight:
	case <-limit.C:
		return false
	case <-ctx.Done():
		return false
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.fault == nil
}

// tooSoon says whether the last fetch was just now. The caller holds mu.
func (s *remoteSet) tooSoon() bool {
	age := s.of.opts.Now().Sub(s.began)
	return !s.began.IsZero() && age >= 0 && age < s.of.opts.Least
}

// begin says whether to fetch now: it is time, or somebody asks.
func (s *remoteSet) begin() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.of.opts.Now()
	if s.running || s.flight == nil && now.Before(s.due) {
		return false
	}
	if s.flight == nil {
		s.flight = make(chan struct{})
	}
	s.running, s.began = true, now
	return true
}

// end takes in what a fetch brought, and lets go whoever waits. After failures the issuer is asked more and more seldom.
func (s *remoteSet) end(ctx context.Context, set *keySet, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	o, now := s.of.opts, s.of.opts.Now()
	if err == nil {
		s.content.Store(set)
		s.fault, s.fails, s.due = nil, 0, now.Add(o.Every)
	} else {
		s.fault = &fetchError{from: shown(s.url), err: err}
		s.due = now.Add(min(o.Every, o.Least<<min(s.fails, 10)))
		s.fails++
	}
	close(s.flight)
	s.flight, s.running = nil, false
	if ctx.Err() == nil {
		s.tell(ctx)
	}
}

// tell logs what is new. The caller holds mu.
func (s *remoteSet) tell(ctx context.Context) {
	now := "good"
	if s.fault != nil {
		now = s.fault.Error()
	}
	if now == s.told {
		return
	}
	s.told = now
	switch set := s.content.Load(); {
	case s.fault == nil:
		s.of.opts.Log.InfoContext(ctx, "keys of an issuer in force", "from", s.from(), "keys", len(set.keys))
	case set != nil:
		s.of.opts.Log.ErrorContext(ctx, "keys of an issuer cannot be had, so the last good ones count", "error", s.fault)
	default:
		s.of.opts.Log.ErrorContext(ctx, "keys of an issuer cannot be had, so nobody is let in by them", "error", s.fault)
	}
}
