package canary

import (
	"encoding/json"
	"math"
	"reflect"
	"strings"
	"testing"
)

func TestDefaultConfigIsValid(t *testing.T) {
	if err := DefaultConfig().Validate(); err != nil {
		t.Error(err)
	}
}

func TestValidateNamesEveryWrongField(t *testing.T) {
	cfg := DefaultConfig()
	cfg.Alpha, cfg.MinBad, cfg.HoldAt, cfg.Steps, cfg.Planned = 0.6, 0, 1, 0, 0
	cfg.Streams[StreamError].Share = 0.9
	cfg.Streams[StreamBody].Grid = []float64{2, 1.5}
	cfg.Streams[StreamTail].Factor = math.NaN()
	cfg.Absolute.Bound = 0.2
	cfg.Latency.Margin = 0.9
	err := cfg.Validate()
	if err == nil {
		t.Fatal("was taken")
	}
	for _, want := range []string{
		"alpha:", "n_min:", "hold_at:", "steps:", "planned:", "shares sum to 1.4", "streams.body.grid[1]:", "streams.tail.m:", "absolute.b:", "latency.margin:",
	} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("no word of %q in:\n%v", want, err)
		}
	}
	if strings.Contains(err.Error(), "client_error") {
		t.Errorf("a good field is blamed:\n%v", err)
	}
}

func TestHashTellsConfigurationsApart(t *testing.T) {
	cfg := DefaultConfig()
	text, err := json.Marshal(cfg)
	if err != nil {
		t.Fatal(err)
	}
	var back Config
	if err := json.Unmarshal(text, &back); err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(back, cfg) || back.Hash() != cfg.Hash() || len(cfg.Hash()) != 64 {
		t.Errorf("the configuration changes on its way through JSON:\n%+v\n%+v", cfg, back)
	}
	back.Streams[StreamTail].Grid[4]++
	if back.Hash() == cfg.Hash() {
		t.Error("another grid has the same hash")
	}
}

func TestBatchJSONIsCompact(t *testing.T) {
	b := Batch{Gateway: "gw-1", Seq: 7, WeightVersion: 2, CanaryRequests: 1}
	b.Streams[StreamError].Count(Canary, MarkBad)
	text, err := json.Marshal(b)
	if want := `{"gateway":"gw-1","seq":7,"weight_version":2,"canary_requests":1,"streams":{"error":{"cb":1}}}`; err != nil || string(text) != want {
		t.Errorf("got %s, %v, want %s", text, err, want)
	}
	var back Batch
	if err := json.Unmarshal(text, &back); err != nil || !reflect.DeepEqual(back, b) {
		t.Errorf("got %+v, %v, want %+v", back, err, b)
	}
	for _, bad := range []string{`{"streams":{"body":{"x":1}}}`, `{"streams":{"bodies":{}}}`, `{"streams":[]}`} {
		if err := json.Unmarshal([]byte(bad), &back); err == nil {
			t.Errorf("%s was taken", bad)
		}
	}
	if !b.Urgent() || b.Empty() || !(&Batch{Gateway: "g", Seq: 1}).Empty() {
		t.Error("urgent and empty are confused")
	}
}
