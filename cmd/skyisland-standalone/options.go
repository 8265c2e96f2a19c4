package main

import (
	"fmt"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"github.com/skyisland/skyisland/internal/release"
)

// options are what can be said on the command line.
type options struct {
	data       string
	listen     string
	temporal   string
	ui         string
	units      []string
	policyData string
	config     string
	accessLog  bool
	tour       string
	exit       bool
	verbose    bool
}

// The ways to meet the tour.
const (
	tourAsk  = "ask"
	tourTake = "yes"
	tourSkip = "no"
)

// unitAddress is a unit and where its gateway listens, for traffic and for control.
type unitAddress struct {
	name    string
	traffic string
	admin   string
}

// command is the program's command line.
func command() *cobra.Command {
	o := options{}
	var noTour bool
	c := &cobra.Command{
		Use:   "skyisland-standalone",
		Short: "All of Sky Island in one process: push with git, watch the release",
		Long: `All of Sky Island in one process, with its state in one folder. The first start offers a tour:
a sample application goes live in steps under real traffic, and a broken version of it is rolled back.`,
		Args: cobra.NoArgs, SilenceUsage: true, SilenceErrors: true,
		RunE: func(c *cobra.Command, _ []string) error {
			if noTour {
				o.tour = tourSkip
			}
			if err := o.check(); err != nil {
				return err
			}
			return run(c.Context(), o, c.OutOrStdout(), c.ErrOrStderr())
		},
	}
	flags := c.Flags()
	flags.StringVar(&o.data, "data", ".skyisland", "folder that holds all state")
	flags.StringVar(&o.listen, "listen", "127.0.0.1:7780", "address of the API, the webhooks and the git remote")
	flags.StringVar(&o.temporal, "temporal", "127.0.0.1:7233", "address of the embedded Temporal server")
	flags.StringVar(&o.ui, "ui", "127.0.0.1:8233", "address of the Temporal UI")
	flags.StringArrayVar(&o.units, "unit", []string{"local=127.0.0.1:8080,127.0.0.1:7790"},
		"a unit and its gateway, as name=traffic-address,control-address; repeat for several units")
	flags.StringVar(&o.policyData, "policy-data", "", "YAML or JSON file with freeze windows and the like (default: policy-data.yaml in the data folder, when it is there)")
	flags.StringVar(&o.config, "config", "", "YAML file with people, tokens, chats, notifications and alarms (default: config.yaml in the data folder, when it is there)")
	flags.BoolVar(&o.accessLog, "access-log", false, "write a line per request to access.log in the data folder")
	flags.StringVar(&o.tour, "tour", tourAsk, "take the tour: yes, no, or ask on the first start")
	flags.BoolVar(&noTour, "no-tour", false, "start without the tour; the same as --tour no")
	flags.BoolVar(&o.exit, "exit-after-tour", false, "stop when the tour is over")
	flags.BoolVar(&o.verbose, "verbose", false, "print what each part does to the terminal, instead of to skyisland.log in the data folder")
	return c
}

// check says what is wrong with the options.
func (o options) check() error {
	switch o.tour {
	case tourAsk, tourTake, tourSkip:
	default:
		return fmt.Errorf("--tour %s: want yes, no or ask", o.tour)
	}
	_, err := o.parseUnits()
	return err
}

// parseUnits reads the units in their order.
func (o options) parseUnits() ([]unitAddress, error) {
	var out []unitAddress
	seen := map[string]bool{}
	for _, text := range o.units {
		name, addresses, _ := strings.Cut(text, "=")
		traffic, admin, found := strings.Cut(addresses, ",")
		if !found {
			return nil, fmt.Errorf("--unit %s: want name=traffic-address,control-address, such as local=127.0.0.1:8080,127.0.0.1:7790", text)
		}
		if err := release.CheckName(name); err != nil {
			return nil, fmt.Errorf("--unit %s: %w", text, err)
		}
		if seen[name] {
			return nil, fmt.Errorf("--unit %s: unit %s stands twice", text, name)
		}
		seen[name] = true
		out = append(out, unitAddress{name: name, traffic: traffic, admin: admin})
	}
	return out, nil
}

func (o options) file(parts ...string) string {
	return filepath.Join(append([]string{o.data}, parts...)...)
}
