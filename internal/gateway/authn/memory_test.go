package authn

import (
	"fmt"
	"testing"
	"time"
)

func TestMemoryForgetsOnlyWhatNobodyWouldTake(t *testing.T) {
	now, span := noon, time.Minute
	m := newMemory(1_000_000, noon)
	record := func(nonce string, at time.Time) Reason { return m.record("k", nonce, at.Unix(), span, now) }
	for n := range 10_000 {
		if got := record(fmt.Sprint(n), now); got != accepted {
			t.Fatal(got)
		}
		if n%10 == 9 {
			now = now.Add(time.Second)
		}
	}
	// 10 a second, for a minute, a second and a quarter of a minute until it is swept.
	if got := m.len(); got > 10*(60+1+15+1) {
		t.Errorf("%d are remembered of a minute with 600", got)
	}
	// Everything that is young enough is still known.
	for n := 9_400; n < 10_000; n++ {
		if got := record(fmt.Sprint(n), noon.Add(time.Duration(n/10)*time.Second)); got != HMACReplay {
			t.Fatalf("%d: %q", n, got)
		}
	}
}

func TestALongerWindowLetsNothingInTwice(t *testing.T) {
	now := noon
	m := newMemory(1_000_000, noon)
	short := func(nonce string, at time.Time) Reason { return m.record("k", nonce, at.Unix(), time.Minute, now) }
	long := func(nonce string, at time.Time) Reason { return m.record("k", nonce, at.Unix(), time.Hour, now) }
	if got := short("a", noon); got != accepted {
		t.Fatal(got)
	}
	now = noon.Add(10 * time.Minute)
	// Every shard forgets.
	for n := range 1000 {
		_ = short(fmt.Sprint("filler", n), now)
	}
	if got := long("a", noon); got != HMACWindow {
		t.Errorf("what was forgotten is %q, want %q", got, HMACWindow)
	}
	if got := long("b", now.Add(-time.Minute)); got != accepted {
		t.Errorf("what cannot have been forgotten is %q", got)
	}
	now = now.Add(50 * time.Minute)
	for n := range 1000 {
		_ = short(fmt.Sprint("more", n), now)
	}
	if got := long("b", now.Add(-51*time.Minute)); got != HMACReplay {
		t.Errorf("what is remembered for the longer window is %q", got)
	}
}

func TestMemoryIsGivenBack(t *testing.T) {
	now := noon
	m := newMemory(10_000, noon)
	for n := range 5_000 {
		_ = m.record("k", fmt.Sprint(n), now.Unix(), time.Minute, now)
	}
	now = now.Add(time.Hour)
	for n := range 1000 {
		_ = m.record("k", fmt.Sprint("later", n), now.Unix(), time.Minute, now)
	}
	if got := m.len(); got != 1000 {
		t.Errorf("%d are remembered, want 1000", got)
	}
}
