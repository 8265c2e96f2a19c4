package cli

import (
	"context"
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"

	"github.com/skyisland/skyisland/internal/cli/progress"
)

// The results of a check.
const (
	resultOK   = "ok"
	resultWarn = "warn"
	resultFail = "fail"
)

// check is one thing that was looked at.
type check struct {
	Name   string `json:"name"`
	Result string `json:"result"`
	// Message says what was found, Fix what to do about it.
	Message string `json:"message"`
	Fix     string `json:"fix,omitempty"`
}

func ok(name, format string, args ...any) check {
	return check{Name: name, Result: resultOK, Message: fmt.Sprintf(format, args...)}
}

// doctorFor bounds all checks together.
const doctorFor = 30 * time.Second

func (p *program) doctor() *cobra.Command {
	return &cobra.Command{
		Use: "doctor", Short: "Check that everything a release needs is there, and say what to do where it is not", Args: between(0, 0),
		Long: "Checks this machine, the server, the gateways and what waits for people. Each check is ok, warn or fail; with a fail the\nexit code is 1.",
		RunE: func(cmd *cobra.Command, _ []string) error {
			ctx, cancel := context.WithTimeout(cmd.Context(), doctorFor)
			defer cancel()
			checks := p.examine(ctx)
			failed := false
			for _, c := range checks {
				failed = failed || c.Result == resultFail
			}
			err := p.print(map[string][]check{"checks": checks}, func(w io.Writer) { p.showChecks(w, checks) })
			if err == nil && failed {
				err = &exitError{code: ExitError}
			}
			return err
		},
	}
}

func (p *program) showChecks(w io.Writer, checks []check) {
	colors := map[string]string{resultOK: "32", resultWarn: "33", resultFail: "31"}
	name := 0
	for _, c := range checks {
		name = max(name, len(c.Name))
	}
	for _, c := range checks {
		result := progress.Pad(c.Result, 4)
		if p.color() {
			result = "\x1b[" + colors[c.Result] + "m" + result + "\x1b[0m"
		}
		fmt.Fprintf(w, "%s  %s  %s\n", result, progress.Pad(c.Name, name), progress.Clean(c.Message))
		if c.Fix != "" {
			fmt.Fprintf(w, "      %s  → %s\n", progress.Pad("", name), progress.Clean(c.Fix))
		}
	}
}
