package desk_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/skyisland/skyisland/activities"
	"github.com/skyisland/skyisland/internal/desk"
	"github.com/skyisland/skyisland/internal/policy"
	"github.com/skyisland/skyisland/internal/release"
	"github.com/skyisland/skyisland/policies"
)

// ledger keeps decisions and freezes.
type ledger struct {
	decisions []release.Question
	allowed   []bool
	freezes   []release.Freeze
	lost      error
}

func (l *ledger) SaveDecision(_ context.Context, question release.Question, decision release.Decision, _ time.Duration) error {
	l.decisions, l.allowed = append(l.decisions, question), append(l.allowed, decision.Allow)
	return l.lost
}

func (l *ledger) AddFreeze(_ context.Context, freeze release.Freeze) error {
	l.freezes = append(l.freezes, freeze)
	return nil
}

func (l *ledger) Freezes(context.Context, time.Time) ([]release.Freeze, error) { return l.freezes, nil }

func (l *ledger) LiftFreeze(_ context.Context, _ string, _ release.Actor, _ time.Time) (release.Freeze, error) {
	freeze := l.freezes[0]
	l.freezes = l.freezes[1:]
	return freeze, nil
}

func (l *ledger) Ramping(context.Context, release.ID) ([]release.RampingRelease, error) {
	return nil, nil
}

func (l *ledger) Exclusively(ctx context.Context, do func(context.Context) error) error {
	return do(ctx)
}

// freezesOf are asked of the rules that the program has, which let release managers in and nobody else.
func freezesOf(t *testing.T, l *ledger) desk.Freezes {
	t.Helper()
	rules, err := policy.New(policy.Options{Bundle: policies.FS, Data: map[string]any{
		"freezers": []any{map[string]any{"from": []any{"release-managers"}}},
	}})
	if err != nil {
		t.Fatal(err)
	}
	return desk.Freezes{FreezeStore: l, Policy: &activities.Policy{Rules: rules, Ledger: l, Registry: l}}
}

func TestTheRulesSayWhoMayDeclareAndLiftAFreeze(t *testing.T) {
	l := &ledger{}
	f := freezesOf(t, l)
	manager := release.Actor{Name: "ada", Source: "api", Groups: []string{"release-managers"}}
	stranger := release.Actor{Name: "eve", Source: "api"}
	freeze := func(by release.Actor) release.Freeze {
		return release.Freeze{ID: "f1", Starts: noon, Reason: "the till is down", By: by, Line: true}
	}
	var denied *release.DeniedError
	if err := f.AddFreeze(t.Context(), freeze(stranger)); !errors.As(err, &denied) || !strings.Contains(err.Error(), "freezers.not_allowed: eve may not declare a freeze of everything") {
		t.Errorf("eve's freeze: %v, want a no that says why", err)
	}
	if err := f.AddFreeze(t.Context(), freeze(manager)); err != nil || len(l.freezes) != 1 {
		t.Fatalf("ada's freeze: %v; there are %d, want one", err, len(l.freezes))
	}
	if _, err := f.LiftFreeze(t.Context(), "f1", stranger, noon); !errors.As(err, &denied) || len(l.freezes) != 1 {
		t.Errorf("eve's lifting: %v; there are %d freezes, want a no and one", err, len(l.freezes))
	}
	if _, err := f.LiftFreeze(t.Context(), "f2", manager, noon); !errors.Is(err, release.ErrNotFound) {
		t.Errorf("a freeze that is none: %v", err)
	}
	if lifted, err := f.LiftFreeze(t.Context(), "f1", manager, noon); err != nil || lifted.ID != "f1" {
		t.Errorf("ada's lifting: %+v, %v", lifted, err)
	}
	want := []struct {
		gate  release.Gate
		by    string
		allow bool
	}{{release.GateFreeze, "eve", false}, {release.GateFreeze, "ada", true}, {release.GateLift, "eve", false}, {release.GateLift, "ada", true}}
	if len(l.decisions) != len(want) {
		t.Fatalf("%d decisions in the ledger, want %d", len(l.decisions), len(want))
	}
	for i, w := range want {
		if q := l.decisions[i]; q.Gate != w.gate || q.By.Name != w.by || l.allowed[i] != w.allow || q.About() != "freeze f1" {
			t.Errorf("decision %d is %s by %s about %s, %t; want %+v", i, q.Gate, q.By.Name, q.About(), l.allowed[i], w)
		}
	}
}

func TestNoFreezeIsLiftedWithoutARecord(t *testing.T) {
	l := &ledger{lost: errors.New("the disk is full"), freezes: []release.Freeze{{ID: "f1", Reason: "no", By: release.Actor{Name: "ada", Source: "api"}}}}
	f := freezesOf(t, l)
	if _, err := f.LiftFreeze(t.Context(), "f1", release.Actor{Name: "ada", Source: "api"}, noon); err == nil || len(l.freezes) != 1 {
		t.Errorf("lifted with %v; there are %d freezes, want an error and one", err, len(l.freezes))
	}
}
