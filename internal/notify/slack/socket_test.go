package slack_test

import (
	"context"
	"encoding/json"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/skyisland/skyisland/internal/notify/notifytest/slacktest"
	"github.com/skyisland/skyisland/internal/notify/slack"
)

func TestALostConnectionIsOpenedAgain(t *testing.T) {
	s := start(t)
	s.listen()
	for opened := 2; opened <= 3; opened++ {
		s.server.Drop()
		if err := s.server.Connected(deadline(t), opened); err != nil {
			t.Fatal(err)
		}
	}
	bySocket(s, s.server.Command("U1", "pause "+id.String()))
	if words := s.desk.heard(); len(words) != 1 {
		t.Errorf("%d words, want 1", len(words))
	}
}

func TestAnEnvelopeWhoseConnectionEndsIsTakenFromTheNext(t *testing.T) {
	s := start(t)
	s.listen()
	command := s.server.Command("U1", "pause "+id.String())
	acked := make(chan error, 1)
	ctx := deadline(t)
	envelope := s.server.Envelope()
	go func() {
		_, err := s.server.Push(ctx, envelope, command)
		acked <- err
	}()
	s.server.Drop()
	if err := <-acked; err != nil {
		t.Fatal(err)
	}
	bySocket(s, command)
	if words := s.desk.heard(); len(words) != 1 {
		t.Errorf("%d words, want 1", len(words))
	}
}

func TestTheNextConnectionStandsBeforeTheOldOneEnds(t *testing.T) {
	s := start(t)
	s.listen()
	if err := s.server.Disconnect(); err != nil {
		t.Fatal(err)
	}
	bySocket(s, s.server.Command("U1", "pause "+id.String())) // over the old one, or the next
	if err := s.server.Connected(deadline(t), 2); err != nil {
		t.Fatal(err)
	}
	if err := s.server.Standing(deadline(t), 1); err != nil {
		t.Fatal(err)
	}
	bySocket(s, s.server.Command("U2", "pause "+id.String()))
	if words := s.desk.heard(); len(words) != 2 {
		t.Errorf("%d words, want 2", len(words))
	}
}

func TestSlackThatCannotBeReachedIsTriedAgain(t *testing.T) {
	s := start(t)
	s.server.Fail("apps.connections.open", slacktest.Failure{Error: "invalid_auth"}, slacktest.Failure{Status: 503})
	s.listen()
	if calls := s.server.Calls("apps.connections.open"); calls != 3 {
		t.Errorf("%d calls, want 3", calls)
	}
}

func TestSlackThatAsksForAPauseGetsIt(t *testing.T) {
	s := start(t)
	s.server.Fail("apps.connections.open", slacktest.Failure{RetryAfter: 2 * time.Second})
	began := time.Now()
	s.listen()
	if took := time.Since(began); took < 2*time.Second {
		t.Errorf("it was asked again after %s, want at least 2s", took)
	}
}

func TestFramesThatAreNoneDoNoHarm(t *testing.T) {
	s := start(t)
	s.listen()
	for _, raw := range []any{
		json.RawMessage(`"text"`), json.RawMessage(`[1]`), json.RawMessage(`{}`),
		map[string]any{"type": "interactive", "payload": map[string]any{}},
		map[string]any{"type": "interactive", "envelope_id": "e1"},
		map[string]any{"type": "slash_commands", "envelope_id": "e2", "payload": "x"},
		map[string]any{"type": "events_api", "envelope_id": "e3", "payload": map[string]any{"event": map[string]any{}}},
		map[string]any{"type": "interactive", "envelope_id": "e4", "payload": map[string]any{"type": "block_actions", "actions": []any{map[string]any{"action_id": approve, "value": "x"}}}},
	} {
		if err := s.server.Raw(raw); err != nil {
			t.Fatal(err)
		}
	}
	bySocket(s, s.server.Command("U1", "pause "+id.String()))
	if err := s.server.Connected(deadline(t), 1); err != nil || s.server.Calls("apps.connections.open") != 1 {
		t.Errorf("the connection did not stand: %v", err)
	}
	if words := s.desk.heard(); len(words) != 1 {
		t.Errorf("%d words, want 1", len(words))
	}
}

func TestAnEnvelopeIsAcknowledgedBeforeTheDeskIsDone(t *testing.T) {
	s := start(t)
	s.listen()
	held := make(chan struct{})
	s.desk.set(func() { s.desk.held = held })
	ack, err := s.server.Push(deadline(t), s.server.Envelope(), s.server.Command("U1", "pause "+id.String()))
	if err != nil || len(ack.Payload) != 0 || len(s.desk.heard()) != 0 {
		t.Errorf("acknowledged with %s, %v", ack.Payload, err)
	}
	close(held)
	s.channel.Wait()
	if words := s.desk.heard(); len(words) != 1 {
		t.Errorf("%d words, want 1", len(words))
	}
}

func TestRunEndsWithItsContextWhileNothingCanBeReached(t *testing.T) {
	s := start(t)
	s.server.Close()
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- s.channel.Run(ctx) }()
	cancel()
	if err := <-ended; err != nil {
		t.Errorf("Run = %v", err)
	}
}

func TestAWrongAppTokenOpensNothing(t *testing.T) {
	s := start(t)
	var log strings.Builder
	channel, err := slack.New(slack.Options{
		BotToken: botToken, AppToken: "xapp-wrong", Desk: s.desk, APIURL: s.server.APIURL(), Now: s.clock.now,
		Log: slog.New(slog.NewTextHandler(&log, nil)),
	})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Second)
	defer cancel()
	if err := channel.Run(ctx); err != nil {
		t.Errorf("Run = %v", err)
	}
	if said := log.String(); !strings.Contains(said, "invalid_auth") || !strings.Contains(said, "connections:write") || strings.Contains(said, "xapp-wrong") {
		t.Errorf("the log says %s", said)
	}
	if calls := s.server.Calls("apps.connections.open"); calls > 3 {
		t.Errorf("%d calls within a second, want them to be spread", calls)
	}
}
