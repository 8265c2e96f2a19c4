package cli

import (
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"

	"github.com/skyisland/skyisland/internal/canary"
	"github.com/skyisland/skyisland/internal/manifest"
	"github.com/skyisland/skyisland/internal/policy"
	"github.com/skyisland/skyisland/internal/release"
)

func (p *program) policyWhatIf() *cobra.Command {
	var environment, dir, data, at, as string
	cmd := &cobra.Command{
		Use: "whatif [FILE]", Short: "Say what the rules would answer to a release of a manifest", Args: between(0, 1),
		Long: "Asks all that a release of the manifest would ask, before you push: as if it replaced every component, everything passed\n" +
			"and people approved. Exit code 3 when the release would be refused. Needs no server; what the server's data says is\n" +
			"known only with --data.",
		RunE: func(cmd *cobra.Command, args []string) error {
			file := manifest.FileName
			if len(args) > 0 {
				file = args[0]
			}
			spec, err := p.specOf(file, environment)
			if err != nil {
				return err
			}
			now := time.Now().UTC()
			if at != "" {
				if now, err = time.Parse(time.RFC3339, at); err != nil {
					return usage("--at %q is not a time: write 2026-12-24T18:00:00+08:00", at)
				}
			}
			engine, err := engineOf(dir, data)
			if err != nil {
				return err
			}
			forecast, err := engine.WhatIf(cmd.Context(), spec, release.Actor{Name: as, Source: "api"}, now)
			if err != nil {
				return err
			}
			err = p.print(forecast, func(w io.Writer) { p.tellForecast(w, spec, forecast) })
			if err == nil && forecast.Refused() {
				return &exitError{code: exitPolicy}
			}
			return err
		},
	}
	cmd.Flags().StringVar(&environment, "environment", "production", "environment that it would be released to")
	cmd.Flags().StringVar(&dir, "bundle", "", "folder of rules; without it, the built-in ones")
	cmd.Flags().StringVar(&data, "data", "", "data file of the rules, such as .skyisland/policy-data.yaml")
	cmd.Flags().StringVar(&at, "at", "", "time at which it would be released; now by default")
	cmd.Flags().StringVar(&as, "as", "you", "name of who would ask for it")
	return cmd
}

func (p *program) specOf(file, environment string) (release.Spec, error) {
	data, err := p.readManifest(file)
	if err != nil {
		return release.Spec{}, err
	}
	m, err := manifest.Read(file, data)
	if err != nil {
		return release.Spec{}, err
	}
	spec, err := m.Spec(environment)
	if err == nil && len(spec.Units) == 0 {
		// The units are the server's to know.
		spec.Units = []string{"unit"}
	}
	return spec, err
}

func (p *program) tellForecast(w io.Writer, spec release.Spec, f policy.Forecast) {
	fmt.Fprintf(w, "A release of %s would be answered:\n\n", spec.Lane)
	rows := [][]string{{"GATE", "STEP", "ANSWER", "WHY"}}
	for _, answer := range f.Answers {
		step := ""
		if answer.Step != nil {
			step = answer.Step.To.String() + " in " + answer.Step.Unit
		}
		rows = append(rows, []string{string(answer.Gate), step, answerWord(answer.Decision), ""})
		for i, denial := range answer.Deny {
			if i == 0 {
				rows[len(rows)-1][3] = reason(denial)
				continue
			}
			rows = append(rows, []string{"", "", "", reason(denial)})
		}
	}
	table(w, p.width(), rows...)
	if f.Plan != nil {
		if e := canary.Exposure(*f.Plan); e != nil {
			fmt.Fprintf(w, "\nexposure: %s", e)
		}
	}
	for _, want := range f.Wants {
		fmt.Fprintf(w, "\nasked before the %s: %d approvals", want.Before, want.Count)
		if len(want.From) > 0 {
			fmt.Fprintf(w, " of %v", want.From)
		}
	}
	for _, approval := range f.Approvals {
		who := "of somebody who is asked"
		if approval.Requester {
			who = "of whoever asks for the release"
		}
		fmt.Fprintf(w, "\nbefore the %s the yes %s %s", approval.Point, who, map[bool]string{true: "counts", false: "does not count"}[approval.Allow])
		for _, denial := range approval.Deny {
			fmt.Fprintf(w, "\n    %s", reason(denial))
		}
	}
	for _, note := range f.Notes {
		fmt.Fprintf(w, "\nstricter than the manifest: %s", note)
	}
	for _, problem := range f.Problems {
		fmt.Fprintf(w, "\nthe manifest lacks: %s", problem)
	}
	fmt.Fprintln(w)
}
