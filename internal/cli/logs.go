package cli

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"github.com/skyisland/skyisland/internal/api"
	"github.com/skyisland/skyisland/internal/api/client"
	"github.com/skyisland/skyisland/internal/release"
)

// logFlags are what a person asks for.
type logFlags struct {
	query   api.LogQuery
	release string
	kind    string
}

func (p *program) logs() *cobra.Command {
	var f logFlags
	cmd := &cobra.Command{
		Use: "logs [COMPONENT]", Short: "Show what instances wrote, or what a release's build or test wrote", Args: between(0, 1),
		Long: "Shows what the instances of a component wrote, of all components by default. With --release it shows what the component's\n" +
			"build or test wrote in that release. With --output json each line is an object.\n\n" + releaseHelp,
		RunE: func(cmd *cobra.Command, args []string) error {
			f.query.Component = first(args)
			c, err := p.client()
			if err != nil {
				return err
			}
			out := p.o.Stdout
			if p.output == outputJSON {
				lines := &jsonLines{encoder: json.NewEncoder(out)}
				defer lines.close()
				out = lines
			}
			if f.release == "" {
				if cmd.Flags().Changed("kind") {
					return usage("--kind needs --release: it is a release that builds and tests")
				}
				return c.Logs(cmd.Context(), f.query, out)
			}
			return p.buildLog(cmd.Context(), c, f, out)
		},
	}
	flags := cmd.Flags()
	flags.StringVar(&f.query.Revision, "revision", "", "only of this revision")
	flags.StringVar(&f.query.Unit, "unit", "", "only in this unit")
	flags.BoolVarP(&f.query.Follow, "follow", "f", false, "go on as lines are written")
	flags.IntVar(&f.query.Tail, "tail", 0, "begin with so many lines of each instance (default 200, at most 10000)")
	flags.StringVar(&f.release, "release", "", "show what was written in this release")
	flags.StringVar(&f.kind, "kind", string(api.BuildLog), "with --release: build or test")
	return cmd
}

func (p *program) buildLog(ctx context.Context, c *client.Client, f logFlags, out io.Writer) error {
	if f.query.Follow || f.query.Revision != "" || f.query.Unit != "" || f.query.Tail != 0 {
		return usage("--follow, --tail, --revision and --unit are for instances, not for --release")
	}
	if kind := api.LogKind(f.kind); kind != api.BuildLog && kind != api.TestLog {
		return usage("--kind %q: want build or test", f.kind)
	}
	id, err := find(ctx, c, f.release)
	if err != nil {
		return err
	}
	component := f.query.Component
	if component == "" {
		if component, err = onlyComponent(ctx, c, id); err != nil {
			return err
		}
	}
	return c.BuildLog(ctx, id, component, api.LogKind(f.kind), out)
}

// onlyComponent is the component of a release that has one.
func onlyComponent(ctx context.Context, c *client.Client, id release.ID) (string, error) {
	status, err := c.Release(ctx, id)
	if err != nil {
		return "", err
	}
	var names []string
	for _, m := range status.Moves {
		names = append(names, m.Component)
	}
	switch len(names) {
	case 1:
		return names[0], nil
	case 0:
		return "", usage("say which component's log: skyisland logs COMPONENT --release %s", id)
	default:
		return "", usage("say which component's log: there are %s", strings.Join(names, ", "))
	}
}

// lineLimit is where a line without an end is broken, in bytes.
const lineLimit = 1 << 20

// jsonLines writes each line of a text as a JSON object.
type jsonLines struct {
	encoder *json.Encoder
	rest    []byte
}

// Write takes text in any pieces.
func (l *jsonLines) Write(p []byte) (int, error) {
	l.rest = append(l.rest, p...)
	for {
		end := bytes.IndexByte(l.rest, '\n')
		next := end + 1
		if end < 0 && len(l.rest) >= lineLimit {
			end, next = lineLimit, lineLimit
		}
		if end < 0 {
			return len(p), nil
		}
		if err := l.encode(l.rest[:end]); err != nil {
			return 0, err
		}
		l.rest = l.rest[next:]
	}
}

func (l *jsonLines) encode(line []byte) error {
	if err := l.encoder.Encode(map[string]string{"line": string(line)}); err != nil {
		return fmt.Errorf("print: %w", err)
	}
	return nil
}

// close writes a last line that does not end.
func (l *jsonLines) close() {
	if len(l.rest) > 0 {
		// Nobody is left to tell.
		_ = l.encode(l.rest)
	}
}
