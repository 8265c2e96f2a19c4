package main

import (
	"context"
	"errors"
	"io"
	"strings"
	"testing"
)

func TestTheQuestionEndsWithTheProgram(t *testing.T) {
	ctx, stop := context.WithCancel(t.Context())
	// Nobody ever answers.
	in, hold := io.Pipe()
	defer func() { _ = hold.Close() }()
	stop()
	if _, err := readLine(ctx, in); !errors.Is(err, context.Canceled) {
		t.Errorf("readLine in a program that is stopped = %v, want context.Canceled", err)
	}
}

func TestAnAnswerIsALineOrWhatThereIsOfIt(t *testing.T) {
	for answer, want := range map[string]string{"no\nmore": "no\n", "no": "no", "": ""} {
		got, err := readLine(t.Context(), strings.NewReader(answer))
		if err != nil || got != want {
			t.Errorf("readLine of %q = %q, %v, want %q", answer, got, err, want)
		}
	}
}
