package cli_test

import (
	"fmt"
	"io"
	"os"
	"strings"
	"testing"

	"github.com/spf13/cobra"

	"github.com/skyisland/skyisland/internal/cli"
)

// The reference names every command, its flags that no help of others has, and every exit code.
func TestEveryCommandIsInTheReference(t *testing.T) {
	data, err := os.ReadFile("../../docs/cli.md")
	if err != nil {
		t.Fatal(err)
	}
	reference := string(data)
	root := cli.New(cli.Options{Stdin: strings.NewReader(""), Stdout: io.Discard, Stderr: io.Discard, Getenv: func(string) string { return "" }})
	commands := 0
	var walk func(*cobra.Command)
	walk = func(cmd *cobra.Command) {
		for _, c := range cmd.Commands() {
			commands++
			if !strings.Contains(reference, "`"+c.Name()) && !strings.Contains(reference, "`"+c.Parent().Name()+" "+c.Name()) {
				t.Errorf("docs/cli.md lacks %s", c.CommandPath())
			}
			if c.Short == "" || strings.HasSuffix(c.Short, ".") {
				t.Errorf("the short help of %s is %q", c.CommandPath(), c.Short)
			}
			walk(c)
		}
	}
	walk(root)
	if commands < 20 {
		t.Fatalf("only %d commands were found", commands)
	}
	for _, code := range []int{
		cli.ExitOK, cli.ExitError, cli.ExitUsage, cli.ExitRolledBack, cli.ExitFailed, cli.ExitRefused, cli.ExitAborted,
		cli.ExitNotFollowed, cli.ExitNotFound, cli.ExitInterrupted,
	} {
		if !strings.Contains(reference, fmt.Sprintf("\n| %d |", code)) {
			t.Errorf("docs/cli.md lacks exit code %d", code)
		}
		if !strings.Contains(root.Long, fmt.Sprintf("\n  %-5d", code)) {
			t.Errorf("the help lacks exit code %d", code)
		}
	}
}
