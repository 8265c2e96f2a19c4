package gateway

import (
	"testing"
	"time"

	"github.com/skyisland/skyisland/internal/release"
)

// TestATrialThatAClientHoldsUpKeepsNobodyOut has a request on trial whose client never ends it.
func TestATrialThatAClientHoldsUpKeepsNobodyOut(t *testing.T) {
	const second = time.Second
	b := newBreaker(release.Breaker{Failures: 0.5, Requests: 1, Within: release.Duration(second), Open: release.Duration(2 * second)})
	if !b.report(bad, 0, 0) {
		t.Fatal("not open")
	}
	if b.admit(second) == nil || b.admit(2*second) != nil || b.admit(3*second) == nil {
		t.Fatal("want one request on trial, from when the breaker has been open for long enough")
	}
	if err := b.admit(4 * second); err != nil {
		t.Fatalf("a trial that takes as long as the breaker is open keeps others out: %v", err)
	}
	if b.report(good, 2*second, 5*second); b.admit(5*second) == nil {
		t.Error("the end of a trial that was given up lets a third one in")
	}
	b.report(good, 4*second, 5*second)
	if err := b.admit(5 * second); err != nil {
		t.Fatal(err)
	}
	if open, _ := b.state(); !open {
		t.Error("two good answers close it")
	}
	b.report(good, 5*second, 5*second)
	if open, _ := b.state(); open {
		t.Error("three good answers do not close it")
	}
}
