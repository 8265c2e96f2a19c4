package cli_test

import (
	"strings"
	"testing"
	"time"

	"github.com/skyisland/skyisland/internal/api"
	"github.com/skyisland/skyisland/internal/api/apitest"
	"github.com/skyisland/skyisland/internal/cli"
)

// receive adds four events: one refused, one started, one that waits, and an old one without its body.
func receive(i *apitest.Installation) {
	event := func(minute int, source, delivery, kind string) api.Event {
		return api.Event{Source: source, Delivery: delivery, Kind: kind, Received: noon.Add(time.Duration(minute) * time.Minute)}
	}
	refused := event(1, "github", "d-1", "push")
	refused.About = &api.EventAbout{Repository: "acme/new", Ref: "refs/heads/main", Commit: strings.Repeat("8f3a", 10), Who: "mona"}
	i.Receive(refused, `{"ref":"refs/heads/main"}`)
	i.Settle(1, "refused", "no application is released from acme/new\nnone is known yet")
	i.Receive(event(2, "git", "d-2", "push"), "\x1b[31mred\x1b[0m\nsecond\x07 line\n")
	i.Settle(2, "started", "release demo/hello/production/1 has started", "demo/hello/production/1", "demo/hello/staging/4")
	due := noon.Add(time.Hour)
	waits := event(3, "github", "d-3", "push")
	waits.Attempts, waits.Postponed, waits.Due = 3, "ask lane demo/hello/production for a release: it is away", &due
	i.Receive(waits, "{}")
	i.Receive(event(4, "alertmanager", "d-4", "alarm"), "{}")
	i.Settle(4, "ignored", "alarm Errors stops nothing")
	i.ForgetBody(4)
}

// What a stranger sent is not obeyed by a terminal, and is written as it came elsewhere.
func TestABodyIsHarmlessOnATerminal(t *testing.T) {
	i := installation()
	server := i.Start(t, info())
	for terminal, want := range map[bool]string{
		true:  "red\nsecond line\n",
		false: "\x1b[31mred\x1b[0m\nsecond\x07 line\n",
	} {
		out, errs := newOutput(), newOutput()
		o := surroundings(t, server, out, errs)
		o.Screen = func() (int, int, bool) { return 80, 50, terminal }
		if code := cli.Run(t.Context(), o, strings.Fields("events show 2 --body")); code != 0 || out.String() != want {
			t.Errorf("on a terminal %v: exit code %d, %q, want %q\n%s", terminal, code, out, want, errs)
		}
	}
}

// On a terminal without room for it the reason is below each event, and of a long kind the end is shown.
func TestAnEventListFitsTheTerminal(t *testing.T) {
	i := installation()
	event := api.Event{Source: "registry", Delivery: "d-5", Kind: "dev.skyisland.image.pushed.v1", Received: noon}
	i.Receive(event, "{}")
	i.Settle(5, "ignored", "no release waits for image registry.example/acme/checkout@sha256:"+strings.Repeat("0", 64))
	server := i.Start(t, info())
	for width, want := range map[int]string{
		80: "ID  RECEIVED             SOURCE    KIND                OUTCOME\n" +
			"5   2026-03-01 12:00:00  registry  …d.image.pushed.v1  ignored\n" +
			"    no release waits for image registry.example/acme/checkout@sha256:0000000000…\n",
		120: "ID  RECEIVED             SOURCE    KIND                OUTCOME  WHY\n" +
			"5   2026-03-01 12:00:00  registry  …d.image.pushed.v1  ignored  no release waits for image registry.example/acme/checko…\n",
	} {
		out, errs := newOutput(), newOutput()
		o := surroundings(t, server, out, errs)
		o.Screen = func() (int, int, bool) { return width, 50, true }
		if code := cli.Run(t.Context(), o, strings.Fields("events list --source registry")); code != 0 || out.String() != want {
			t.Errorf("at %d columns: exit code %d\n%s\nwant\n%s%s", width, code, out, want, errs)
		}
	}
}

func TestAReplayIsFollowedToItsOutcome(t *testing.T) {
	for outcome, want := range map[string]int{
		"started": cli.ExitOK, "queued": cli.ExitOK, "duplicate": cli.ExitOK, "ignored": cli.ExitOK, "refused": cli.ExitRefused,
	} {
		t.Run(outcome, func(t *testing.T) {
			i := installation()
			i.OnReplay(func(e api.Event) (string, string, []string) {
				if !e.Again || e.AskedBy == nil || e.AskedBy.Name != "olga" {
					t.Errorf("the replay is %+v, want it again, by olga", e)
				}
				return outcome, "first line\nsecond", nil
			})
			out, errs := newOutput(), newOutput()
			code := cli.Run(t.Context(), surroundings(t, i.Start(t, info()), out, errs), strings.Fields("events replay 1 --again --wait 1m"))
			if told := "event 5 repeats event 1: " + outcome + "\n  first line\n  second\n"; code != want || out.String() != told || errs.String() != "" {
				t.Errorf("exit code %d, want %d\n%s\nwant\n%s%s", code, want, out, told, errs)
			}
		})
	}
}
