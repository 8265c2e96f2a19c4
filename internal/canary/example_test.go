package canary_test

import (
	"fmt"
	"time"

	"github.com/skyisland/skyisland/internal/canary"
)

// A watcher merges the batches of its gateways and acts on the verdict.
func ExampleTest() {
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	test, err := canary.New(canary.DefaultConfig(), now)
	if err != nil {
		panic(err)
	}
	if err := test.Expect([]string{"gw-1"}, now); err != nil {
		panic(err)
	}
	if err := test.AddWeight(1, 0.05, now); err != nil {
		panic(err)
	}
	for seq := range uint64(3) {
		now = now.Add(100 * time.Millisecond)
		batch := canary.Batch{Gateway: "gw-1", Seq: seq + 1, WeightVersion: 1}
		batch.Streams[canary.StreamError] = canary.Counts{CanaryBad: 1, StableGood: 19}
		if _, err := test.Apply(batch, now); err != nil {
			panic(err)
		}
	}
	verdict := test.Verdict(now)
	fmt.Println(verdict.Decision)
	fmt.Println(verdict.Sentence)
	// Output:
	// fail
	// error: canary 3 of 3 bad, stable 0 of 57; evidence 465 of 100 needed
}

// A gateway marks a request by the thresholds that were in force when it arrived, and counts each mark
// once the request is as old as the mark's age.
func ExampleThresholds_Marks() {
	var stable canary.Latencies
	for range 1000 {
		stable.Observe(canary.Answered, 50*time.Millisecond)
	}
	thresholds := stable.Thresholds(canary.DefaultConfig().Latency, false, 0)
	marks := thresholds.Marks(canary.Canary, canary.HTTPResult(503), 30*time.Millisecond, 0)
	for s, mark := range marks {
		fmt.Println(canary.Stream(s), mark.Kind == canary.MarkBad, mark.Age.Round(10*time.Millisecond))
	}
	// Output:
	// error true 30ms
	// client_error false 30ms
	// body false 60ms
	// tail false 100ms
}
