package canary

import (
	"bytes"
	"encoding/json"
	"errors"
	"math"
	"math/rand/v2"
	"strings"
	"testing"
	"time"
)

func TestSaveKillLoadReplayLosesNoBit(t *testing.T) {
	for _, sticky := range []bool{false, true} {
		rng := rand.New(rand.NewPCG(6, 6))
		cfg := worked()
		cfg.Sticky = sticky
		whole, killed := newRig(t, cfg), newRig(t, cfg)
		recent := []Batch{}
		batches := randomBatches(rng, 300)
		for i, b := range batches {
			if i%60 == 0 {
				for _, r := range []*rig{whole, killed} {
					r.weight(i/60+1, 0.05*float64(i/60+1))
				}
			}
			b.WeightVersion = i/60 + 1
			for s := range b.Streams {
				for range b.Streams[s].StableBad {
					b.Streams[s].StableSessions = append(b.Streams[s].StableSessions, rng.Uint64N(500)<<20)
				}
			}
			for _, r := range []*rig{whole, killed} {
				r.pass(700 * time.Millisecond)
				r.apply(b)
			}
			recent = append(recent, b)
			if rng.IntN(10) == 0 {
				killed.restore()
				for _, again := range recent {
					killed.apply(again)
				}
				recent = recent[:0]
			}
		}
		a, b := whole.verdict(), killed.verdict()
		if math.Float64bits(a.LnEvidence) != math.Float64bits(b.LnEvidence) || a.Sentence != b.Sentence || a.LnEvidence == 0 {
			t.Errorf("lnM is %v after kills, want %v", b.LnEvidence, a.LnEvidence)
		}
		one, _ := whole.test.MarshalJSON()
		two, _ := killed.test.MarshalJSON()
		if !bytes.Equal(one, two) {
			t.Errorf("the states differ:\n%s\n%s", one, two)
		}
	}
}

func TestFreshStateSurvives(t *testing.T) {
	r := newRig(t, worked()) // every L is -Inf
	r.restore()
	r.weight(1, 0.05)
	r.errors(3, 0, 0)
	if six(r.m()) != "477.314982" {
		t.Errorf("evidence is %v", r.m())
	}
}

func TestStateOfAnotherConfigurationIsRefused(t *testing.T) {
	r := newRig(t, worked())
	state, _ := r.test.MarshalJSON()
	other := worked()
	other.Streams[StreamBody].Grid[2] = 2.7
	if _, err := Restore(other, state); !errors.Is(err, ErrConfigChanged) {
		t.Errorf("got %v, want ErrConfigChanged", err)
	}
	forged := bytes.Replace(state, []byte(`"alpha":0.01,"n_min":3,"hold_at"`), []byte(`"alpha":0.02,"n_min":3,"hold_at"`), 1)
	if bytes.Equal(forged, state) {
		t.Fatal("nothing was forged")
	}
	if err := new(Test).UnmarshalJSON(forged); !errors.Is(err, ErrConfigChanged) {
		t.Errorf("got %v, want ErrConfigChanged", err)
	}
}

// fullTest is a test whose every set is as full as it can be.
func fullTest(t testing.TB) *Test {
	cfg := worked()
	cfg.Sticky = true
	r := newRig(t, cfg)
	names := []string{}
	for i := range maxGateways {
		names = append(names, strings.Repeat("gateway-", 7)+string(rune('a'+i/10))+string(rune('0'+i%10)))
	}
	if err := r.test.Expect(names, r.now); err != nil {
		t.Fatal(err)
	}
	for v := range maxWeights {
		r.weight(1_000_000+v, 0.001*float64(v+1)/3)
	}
	rng := rand.New(rand.NewPCG(5, 5))
	for _, name := range names {
		for i := range uint64(maxGaps) {
			b := Batch{Gateway: name, Run: math.MaxUint64, Seq: 1e9 + 1000*i, WeightVersion: r.version}
			for s := range b.Streams {
				b.Streams[s] = Counts{StableBad: 1e9, StableGood: 1e12, CanaryGood: 1e12}
				for range 200 {
					b.Streams[s].StableSessions = append(b.Streams[s].StableSessions, rng.Uint64())
				}
			}
			r.apply(b)
		}
	}
	return r.test
}

func TestStateFitsIntoAHeartbeat(t *testing.T) {
	test := fullTest(t)
	state, err := test.MarshalJSON()
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("%d bytes", len(state))
	if len(test.sets[StreamTail]) != maxSessions || len(state) > 200*1024 {
		t.Errorf("a full state has %d bytes with %d sessions, want at most 200 KB (Temporal warns of 256) with %d", len(state), len(test.sets[StreamTail]), maxSessions)
	}
	again := &Test{}
	if err := again.UnmarshalJSON(state); err != nil {
		t.Fatal(err)
	}
	if back, _ := again.MarshalJSON(); !bytes.Equal(back, state) {
		t.Error("the full state changes on its way")
	}
}

