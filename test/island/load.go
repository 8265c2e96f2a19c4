package island

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/skyisland/skyisland/internal/gateway"
)

const (
	// clients bounds how many requests of a load are under way at once. One over it counts as bad: an
	// open load is not slowed down by what it loads.
	clients = 512
	// clientPatience is how long a client waits for an answer.
	clientPatience = 10 * time.Second
	// answerLimit bounds what is read of an answer.
	answerLimit = 1 << 20
	// keptBad bounds the log of bad answers.
	keptBad = 10_000
)

// Answer is what a client got.
type Answer struct {
	// Status is 0 when there was no whole answer.
	Status   int
	Revision string
	Body     string
}

// BadAnswer is an answer that was not 200, or none.
type BadAnswer struct {
	Answer
	// Sent is when the client asked, At when it knew.
	Sent, At time.Time
	Err      error
}

// String says when and what.
func (b BadAnswer) String() string {
	text := fmt.Sprintf("%s status %d of revision %q: %q", b.At.Format("15:04:05.000"), b.Status, b.Revision, b.Body)
	if b.Err != nil {
		text += ": " + b.Err.Error()
	}
	return text
}

// Report is what the clients of a load saw.
type Report struct {
	Sent int
	// Answers counts the answers that were alike.
	Answers map[Answer]int
	// Bad are the bad answers in the order in which they came, at most 10,000 of them.
	Bad []BadAnswer
}

// Of counts the answers with a body.
func (r Report) Of(body string) int {
	n := 0
	for answer, count := range r.Answers {
		if answer.Body == body {
			n += count
		}
	}
	return n
}

// BadOf are the bad answers that a revision gave, or nobody when it is empty.
func (r Report) BadOf(revision string) []BadAnswer {
	return slices.DeleteFunc(slices.Clone(r.Bad), func(b BadAnswer) bool { return b.Revision != revision })
}

// BadSince are the bad answers to requests that were sent after a moment.
func (r Report) BadSince(t time.Time) []BadAnswer {
	return slices.DeleteFunc(slices.Clone(r.Bad), func(b BadAnswer) bool { return b.Sent.Before(t) })
}

// Load is clients who ask at a fixed rate, whatever the answers are.
type Load struct {
	t       testing.TB
	url     string
	header  http.Header
	client  *http.Client
	cancel  context.CancelFunc
	running sync.WaitGroup
	slots   chan struct{}

	mu sync.Mutex
	// report is guarded by mu; arrived is closed and made anew with each answer.
	report  Report
	arrived chan struct{}
}

// StartLoad starts GET requests to a URL, rate of them a second, each with the header and a user of its
// own in X-User-Id. They go on until [Load.Stop], at the latest until the test is over.
func StartLoad(t testing.TB, url string, rate int, header http.Header) *Load {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	l := &Load{
		t: t, url: url, header: header, cancel: cancel, slots: make(chan struct{}, clients),
		client: &http.Client{
			Timeout:       clientPatience,
			Transport:     &http.Transport{MaxIdleConns: clients, MaxIdleConnsPerHost: clients},
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		},
		report: Report{Answers: map[Answer]int{}}, arrived: make(chan struct{}),
	}
	l.running.Go(func() { l.run(ctx, rate) })
	t.Cleanup(func() { l.Stop() })
	return l
}

// run sends each request when its time has come. A late wake-up is made up for, so that the rate holds
// on a busy machine.
func (l *Load) run(ctx context.Context, rate int) {
	start, pause := time.Now(), time.Second/time.Duration(rate)
	timer := time.NewTimer(0)
	defer timer.Stop()
	for n := 0; ; n++ {
		timer.Reset(time.Until(start.Add(time.Duration(n) * pause)))
		select {
		case <-ctx.Done():
			return
		case <-timer.C:
		}
		select {
		case l.slots <- struct{}{}:
			l.running.Go(func() {
				defer func() { <-l.slots }()
				// What is under way when the load stops is still answered.
				l.ask(context.WithoutCancel(ctx), n)
			})
		default:
			now := time.Now()
			l.take(BadAnswer{Sent: now, At: now, Err: fmt.Errorf("%d requests are under way already", clients)})
		}
	}
}

func (l *Load) ask(ctx context.Context, number int) {
	got := BadAnswer{Sent: time.Now()}
	got.Answer, got.Err = l.get(ctx, number)
	got.At = time.Now()
	l.take(got)
}

func (l *Load) get(ctx context.Context, number int) (Answer, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, l.url, nil)
	if err != nil {
		return Answer{}, err
	}
	for name, values := range l.header {
		request.Header[name] = values
	}
	request.Header.Set("X-User-Id", fmt.Sprintf("user-%d", number))
	answer, _, err := read(l.client, request)
	return answer, err
}

// read sends a request and reads the answer.
func read(client *http.Client, request *http.Request) (Answer, http.Header, error) {
	response, err := client.Do(request)
	if err != nil {
		return Answer{}, nil, err
	}
	defer response.Body.Close()
	body, err := io.ReadAll(io.LimitReader(response.Body, answerLimit))
	answer := Answer{Status: response.StatusCode, Revision: response.Header.Get(gateway.RevisionHeader), Body: strings.TrimSpace(string(body))}
	if err != nil {
		answer.Status = 0
	}
	return answer, response.Header, err
}

func (l *Load) take(b BadAnswer) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.report.Sent++
	l.report.Answers[b.Answer]++
	if b.Status != http.StatusOK && len(l.report.Bad) < keptBad {
		l.report.Bad = append(l.report.Bad, b)
	}
	close(l.arrived)
	l.arrived = make(chan struct{})
}

// Report is what the clients saw so far.
func (l *Load) Report() Report {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.copy()
}

func (l *Load) copy() Report {
	r := Report{Sent: l.report.Sent, Answers: map[Answer]int{}, Bad: slices.Clone(l.report.Bad)}
	for answer, count := range l.report.Answers {
		r.Answers[answer] = count
	}
	return r
}

// Wait waits until what the clients saw is as wanted, and fails the test when that does not come.
func (l *Load) Wait(what string, condition func(Report) bool) Report {
	l.t.Helper()
	deadline := time.After(Patience)
	for {
		l.mu.Lock()
		report, arrived := l.copy(), l.arrived
		l.mu.Unlock()
		if condition(report) {
			return report
		}
		select {
		case <-arrived:
		case <-deadline:
			l.t.Fatalf("no %s within %s: %d requests, %d bad", what, Patience, report.Sent, len(report.Bad))
		}
	}
}

// Stop ends the load, waits for the answers under way and returns what the clients saw.
func (l *Load) Stop() Report {
	l.cancel()
	l.running.Wait()
	l.client.CloseIdleConnections()
	return l.Report()
}
