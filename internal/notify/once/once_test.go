package once

import (
	"strings"
	"testing"
	"time"
)

func TestMemoryForgetsWhatIsOldAndHoldsOnlySoMuch(t *testing.T) {
	now := time.Unix(1700000000, 0)
	m := New(func() time.Time { return now })
	if !m.First("a") || m.First("a") {
		t.Error("the same thing twice is not noticed")
	}
	m.Forget("a")
	if !m.First("a") {
		t.Error("what was forgotten is known")
	}
	now = now.Add(kept + time.Second)
	if !m.First("a") {
		t.Error("what is old is known")
	}
	for i := range 2 * mostRemembered {
		m.First(strings.Repeat("x", i%7) + time.Duration(i).String())
	}
	if len(m.at) > mostRemembered || len(m.order) > mostRemembered {
		t.Errorf("it holds %d and %d", len(m.at), len(m.order))
	}
}
