package bench_test

import (
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/client"
	sdklog "go.temporal.io/sdk/log"

	"github.com/skyisland/skyisland/test/island"
)

// benchProgram measures what needs the real program: its Temporal server, its worker, its gateway, and
// releases that come by git push.
func benchProgram(b *testing.B, r *report) {
	world := island.Start(b, island.Options{})
	c, err := client.Dial(client.Options{HostPort: world.Temporal, Logger: sdklog.NewStructuredLogger(slog.New(slog.DiscardHandler))})
	require.NoError(b, err)
	defer c.Close()
	b.Run("orchestration", func(b *testing.B) { benchOrchestration(b, r, c) })
	b.Run("webhook", func(b *testing.B) { benchWebhook(b, r, world) })
	b.Run("alarm", func(b *testing.B) { benchAlarm(b, r, world, c) })
	b.Run("bad", func(b *testing.B) { benchBad(b, r, world) })
	b.Run("press", func(b *testing.B) { benchPress(b, r) })
}

// tally writes counts in the order of their names.
func tally(counts map[string]int) string {
	var out []string
	for _, name := range slices.Sorted(maps.Keys(counts)) {
		out = append(out, fmt.Sprintf("%d %s", counts[name], name))
	}
	return strings.Join(out, ", ")
}
