package backtest_test

import (
	"fmt"
	"math/rand/v2"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/skyisland/skyisland/internal/canary"
	"github.com/skyisland/skyisland/internal/canary/backtest"
	"github.com/skyisland/skyisland/internal/release"
)

var start = time.Date(2026, 11, 27, 12, 0, 0, 0, time.UTC)

// stream is requests at 100 a second, of which every twentieth is the canary's.
type stream struct {
	lines []string
	now   time.Time
}

func (s *stream) weight(w string) {
	s.lines = append(s.lines, fmt.Sprintf(`{"time":%q,"weight":%q}`, stamp(s.now), w))
}

func (s *stream) requests(n int, canary func(i int) (class, latency string)) {
	for i := range n {
		arm, class, latency := "stable", "ok", fmt.Sprintf("%dms", 10+i%10)
		if i%20 == 10 {
			arm = "canary"
			class, latency = canary(i)
		}
		s.lines = append(s.lines, fmt.Sprintf(`{"time":%q,"arm":%q,"class":%q,"latency":%q}`, stamp(s.now), arm, class, latency))
		s.now = s.now.Add(10 * time.Millisecond)
	}
}

func stamp(t time.Time) string { return t.Format(time.RFC3339Nano) }

func good(i int) (class, latency string) { return "ok", fmt.Sprintf("%dms", 10+i%10) }

func settings() backtest.Settings {
	config := canary.DefaultConfig()
	config.WarmUp, config.Steps, config.Planned = 0, 1, 10*time.Minute
	return backtest.Settings{Config: config, Weight: -1}
}

func judge(t *testing.T, text string, s backtest.Settings) backtest.Judgement {
	t.Helper()
	j, err := backtest.Judge(strings.NewReader(text), s)
	if err != nil {
		t.Fatal(err)
	}
	return j
}

func TestADeadCanaryIsFoundAtItsThirdFailure(t *testing.T) {
	s := stream{now: start}
	s.weight("0%")
	s.requests(2000, good) // before the release
	s.weight("5%")
	began := s.now
	s.requests(2000, good)
	broke := s.now
	s.requests(2000, func(int) (string, string) { return "5xx", "3ms" })
	j := judge(t, strings.Join(s.lines, "\n"), settings())
	// The canary has a request each 0.2 s: the third failure is half a second after the first.
	if j.Decision != canary.Fail || j.Bad != 3 || j.At == nil || j.At.Before(broke) || j.At.After(broke.Add(700*time.Millisecond)) {
		t.Errorf("got %s at %v with %d bad answers, want a fail with 3, right after %s", j.Decision, j.At, j.Bad, broke)
	}
	if !j.Begin.Equal(began) || j.Left == 0 || j.Requests+j.Left != 6000 {
		t.Errorf("got %+v, want the release's beginning, and what is left after the verdict", j)
	}
	if j.Verdict.Lead != canary.StreamError || !strings.HasPrefix(j.Verdict.Sentence, "error: canary 3 of ") {
		t.Errorf("got %q", j.Verdict.Sentence)
	}
	shuffled := slices.Clone(s.lines[2002:])
	rand.New(rand.NewPCG(1, 2)).Shuffle(len(shuffled), reflect.Swapper(shuffled))
	again := judge(t, strings.Join(append(slices.Clone(s.lines[:2002]), shuffled...), "\n\n"), settings())
	if again.Bad != j.Bad || !again.At.Equal(*j.At) {
		t.Errorf("in another order it is %v with %d bad answers, want the same", again.At, again.Bad)
	}
}

func TestAGoodCanaryPassesAndASlowOneDoesNot(t *testing.T) {
	for name, c := range map[string]struct {
		canary func(int) (string, string)
		want   canary.Decision
		lead   canary.Stream
	}{
		"good":       {good, canary.Pass, canary.StreamError},
		"hanging":    {func(int) (string, string) { return "timeout", "1m" }, canary.Fail, canary.StreamTail},
		"slow":       {func(int) (string, string) { return "ok", "45ms" }, canary.Fail, canary.StreamTail},
		"refusing":   {func(int) (string, string) { return "4xx", "12ms" }, canary.Fail, canary.StreamClientError},
		"given up":   {func(int) (string, string) { return "aborted", "12ms" }, canary.Blind, canary.StreamError},
		"broken off": {func(int) (string, string) { return "broken", "12ms" }, canary.Fail, canary.StreamError},
	} {
		t.Run(name, func(t *testing.T) {
			s := stream{now: start}
			s.weight("0%")
			s.requests(2000, good)
			s.weight("5%")
			s.requests(8000, c.canary)
			j := judge(t, strings.Join(s.lines, "\n"), settings())
			if j.Decision != c.want || c.want == canary.Fail && j.Verdict.Lead != c.lead {
				t.Errorf("got %s for %s, %s; want %s for %s", j.Decision, j.Verdict.Lead, j.Verdict.Sentence, c.want, c.lead)
			}
		})
	}
}

