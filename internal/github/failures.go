package github

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/google/go-github/v60/github"
)

// How failures are met. A GitHub that is away for a weekend is caught up with; one that is gone for longer is given up,
// and people are told.
const (
	firstRetry = 2 * time.Second
	lastRetry  = 5 * time.Minute
	giveUp     = 3 * 24 * time.Hour
	// leastLimit and mostLimit bound how long an account is left alone, whatever an answer says.
	leastLimit = time.Second
	mostLimit  = 2 * time.Hour
	// secondaryLimit is for an answer that does not say how long: GitHub asks for a minute at least.
	secondaryLimit = time.Minute
	// unknownLimit is for an account that GitHub does not know: somebody has to change the configuration.
	unknownLimit = time.Minute
)

// failure is an error and what follows from it.
type failure struct {
	error

	// refused is for good: the same request would be refused again.
	refused bool
	// limit is how long the whole account is left alone; 0 is not.
	limit time.Duration
	// unknown says that GitHub does not know who we are.
	unknown bool
}

// Unwrap is the error.
func (f *failure) Unwrap() error { return f.error }

// judge reads an error of a request.
func judge(err error, now time.Time) *failure {
	var known *failure
	if errors.As(err, &known) {
		return known
	}
	var primary *github.RateLimitError
	var secondary *github.AbuseRateLimitError
	var accepted *github.AcceptedError
	var refused *github.ErrorResponse
	switch {
	case errors.As(err, &primary):
		reset := primary.Rate.Reset.Time
		return limitedFor(fmt.Errorf("the rate limit is used up until %s", reset.UTC().Format(time.RFC3339)), untilReset(reset, now))
	case errors.As(err, &secondary):
		wait := secondaryLimit
		// Where GitHub does not say how long, go-github has the time until the hour of the other limit is over.
		if secondary.RetryAfter != nil && (secondary.Response == nil || secondary.Response.Header.Get("Retry-After") != "") {
			wait = *secondary.RetryAfter
		}
		return limitedFor(errors.New("GitHub asks to be left alone for a moment (secondary rate limit)"), wait)
	case errors.As(err, &accepted):
		return &failure{error: errors.New("GitHub took the request and did something else, or does it later (202)")}
	case errors.As(err, &refused) && refused.Response != nil:
		return judgeResponse(refused, now)
	default:
		return &failure{error: errors.New(brief(err.Error()))}
	}
}

func limitedFor(err error, wait time.Duration) *failure {
	return &failure{error: err, limit: min(max(wait, leastLimit), mostLimit)}
}

// untilReset is how long until a limit is over. One that is over by our clock and not by GitHub's would be asked for every
// second, as would one of which nothing is said.
func untilReset(reset, now time.Time) time.Duration {
	if wait := reset.Sub(now); wait > 0 {
		return wait
	}
	return secondaryLimit
}

// judgeResponse reads what go-github does not tell apart: 429, and limits whose documentation it does not know.
func judgeResponse(refused *github.ErrorResponse, now time.Time) *failure {
	status, header := refused.Response.StatusCode, refused.Response.Header
	said := &failure{error: fmt.Errorf("GitHub answered %d: %s", status, sentence(refused))}
	after, hasAfter := seconds(header.Get("Retry-After"))
	usedUp := header.Get("X-RateLimit-Remaining") == "0"
	limit := status == http.StatusTooManyRequests || status == http.StatusForbidden && (hasAfter || usedUp)
	switch {
	case limit && hasAfter:
		said.limit = min(max(after, leastLimit), mostLimit)
	case limit && usedUp:
		reset, _ := seconds(header.Get("X-RateLimit-Reset"))
		said.limit = min(max(untilReset(time.Unix(0, 0).Add(reset), now), leastLimit), mostLimit)
	case limit || status == http.StatusForbidden && strings.Contains(strings.ToLower(refused.Message), "secondary rate limit"):
		said.limit = secondaryLimit
	case status == http.StatusUnauthorized:
		said.limit, said.unknown = unknownLimit, true
	case refused.Message == "":
		// Not GitHub's words: a proxy before it, or a page that says that it is being upgraded. That ends.
		said.error = fmt.Errorf("what answered %d does not speak as GitHub does: a proxy, or GitHub while it is away", status)
	case status == http.StatusForbidden, status == http.StatusNotFound, status == http.StatusUnprocessableEntity, status == http.StatusGone,
		status == http.StatusUnavailableForLegalReasons:
		said.refused = true
	}
	return said
}

func seconds(text string) (time.Duration, bool) {
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil || n < 0 || n > int64(1)<<33 {
		return 0, false
	}
	return time.Duration(n) * time.Second, true
}

// sentence is what GitHub says is wrong, with the fields it names.
func sentence(refused *github.ErrorResponse) string {
	parts := []string{refused.Message}
	for _, one := range refused.Errors {
		parts = append(parts, strings.TrimSpace(one.Resource+" "+one.Field+" "+one.Code+" "+one.Message))
	}
	return brief(strings.Join(parts, "; "))
}

// mostReason is the most bytes of a reason that are kept.
const mostReason = 500

// brief is a reason on one line, as long as is kept.
func brief(text string) string {
	return cut(strings.Join(strings.Fields(text), " "), mostReason)
}

// backoff is how long to wait after so many attempts: doubling, and a fifth of chance either way, so that what failed
// together does not come back together.
func backoff(attempts int) time.Duration {
	pause := lastRetry
	if attempts < 9 {
		pause = min(lastRetry, firstRetry<<max(0, attempts-1))
	}
	return time.Duration(float64(pause) * (0.8 + 0.4*rand.Float64())) //nolint:gosec // it only spreads tries in time
}
