package main

import (
	"context"
	"errors"
	"io"
	"strings"
	"testing"
)

func TestWhoIsAskedNeedNotAnswerBeforeTheProgramStops(t *testing.T) {
	terminal, keyboard := io.Pipe()
	defer keyboard.Close()
	ctx, stop := context.WithCancel(t.Context())
	stop()
	if line, err := readLine(ctx, terminal); !errors.Is(err, context.Canceled) {
		t.Errorf("readLine = %q, %v; want the end of the context", line, err)
	}
	if line, err := readLine(t.Context(), strings.NewReader("n\nmore")); line != "n\n" || err != nil {
		t.Errorf("readLine = %q, %v; want the first line", line, err)
	}
}
