package cli_test

import (
	"context"
	"testing"

	"github.com/skyisland/skyisland/internal/api"
	"github.com/skyisland/skyisland/internal/api/apitest"
	"github.com/skyisland/skyisland/internal/cli"
	"github.com/skyisland/skyisland/internal/release"
)

// happenings gives an installation events, and subscribers of whom one wants no more.
func happenings(t testing.TB, i *apitest.Installation) {
	t.Helper()
	for n, kind := range []release.EntryKind{release.EntryPhase, release.EntryStep, release.EntryEnded} {
		entry := release.Entry{Number: n + 1, At: noon, Kind: kind, Phase: release.Ramping, Message: "what is " + string(kind) + "\x1b[31m"}
		if err := i.Happen(id("shop", "staging", 12), entry); err != nil {
			t.Fatal(err)
		}
	}
	if err := i.Happen(release.ID{}, release.Entry{At: noon, Kind: release.EntryFreeze, Message: "everything is frozen"}); err != nil {
		t.Fatal(err)
	}
	i.Subscribe(api.Subscription{Name: "ci", URL: "https://ci.example.com", State: api.SubscriptionActive, Waiting: 1, Dead: 1, Succeeded: &noon},
		api.EventDelivery{ID: "0f3a1c", Event: "demo/shop/staging/12#1", Type: "dev.skyisland.release.phase.v1", State: "dead", Attempts: 10, Created: noon, Reason: "the subscriber answered 500"},
		api.EventDelivery{ID: "77aa00", Event: "demo/shop/staging/12#2", Type: "dev.skyisland.release.step.v1", State: "waiting", Created: noon, Due: &noon})
	i.Subscribe(api.Subscription{Name: "gone", URL: "https://old.example.com", State: api.SubscriptionDisabled, Reason: "the subscriber answered 410 Gone", Dead: 1},
		api.EventDelivery{ID: "d00d", State: "dead", Created: noon})
}

func TestEventsAreFollowedUntilInterrupted(t *testing.T) {
	i := installation()
	ctx, cancel := context.WithCancel(t.Context())
	out, errs := newOutput(), newOutput()
	code := make(chan int)
	o := surroundings(t, i.Start(t, info()), out, errs)
	go func() { code <- cli.Run(ctx, o, []string{"events", "watch", "--after", "0", "--application", "shop"}) }()
	for n, kind := range []release.EntryKind{release.EntryPhase, release.EntryStep} {
		if err := i.Happen(id("hello", "production", 1), release.Entry{Number: n, At: noon, Kind: kind, Message: "not of the shop"}); err != nil {
			t.Fatal(err)
		}
		if err := i.Happen(id("shop", "staging", 12), release.Entry{Number: n, At: noon, Kind: kind, Message: "it is " + string(kind)}); err != nil {
			t.Fatal(err)
		}
		out.await(t, "it is "+string(kind))
	}
	cancel()
	if got := <-code; got != cli.ExitInterrupted {
		t.Errorf("exit code %d, %s", got, errs)
	}
	const want = "2026-03-01 12:00:00  2  demo/shop/staging/12  phase  it is phase\n2026-03-01 12:00:00  4  demo/shop/staging/12  step  it is step\n"
	if out.String() != want || errs.String() != "skyisland: stopped watching; what happens goes on\n" {
		t.Errorf("it wrote %q and %q", out, errs)
	}
}
