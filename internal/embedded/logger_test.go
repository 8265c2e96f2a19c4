package embedded

import (
	"bytes"
	"errors"
	"fmt"
	"log/slog"
	"testing"

	"github.com/stretchr/testify/require"
	"go.temporal.io/server/common/log/tag"
)

func TestLoggerKeepsTagsAndDropsWhatIsUnderTheThreshold(t *testing.T) {
	var out bytes.Buffer
	l := newLogger(slog.New(slog.NewTextHandler(&out, nil)), slog.LevelWarn, newFuse()).With(tag.Service("history"))
	l.Info("dropped")
	l.Warn(pageTooLarge)
	l.Warn("kept", tag.Error(errors.New("boom")))
	require.NotContains(t, out.String(), "dropped")
	require.NotContains(t, out.String(), pageTooLarge)
	require.Regexp(t, `level=WARN msg=kept component=temporal service=history error=boom`, out.String())
}

func TestFatalEndsTheGoroutineAndBlowsTheFuse(t *testing.T) {
	f := newFuse()
	l := newLogger(slog.New(slog.DiscardHandler), slog.LevelWarn, f)
	require.NoError(t, f.cause())
	cameBack := false
	done := make(chan struct{})
	go func() {
		defer close(done)
		l.Fatal(listenFailed, tag.Address("127.0.0.1:1"))
		cameBack = true
	}()
	<-done
	require.False(t, cameBack)
	<-f.blown
	require.ErrorContains(t, f.cause(), "127.0.0.1:1")
	require.True(t, isListenFailure(fmt.Errorf("start: %w", f.cause())))
	f.blow(errors.New("later"))
	require.ErrorContains(t, f.cause(), "127.0.0.1:1", "the first cause stays")
}
