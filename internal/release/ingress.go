package release

import (
	"errors"
	"fmt"
	"reflect"
	"time"
)

// Ingress is the way in to a component: the requests that are its own, which of them always go to the candidate, and
// what gateways let through to it.
type Ingress struct {
	// Host limits the route to one host name; empty is any.
	Host string `json:"host,omitempty"`
	// Path is the prefix of the requests, at a path segment.
	Path string `json:"path"`
	// Pins send matching requests to the candidate whatever the weight is; they never count as evidence.
	Pins []Pin `json:"pins,omitempty"`
	// Authentication is how callers prove who they are; nil lets everybody in.
	Authentication *Authentication `json:"authentication,omitempty"`
	// Timeout bounds the wait for the head of an answer, MaxBody the bytes of a request's body; 0 leaves them to the gateway.
	Timeout Duration `json:"timeout,omitempty"`
	MaxBody int64    `json:"max-body,omitempty"`
	// Retries is how often a request that is safe to repeat is sent again when it was not answered, at most [MostRetries].
	Retries int `json:"retries,omitempty"`
	// Limits are all kept to. Each gateway counts for itself.
	Limits []RateLimit `json:"limits,omitempty"`
	// Breaker keeps requests from a revision that fails; nil sends them all.
	Breaker *Breaker `json:"breaker,omitempty"`
	// Fallback answers what the revision does not; nil tells the client.
	Fallback *Fallback `json:"fallback,omitempty"`
}

// Pin sends a request whose header or cookie has one of the values to the candidate. Exactly one
// of Header and Cookie is set.
type Pin struct {
	Header string   `json:"header,omitempty"`
	Cookie string   `json:"cookie,omitempty"`
	Values []string `json:"values"`
}

// RateLimit is how many requests are let through.
type RateLimit struct {
	// Per says whose requests are counted together.
	Per Per `json:"per"`
	// Rate is in the long run, above 0; Burst is how many may come at once, 0 for what the rate gives in a second.
	Rate  Rate `json:"rate"`
	Burst int  `json:"burst,omitempty"`
}

// Per is whose requests a limit counts together.
type Per string

// Whose requests are counted together: all of the route; all of the tenant's routes that have the same limit; those of a
// user, which is who was authenticated, or whom the ramp's user header or cookie names, or else an address; those of an
// address, or of a network of 64 bits in IPv6.
const (
	PerRoute   Per = "route"
	PerTenant  Per = "tenant"
	PerUser    Per = "user"
	PerAddress Per = "address"
)

// Breaker keeps requests from a revision for a while once too many have failed.
type Breaker struct {
	// Failures is the share of failed requests that opens it, counted over Within, of at least Requests.
	Failures Share    `json:"failures"`
	Requests int      `json:"requests"`
	Within   Duration `json:"within"`
	// Open is how long it stays open before single requests try whether the revision is well again.
	Open Duration `json:"open"`
}

// Fallback is what is tried, in this order, when a revision has not answered: its breaker is open, none of its instances
// accepts connections, or the request is safe to repeat.
type Fallback struct {
	// Stable gives the candidate's requests to the stable revision.
	Stable bool `json:"stable,omitempty"`
	// Unit is where the request is sent next; empty is nowhere.
	Unit string `json:"unit,omitempty"`
	// Answer is given at last; nil tells the client what went wrong.
	Answer *StaticAnswer `json:"answer,omitempty"`
}

// StaticAnswer is an answer that needs nobody.
type StaticAnswer struct {
	Status int    `json:"status"`
	Type   string `json:"type"`
	Body   string `json:"body,omitempty"`
}

// The bounds of what an [Ingress] may ask for.
const (
	MostRetries    = 3
	MostLimits     = 8
	MostAnswer     = 64 << 10
	MostTimeout    = Duration(time.Hour)
	MostBody       = 1 << 40
	leastBreakTime = Duration(100 * time.Millisecond)
	mostBreakTime  = Duration(time.Hour)
)

// equal says whether two ways in are the same.
func (i Ingress) equal(other Ingress) bool {
	return reflect.DeepEqual(i.canonical(), other.canonical())
}