func TestDamagedStateIsRefusedWhole(t *testing.T) {
	r := newRig(t, worked())
	_ = r.test.Expect([]string{"g"}, r.now)
	r.weight(1, 0.05)
	r.errors(1, 2, 3)
	good, _ := r.test.MarshalJSON()
	edits := map[string][2]string{
		"cut off":                {`"gateways":{`, `"gateways":`},
		"another version":        {`"v":1,`, `"v":2,`},
		"unknown field":          {`"v":1,`, `"v":1,"x":1,`},
		"unknown phase":          {`"phase":"running"`, `"phase":"walking"`},
		"alpha raised":           {`"alpha":0.01,"now"`, `"alpha":0.5,"now"`},
		"restarts without alpha": {`"now":`, `"restarts":3,"now":`},
		"too much cash":          {`"cash":0.6`, `"cash":1.6`},
		"negative count":         {`"cb":1`, `"cb":-1`},
		"a bettor missing":       {`"absolute":{"cash":0.6,"l":[`, `"absolute":{"cash":0.6,"l":["-Inf",`},
		"weight out of range":    {`"w":0.05`, `"w":5`},
		"unknown stream":         {`"counts":{"error"`, `"counts":{"terror"`},
		"time in the future":     {`"since":`, `"since":9`},
		"something behind":       {`"seq":`, `"seq":`},
	}
	for name, e := range edits {
		bad := bytes.Replace(good, []byte(e[0]), []byte(e[1]), 1)
		if name == "something behind" {
			bad = append(bytes.Clone(good), "{}"...)
		}
		if bytes.Equal(bad, good) {
			t.Errorf("%s: the edit does nothing", name)
			continue
		}
		if err := r.test.UnmarshalJSON(bad); err == nil {
			t.Errorf("%s: was taken", name)
		}
		if after, _ := r.test.MarshalJSON(); !bytes.Equal(after, good) {
			t.Fatalf("%s: the refused state left traces", name)
		}
	}
	if err := r.test.UnmarshalJSON(bytes.Repeat([]byte(" "), maxState+1)); err == nil {
		t.Error("a state of over 1 MB was taken")
	}
}

func TestStateWithoutWealthIsRefused(t *testing.T) {
	state, _ := newRig(t, worked()).test.MarshalJSON()
	broke := bytes.Replace(state, []byte(`"cash":1,`), []byte(`"cash":0,`), 1)
	if err := new(Test).UnmarshalJSON(broke); err == nil || !strings.Contains(err.Error(), "wealth") {
		t.Errorf("got %v, want a word about the wealth", err)
	}
}

func FuzzState(f *testing.F) {
	r := newRig(f, worked())
	fresh, _ := r.test.MarshalJSON()
	f.Add(fresh)
	_ = r.test.Expect([]string{"g", "h"}, r.now)
	r.weight(1, 0.05)
	r.errors(1, 2, 300)
	r.apply(Batch{Gateway: "h", Seq: 9})
	busy, _ := r.test.MarshalJSON()
	f.Add(busy)
	r.test.Restart(r.now)
	again, _ := r.test.MarshalJSON()
	f.Add(again)
	f.Add([]byte(`{"v":1}`))
	f.Fuzz(func(t *testing.T, state []byte) {
		test := &Test{}
		if err := test.UnmarshalJSON(state); err != nil {
			if test.senders != nil || test.hash != "" {
				t.Fatal("a refused state left traces")
			}
			return
		}
		first, err := test.MarshalJSON()
		if err != nil {
			t.Fatalf("an accepted state cannot be written: %v", err)
		}
		again := &Test{}
		if err := again.UnmarshalJSON(first); err != nil {
			t.Fatalf("what was written cannot be read: %v", err)
		}
		at := time.Unix(0, test.now).Add(time.Second)
		version := 0
		if w := test.current(); w != nil {
			version = w.version
		}
		b := Batch{Gateway: "fuzz", Seq: 1, WeightVersion: version, CanaryRequests: 2}
		b.Streams[StreamError] = Counts{CanaryBad: 1, StableGood: 1}
		_, _ = test.Apply(b, at)
		test.Tick(at)
		if _, err := json.Marshal(test.Verdict(at)); err != nil {
			t.Fatalf("the verdict of an accepted state cannot be written: %v", err)
		}
		if _, err := test.MarshalJSON(); err != nil {
			t.Fatalf("an accepted state cannot be written after use: %v", err)
		}
	})
}
