// Package cli is the skyisland command for people and scripts: it asks the API and shows the answer.
//
// What a script needs is as firm as what a person sees: --output json writes JSON and nothing else to
// standard output, every error is one sentence on standard error, and the exit code tells how it went.
// docs/cli.md is the reference.
package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/skyisland/skyisland/internal/api/client"
	"github.com/skyisland/skyisland/internal/cli/progress"
)

// Options are the command's surroundings. The package reads nothing of the process itself.
type Options struct {
	Version string
	// Extra are commands that need more than the API, such as the gateway.
	Extra  []*cobra.Command
	Stdin  io.Reader
	Stdout io.Writer
	Stderr io.Writer
	// Getenv reads the environment.
	Getenv func(name string) string
	// Dir is the working directory, Home the person's; Home may be empty.
	Dir  string
	Home string
	// Screen is the size of the terminal that Stdout is; the last result is false when it is none. Nil
	// asks the system about Stdout.
	Screen func() (width, height int, terminal bool)
}

// Run carries out a command line and returns its exit code.
func Run(ctx context.Context, o Options, args []string) int {
	p := &program{o: o}
	root := p.root()
	root.SetArgs(args)
	err := root.ExecuteContext(ctx)
	if err == nil {
		return ExitOK
	}
	if ctx.Err() != nil && errors.Is(err, context.Canceled) {
		err = &exitError{ExitInterrupted, "interrupted"}
	}
	if !p.understood && codeOf(err) == ExitError {
		err = UsageError("%v", err)
	}
	p.complain(err)
	return codeOf(err)
}

// New is the command with all its subcommands.
func New(o Options) *cobra.Command { return (&program{o: o}).root() }

// program is what all commands share.
type program struct {
	o Options
	// The global flags.
	server, token, tokenFile, output string
	// understood is set once the command line has been read; an error before that is about it.
	understood bool
}

// The ways to print.
const (
	outputText = "text"
	outputJSON = "json"
)

func (p *program) root() *cobra.Command {
	if p.o.Screen == nil {
		p.o.Screen = func() (int, int, bool) { return screenOf(p.o.Stdout) }
	}
	root := group(&cobra.Command{
		Use:   "skyisland",
		Short: "Bring a git push to full production traffic, safely",
		Long: "Sky Island takes a git push to full production traffic, step by step, and brings it back by itself when it was wrong.\n\n" +
			exitHelp,
	},
		p.initialize(), p.validate(), p.release(), p.artifact(), p.freeze(), p.notifications(), p.subscriptions(), p.events(), p.github(), p.policy(), p.analysis(), p.application(), p.traffic(), p.logs(), p.whoAmI(), p.people(), p.doctor(), p.version())
	root.AddCommand(p.o.Extra...)
	root.SilenceErrors, root.SilenceUsage = true, true
	root.SetIn(p.o.Stdin)
	root.SetOut(p.o.Stdout)
	root.SetErr(p.o.Stderr)
	root.SetFlagErrorFunc(func(_ *cobra.Command, err error) error { return usage("%v", err) })
	flags := root.PersistentFlags()
	flags.StringVar(&p.server, "server", "", "address of the server (SKYISLAND_SERVER; default "+defaultServer+")")
	flags.StringVar(&p.token, "token", "", "token to use; others on this machine can see it in the list of processes")
	flags.StringVar(&p.tokenFile, "token-file", "", "file with the token (SKYISLAND_TOKEN holds the token itself; default: "+standaloneData+"/token here or above, then ~/.config/skyisland/token)")
	flags.StringVarP(&p.output, "output", "o", outputText, "how to print: text or json")
	root.PersistentPreRunE = func(*cobra.Command, []string) error {
		p.understood = true
		if p.output != outputText && p.output != outputJSON {
			wrong := p.output
			p.output = outputText
			return usage("--output %q: want text or json", wrong)
		}
		return nil
	}
	return root
}

// group is a command that only has others below it.
func group(cmd *cobra.Command, commands ...*cobra.Command) *cobra.Command {
	cmd.AddCommand(commands...)
	cmd.Args = cobra.ArbitraryArgs
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if len(args) == 0 {
			return cmd.Help()
		}
		var names []string
		for _, c := range cmd.Commands() {
			if c.IsAvailableCommand() {
				names = append(names, c.Name())
			}
		}
		return usage("%s has no command %q: there are %s", cmd.CommandPath(), args[0], strings.Join(names, ", "))
	}
	return cmd
}

// between wants that many arguments, and names them when there are others.
func between(least, most int) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if len(args) < least || (most >= 0 && len(args) > most) {
			return usage("%d arguments are not what this takes: %s", len(args), cmd.UseLine())
		}
		return nil
	}
}

// complain says what went wrong, once.
func (p *program) complain(err error) {
	var quiet *exitError
	if errors.As(err, &quiet) && quiet.sentence == "" {
		return
	}
	if p.output != outputJSON {
		for i, l := range strings.Split(strings.TrimSpace(err.Error()), "\n") {
			prefix := ""
			if i == 0 {
				prefix = "skyisland: "
			}
			fmt.Fprintln(p.o.Stderr, prefix+progress.Clean(l))
		}
		return
	}
	encoder := json.NewEncoder(p.o.Stderr)
	var refused *client.Error
	if errors.As(err, &refused) {
		_ = encoder.Encode(refused.Problem)
		return
	}
	_ = encoder.Encode(map[string]any{"type": "about:blank", "title": "Command failed", "detail": err.Error(), "exit": codeOf(err)})
}

// print writes a value as JSON, or lets text write it for people.
func (p *program) print(value any, text func(w io.Writer)) error {
	if p.output != outputJSON {
		text(p.o.Stdout)
		return nil
	}
	encoder := json.NewEncoder(p.o.Stdout)
	encoder.SetIndent("", "  ")
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(value); err != nil {
		return fmt.Errorf("print: %w", err)
	}
	return nil
}

// color says whether colours are wanted where they can be shown.
func (p *program) color() bool {
	_, _, terminal := p.o.Screen()
	return terminal && p.o.Getenv("NO_COLOR") == ""
}

// live says whether a view can be redrawn in place.
func (p *program) live() bool {
	_, _, terminal := p.o.Screen()
	return terminal && p.output == outputText && p.o.Getenv("TERM") != "dumb"
}

// screenOf asks the system for the size of a terminal.
func screenOf(w io.Writer) (width, height int, terminal bool) {
	file, ok := w.(*os.File)
	if !ok || !term.IsTerminal(int(file.Fd())) {
		return 0, 0, false
	}
	width, height, err := term.GetSize(int(file.Fd()))
	if err != nil || width < 1 || height < 1 {
		width, height = 80, 24
	}
	return width, height, true
}
