package canary

import "time"

// Result is how one request ended, as the arm that was tried first answered it. A retry by the gateway
// neither adds a result nor replaces one.
type Result uint8

const (
	// Answered is a request that was served. It is the zero value.
	Answered Result = iota
	// Refused is a 4xx answer other than 429 and 499, or gRPC's like of it.
	Refused
	// Failed is a 5xx, a connection refused or reset, a broken response, or a timeout by the gateway.
	Failed
	// Aborted is a request whose client went away (499) before there was an answer.
	Aborted
)

// HTTPResult returns the result an HTTP status stands for. Failures without a status (connection
// refused, broken response, gateway timeout) are [Failed]; 101 and other 1xx are answers.
func HTTPResult(status int) Result {
	switch {
	case status == 499:
		return Aborted
	case status >= 500:
		return Failed
	case status >= 400 && status != 429:
		return Refused
	default:
		return Answered
	}
}

// GRPCResult returns the result a gRPC status code stands for. UNKNOWN, DEADLINE_EXCEEDED, INTERNAL,
// UNAVAILABLE and DATA_LOSS are failures; CANCELLED is the client's doing; RESOURCE_EXHAUSTED is gRPC's
// 429; UNIMPLEMENTED is a refusal, for that is what a release that lost a method answers.
func GRPCResult(code uint32) Result {
	switch code {
	case 0, 8:
		return Answered
	case 1:
		return Aborted
	case 2, 4, 13, 14, 15:
		return Failed
	case 3, 5, 6, 7, 9, 10, 11, 12, 16:
		return Refused
	default:
		return Failed // gRPC reads codes outside its table as UNKNOWN
	}
}

// MarkKind is what one unit counts as on one stream.
type MarkKind uint8

const (
	// MarkNone is a unit that takes no part in the stream. It is the zero value.
	MarkNone MarkKind = iota
	// MarkGood is a good unit.
	MarkGood
	// MarkBad is a bad unit.
	MarkBad
)

// Mark is the verdict on one unit on one stream, and the age of the request at which it may be counted.
type Mark struct {
	Kind MarkKind
	// Age is how old the request must be when the mark is counted; it may be above the latency, then
	// the gateway keeps the mark back for the rest. The same age for both arms is what keeps the test
	// exact. A mark counted later than its age, by the same delay for both arms, does no harm.
	Age time.Duration
}

// Marks holds the marks of one request, by stream.
type Marks [Streams]Mark

// Overdue returns the streams on which a request that is still unanswered at the given age is bad
// already, whatever its arm: count [MarkBad] for each, once, and pass them to [Thresholds.Marks] as
// done when the request ends. So a canary that hangs is caught without waiting for its timeout.
func (th *Thresholds) Overdue(age time.Duration) StreamSet {
	var set StreamSet
	if th.BodyLive && age >= th.BodyCanary {
		set = set.With(StreamBody)
	}
	if th.TailLive && age >= th.TailCanary {
		set = set.With(StreamTail)
	}
	if th.ErrorAge > 0 && age >= th.ErrorAge {
		set = set.With(StreamError)
	}
	return set
}

// NextOverdue returns the youngest age above the given one at which [Thresholds.Overdue] grows, and
// false when it never grows again. A gateway looks at an unanswered request at these ages only.
func (th *Thresholds) NextOverdue(age time.Duration) (time.Duration, bool) {
	next, found := time.Duration(0), false
	consider := func(live bool, at time.Duration) {
		if live && at > age && (!found || at < next) {
			next, found = at, true
		}
	}
	consider(th.BodyLive, th.BodyCanary)
	consider(th.TailLive, th.TailCanary)
	consider(th.ErrorAge > 0, th.ErrorAge)
	return next, found
}

// Marks returns the marks of a request that ended after latency with the given result. Call it on the
// thresholds that were in force when the request arrived. Streams in done have had their mark and get
// none. It allocates nothing.
func (th *Thresholds) Marks(arm Arm, result Result, latency time.Duration, done StreamSet) Marks {
	var m Marks
	if !done.Has(StreamError) {
		m[StreamError] = th.errorMark(result, latency)
	}
	if !done.Has(StreamClientError) {
		switch result {
		case Refused:
			m[StreamClientError] = Mark{MarkBad, latency}
		case Answered, Failed:
			m[StreamClientError] = Mark{MarkGood, latency}
		case Aborted:
		}
	}
	if th.BodyLive && !done.Has(StreamBody) {
		m[StreamBody] = slowMark(arm, result, latency, th.BodyStable, th.BodyCanary)
	}
	if th.TailLive && !done.Has(StreamTail) {
		m[StreamTail] = slowMark(arm, result, latency, th.TailStable, th.TailCanary)
	}
	return m
}

func (th *Thresholds) errorMark(result Result, latency time.Duration) Mark {
	age := latency
	if th.ErrorAge > 0 {
		// The slow-error guard: what counts is the state at one fixed age, so that a canary which only
		// fails sooner than stable is not taken for one that fails more.
		if latency >= th.ErrorAge {
			return Mark{MarkBad, th.ErrorAge}
		}
		age = th.ErrorAge
	}
	switch result {
	case Failed:
		return Mark{MarkBad, age}
	case Aborted:
		return Mark{}
	default:
		return Mark{MarkGood, age}
	}
}

// slowMark judges at the age of the canary threshold, on both arms.
func slowMark(arm Arm, result Result, latency, stable, canary time.Duration) Mark {
	limit := stable
	if arm == Canary {
		limit = canary
	}
	switch {
	case latency > limit || latency >= canary: // at the canary threshold it was unanswered
		return Mark{MarkBad, canary}
	case result == Aborted: // nobody knows how long it would have taken
		return Mark{}
	default:
		return Mark{MarkGood, canary}
	}
}