func TestAnAccessLogIsAStream(t *testing.T) {
	const log = `{"time":"2026-11-27T12:00:09Z","level":"INFO","msg":"request","arrived":"%s","route":"%s","revision":"web-2","arm":"%s","pinned":%t,"weight_version":2,"weight":"50%%","method":"GET","path":"/","status":500,"class":"%s","bytes":5,"upstream_ms":1.5,"total_ms":2.25}` + "\n"
	var text strings.Builder
	for i := range 60 {
		at := stamp(start.Add(time.Duration(i) * time.Second))
		fmt.Fprintf(&text, log, at, "demo/hello/production/web", "stable", false, "2xx")
		fmt.Fprintf(&text, log, at, "demo/hello/production/web", "canary", false, "5xx")
		fmt.Fprintf(&text, log, at, "demo/hello/production/web", "canary", true, "5xx")
		fmt.Fprintf(&text, log, at, "demo/other/production/web", "stable", false, "5xx")
	}
	s := settings()
	s.Route = "demo/hello/production/web"
	j := judge(t, text.String(), s)
	// At 50 % eleven failures in a row are needed (canary-analysis.md section 3).
	if j.Decision != canary.Fail || j.Bad > 12 || j.Bad < 9 || j.Unjudged == 0 {
		t.Errorf("got %+v, want a fail after about eleven, without the pinned", j)
	}
	s.Route = ""
	if j := judge(t, text.String(), s); j.Decision == canary.Fail {
		t.Errorf("with the failing stable of another route it is %s: %s", j.Decision, j.Verdict.Sentence)
	}
}

func TestOneSessionIsOneBadUnitOnAStickyRoute(t *testing.T) {
	var text strings.Builder
	for i := range 600 {
		at := stamp(start.Add(time.Duration(i) * 100 * time.Millisecond))
		fmt.Fprintf(&text, `{"time":%q,"arm":"stable","class":"ok","latency":"5ms","session":"s%d"}`+"\n", at, i)
		fmt.Fprintf(&text, `{"time":%q,"arm":"canary","class":"5xx","latency":"5ms","session":"unlucky"}`+"\n", at)
	}
	s := settings()
	s.Weight, s.Config.Sticky = 5000, true
	if j := judge(t, text.String(), s); j.Decision == canary.Fail {
		t.Errorf("one user failed it: %s", j.Verdict.Sentence)
	}
	s.Config.Sticky = false
	if j := judge(t, text.String(), s); j.Decision != canary.Fail {
		t.Errorf("without sessions it is %s, want a fail", j.Decision)
	}
}

func TestWhatIsNoOutcomeIsSaidWithItsLine(t *testing.T) {
	const first = `{"time":"2026-11-27T12:00:00Z","arm":"stable","class":"ok","latency":"1ms"}` + "\n"
	for text, want := range map[string]string{
		"":            "no line",
		"\n \n":       "no line",
		first + "{":   "line 2: ",
		first + "[1]": "line 2: ",
		first + `{"arm":"stable","class":"ok","latency":"1ms"}`:                                            "line 2: it has no time",
		first + `{"time":"noon","arm":"stable"}`:                                                           "line 2: ",
		first + `{"time":"2026-11-27T12:00:00Z","arm":"blue","class":"ok","latency":"1ms"}`:                `line 2: its arm is "blue"`,
		first + `{"time":"2026-11-27T12:00:00Z","arm":"canary","class":"bad","latency":"1ms"}`:             `line 2: its class is "bad"`,
		first + `{"time":"2026-11-27T12:00:00Z","arm":"canary","class":"ok"}`:                              "line 2: it has no latency",
		first + `{"time":"2026-11-27T12:00:00Z","arm":"canary","class":"ok","latency":"-1s"}`:              "line 2: ",
		first + `{"time":"2026-11-27T12:00:00Z","weight":"200%"}`:                                          "line 2: ",
		first + `{"time":"2026-11-27T12:00:00Z","arm":"canary","class":"ok","total_ms":1e300}`:             "line 2: its latency is",
		`{"time":"2026-11-27T12:00:00Z","arm":"canary","class":"ok","latency":"1ms"}`:                      "the weight is not known",
		first + `{"x":"` + strings.Repeat("x", 70<<10) + `"}`:                                              "line 2: ",
		`{"time":"0001-01-01T00:00:00Z","arm":"canary","class":"ok","latency":"1ms","weight":"5%"}` + "\n": "line 1: it has no time",
	} {
		if _, err := backtest.Judge(strings.NewReader(text), settings()); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%.80q: got %v, want %q", text, err, want)
		}
	}
}

func FuzzJudge(f *testing.F) {
	f.Add(`{"time":"2026-11-27T12:00:00Z","arm":"stable","class":"ok","latency":"1ms","weight":"5%"}`)
	f.Add(`{"time":"2026-11-27T12:00:00Z","weight":"5%"}` + "\n" + `{"arrived":"2026-11-27T12:00:00Z","arm":"canary","class":"5xx","total_ms":1}`)
	f.Fuzz(func(t *testing.T, text string) {
		s := settings()
		s.Weight = release.Weight(500)
		_, _ = backtest.Judge(strings.NewReader(text), s)
	})
}
