package cli

import (
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/spf13/cobra"

	"github.com/skyisland/skyisland/internal/identity"
	"github.com/skyisland/skyisland/internal/release"
	"github.com/skyisland/skyisland/internal/yamldoc"
)

func (p *program) people() *cobra.Command {
	return group(&cobra.Command{Use: "people", Short: "Look after the directory of people"}, p.peopleCheck())
}

func (p *program) peopleCheck() *cobra.Command {
	return &cobra.Command{
		Use: "check FILE...", Short: "Say everything that is wrong with a directory of people", Args: between(1, -1),
		Long: "Reads directories of people, and says everything that is wrong, each with its place and what would be right. \"-\" is\n" +
			"standard input. Needs no server.",
		RunE: func(_ *cobra.Command, args []string) error {
			out := struct {
				Files []validated `json:"files"`
			}{}
			for _, name := range args {
				data, err := p.readPeople(name)
				if err != nil {
					return fmt.Errorf("read the directory of people: %w", err)
				}
				out.Files = append(out.Files, judgePeople(name, data))
			}
			return p.report(out.Files, out)
		},
	}
}

// readPeople reads a file, or standard input, one byte more than a directory may have: what is too large is said
// with all else that is wrong.
func (p *program) readPeople(name string) ([]byte, error) {
	in := p.o.Stdin
	if name != "-" {
		f, err := os.Open(p.path(name))
		if err != nil {
			return nil, err
		}
		defer f.Close()
		in = f
	}
	return io.ReadAll(io.LimitReader(in, yamldoc.MaxSize+1))
}

func judgePeople(name string, data []byte) validated {
	file, err := identity.Read(name, data)
	var problems release.Problems
	if errors.As(err, &problems) {
		return validated{File: name, Problems: problems}
	}
	accounts := 0
	for _, one := range file.People {
		accounts += len(one.GitHub) + len(one.Email) + len(one.Slack) + len(one.DingTalk) + len(one.API)
	}
	who := "1 person"
	if n := len(file.People); n != 1 {
		who = fmt.Sprintf("%d people", n)
	}
	return validated{File: name, OK: true, Summary: fmt.Sprintf("%s with %s", who, plural(accounts, "account"))}
}
