package cli

import (
	"context"
	"errors"
	"io"
	"os"
	"strings"
	"testing"

	"github.com/skyisland/skyisland/internal/dispatch"
)

func TestAQuestionEndsWithItsContext(t *testing.T) {
	ctx, interrupt := context.WithCancel(t.Context())
	// Nobody ever answers.
	in, hold := io.Pipe()
	defer func() { _ = hold.Close() }()
	interrupt()
	if _, err := readLine(ctx, in); !errors.Is(err, context.Canceled) {
		t.Errorf("readLine = %v, want context.Canceled", err)
	}
}

func TestNobodyIsAskedWhereJSONIsWanted(t *testing.T) {
	// A terminal that is there on every machine that has any.
	terminal, err := os.OpenFile("/dev/ptmx", os.O_RDWR, 0)
	if err != nil {
		t.Skip("no terminal can be had: ", err)
	}
	defer terminal.Close()
	ctx, interrupt := context.WithCancel(t.Context())
	interrupt()
	var out strings.Builder
	p := &program{o: Options{
		Stdin: terminal, Stdout: &out, Screen: func() (int, int, bool) { return 80, 50, true },
	}, output: outputJSON}
	if err := p.confirm(ctx, dispatch.Approve); codeOf(err) != ExitUsage {
		t.Errorf("confirm = %v, want an error of the command line", err)
	}
	if out.Len() > 0 {
		t.Errorf("it printed %q beside the JSON", out.String())
	}
}
