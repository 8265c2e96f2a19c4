package cli

import (
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"

	"github.com/skyisland/skyisland/internal/api"
	"github.com/skyisland/skyisland/internal/cli/progress"
)

func (p *program) traffic() *cobra.Command {
	var tenant, application string
	cmd := &cobra.Command{
		Use: "traffic", Short: "Show where the traffic goes, as the gateways say", Args: between(0, 0),
		RunE: func(cmd *cobra.Command, _ []string) error {
			c, err := p.client()
			if err != nil {
				return err
			}
			state, err := c.Traffic(cmd.Context(), tenant, application)
			if err != nil {
				return err
			}
			return p.print(state, func(w io.Writer) { p.showTraffic(w, state) })
		},
	}
	cmd.Flags().StringVar(&tenant, "tenant", "", "only of this tenant")
	cmd.Flags().StringVar(&application, "application", "", "only of this application")
	return cmd
}

func (p *program) showTraffic(w io.Writer, state api.TrafficState) {
	if len(state.Gateways) == 0 {
		fmt.Fprintln(w, "There is no gateway.")
		return
	}
	for i, g := range state.Gateways {
		if i > 0 {
			fmt.Fprintln(w)
		}
		fmt.Fprintln(w, progress.Clean(fmt.Sprintf("unit %s, gateway %s at %s", g.Unit, or(g.Name, "(unknown)"), g.Address)))
		switch {
		case g.Error != "":
			fmt.Fprintln(w, "  does not answer: "+progress.Clean(g.Error))
		case len(g.Routes) == 0:
			fmt.Fprintln(w, "  no routes")
		}
		for _, r := range g.Routes {
			fmt.Fprintln(w, progress.Clean(fmt.Sprintf("  %s  %s%s", r.Key, r.Host, r.Path)))
			fmt.Fprintln(w, "    "+progress.Clean(weight(r)))
			var rows [][]string
			for _, arm := range []struct {
				name     string
				revision *api.RouteRevision
			}{{"stable", r.Stable}, {"canary", r.Canary}} {
				if arm.revision != nil {
					rows = append(rows, armRow(arm.name, *arm.revision))
				}
			}
			table(w, p.width(), rows...)
		}
	}
}

// weight says how a route's traffic is shared, and how sure that is.
func weight(r api.Route) string {
	if r.Canary == nil {
		return "all traffic to stable"
	}
	text := fmt.Sprintf("%s to the canary of %s", r.InForce, r.Release)
	switch {
	case r.Tripped != "":
		text += fmt.Sprintf("; %s was asked for, but the guard found it bad: %s", r.Weight, r.Tripped)
	case r.Lapsed:
		text += fmt.Sprintf("; %s was asked for, but its lease ran out", r.Weight)
	case r.Weight != r.InForce:
		text += fmt.Sprintf("; %s was asked for", r.Weight)
	case r.LeaseLeft > 0:
		text += fmt.Sprintf("; the lease has %s left", r.LeaseLeft.Std().Round(time.Second))
	}
	return text
}

func armRow(name string, r api.RouteRevision) []string {
	p99 := "-"
	if r.P99 > 0 {
		p99 = r.P99.Std().Round(10 * time.Microsecond).String()
	}
	return []string{
		"    " + name, r.Revision, fmt.Sprintf("%d requests", r.Requests), fmt.Sprintf("%d errors", r.Errors),
		fmt.Sprintf("%d in flight", r.InFlight), "p99 " + p99,
	}
}

func or(s, otherwise string) string {
	if s == "" {
		return otherwise
	}
	return s
}