// canonical has no empty lists, which mean the same as none.
func (i Ingress) canonical() Ingress {
	if len(i.Pins) == 0 {
		i.Pins = nil
	}
	if len(i.Limits) == 0 {
		i.Limits = nil
	}
	return i
}

// Check says what is wrong with what gateways let through, and nil when there is nothing.
func (i Ingress) Check() error {
	var problems []error
	add := func(format string, args ...any) { problems = append(problems, fmt.Errorf(format, args...)) }
	if i.Timeout < 0 || i.Timeout > MostTimeout {
		add("timeout %s: want 0 to %s", i.Timeout, MostTimeout)
	}
	if i.MaxBody < 0 || i.MaxBody > MostBody {
		add("max-body %d: want 0 to %d bytes", i.MaxBody, int64(MostBody))
	}
	if i.Retries < 0 || i.Retries > MostRetries {
		add("retries %d: want 0 to %d", i.Retries, MostRetries)
	}
	if len(i.Limits) > MostLimits {
		add("%d limits: at most %d", len(i.Limits), MostLimits)
	}
	for _, l := range i.Limits {
		problems = append(problems, l.check())
	}
	if i.Authentication != nil {
		problems = append(problems, i.Authentication.Check())
	}
	if i.Breaker != nil {
		problems = append(problems, i.Breaker.check())
	}
	if i.Fallback != nil && i.Fallback.Answer != nil {
		problems = append(problems, i.Fallback.Answer.check())
	}
	return errors.Join(problems...)
}

const (
	mostRate  = Rate(1e6)
	leastRate = Rate(1.0 / 3600)
	mostBurst = 1_000_000
	mostType  = 256
)

func (l RateLimit) check() error {
	switch l.Per {
	case PerRoute, PerTenant, PerUser, PerAddress:
	default:
		return fmt.Errorf("limit per %q: want route, tenant, user or address", l.Per)
	}
	if !(l.Rate >= leastRate && l.Rate <= mostRate) {
		return fmt.Errorf("limit per %s: rate %s: want 1/h to 1000000/s", l.Per, l.Rate)
	}
	if l.Burst < 0 || l.Burst > mostBurst {
		return fmt.Errorf("limit per %s: burst %d: want 0 to %d", l.Per, l.Burst, mostBurst)
	}
	return nil
}

func (b Breaker) check() error {
	switch {
	case !(b.Failures > 0 && b.Failures <= 1):
		return fmt.Errorf("breaker: failures %s: want above 0%% to 100%%", b.Failures)
	case b.Requests < 1 || b.Requests > 1_000_000:
		return fmt.Errorf("breaker: requests %d: want 1 to 1000000", b.Requests)
	case b.Within < leastBreakTime || b.Within > mostBreakTime || b.Open < leastBreakTime || b.Open > mostBreakTime:
		return fmt.Errorf("breaker: within %s and open %s: want %s to %s", b.Within, b.Open, leastBreakTime, mostBreakTime)
	}
	return nil
}

func (a StaticAnswer) check() error {
	switch {
	case a.Status < 200 || a.Status > 599:
		return fmt.Errorf("fallback answer: status %d: want 200 to 599", a.Status)
	case len(a.Type) > mostType:
		return fmt.Errorf("fallback answer: a type of %d bytes: want at most %d", len(a.Type), mostType)
	}
	if err := a.CheckBody(); err != nil {
		return fmt.Errorf("fallback answer: %w", err)
	}
	return nil
}

// CheckBody says what is wrong with the body, and what to do.
func (a StaticAnswer) CheckBody() error {
	switch {
	case a.Body != "" && a.Bodiless():
		return fmt.Errorf("an answer of status %d has no body: remove it, or write another status, such as 200", a.Status)
	case len(a.Body) > MostAnswer:
		return fmt.Errorf("%d bytes: write at most %d", len(a.Body), MostAnswer)
	}
	return nil
}

// Bodiless says that answers of the status have no body, RFC 9110 section 6.4.1.
func (a StaticAnswer) Bodiless() bool { return a.Status == 204 || a.Status == 304 }
