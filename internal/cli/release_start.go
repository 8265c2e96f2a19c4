package cli

import (
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"github.com/skyisland/skyisland/internal/api"
	"github.com/skyisland/skyisland/internal/cli/progress"
	"github.com/skyisland/skyisland/internal/release"
)

func (p *program) releaseStart() *cobra.Command {
	var body api.StartBody
	var wait bool
	cmd := &cobra.Command{
		Use: "start TENANT/APPLICATION --ref REF", Short: "Ask for a release of a branch, a tag or a commit", Args: between(1, 1),
		Long: "Asks for a release of a branch, a tag or a commit, as a push would. It is kept as an event, which has one outcome: with\n" +
			"--wait that is waited for, and the exit code is 5 when it is refused and 1 when nothing is released.",
		RunE: func(cmd *cobra.Command, args []string) error {
			tenant, name, found := strings.Cut(args[0], "/")
			if !found || release.CheckName(tenant) != nil || release.CheckName(name) != nil {
				return usage("%q is not an application: write tenant/application, such as demo/hello", args[0])
			}
			if body.Ref == "" && body.Commit == "" {
				return usage("say what to release: a branch or a tag with --ref, or a whole commit with --commit")
			}
			c, err := p.client()
			if err != nil {
				return err
			}
			start := c.Start
			if wait {
				start = c.StartAndWait
			}
			requested, err := start(cmd.Context(), tenant, name, body)
			if err != nil {
				return err
			}
			if err := p.print(requested, func(w io.Writer) { showRequested(w, args[0], requested) }); err != nil {
				return err
			}
			return outcomeError(requested.Outcome)
		},
	}
	flags := cmd.Flags()
	flags.StringVar(&body.Environment, "environment", "", "where to; without it, where the manifest sends the ref")
	flags.StringVar(&body.Ref, "ref", "", "branch or tag, such as main or refs/tags/v1.2.3")
	flags.StringVar(&body.Commit, "commit", "", "whole commit, of the ref when one is given")
	flags.StringVarP(&body.Message, "message", "m", "", "why; it is kept with the release")
	flags.BoolVar(&wait, "wait", false, "wait until there is an outcome")
	return cmd
}

func showRequested(w io.Writer, application string, requested api.Requested) {
	fmt.Fprintf(w, "%s: asked for a release, as event %d\n", application, requested.Event)
	if requested.Outcome == nil {
		return
	}
	fmt.Fprintf(w, "%s: %s\n", progress.Clean(requested.Outcome.Kind), progress.Clean(requested.Outcome.Message))
	for _, id := range requested.Outcome.Releases {
		fmt.Fprintf(w, "Watch it: skyisland release watch %s\n", id)
	}
}

// outcomeError is the exit code of an outcome; what there is to say of it has been said.
func outcomeError(outcome *api.EventOutcome) error {
	switch {
	case outcome == nil:
		return nil
	case outcome.Kind == "refused":
		return &exitError{code: ExitRefused}
	case outcome.Kind == "ignored":
		return &exitError{code: ExitError}
	default:
		return nil
	}
}
