package cli

import (
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"github.com/skyisland/skyisland/internal/api"
	"github.com/skyisland/skyisland/internal/api/client"
	"github.com/skyisland/skyisland/internal/cli/progress"
	"github.com/skyisland/skyisland/internal/dispatch"
	"github.com/skyisland/skyisland/internal/release"
)

// followed is what became of an instruction.
type followed struct {
	Release     string               `json:"release"`
	Instruction dispatch.Instruction `json:"instruction"`
	Phase       release.Phase        `json:"phase"`
	Message     string               `json:"message"`
}

func (p *program) releaseInstruct(what dispatch.Instruction, short string) *cobra.Command {
	var comment string
	cmd := &cobra.Command{
		Use: string(what) + " RELEASE", Short: short, Long: short + ".\n\n" + releaseHelp, Args: between(1, 1),
		RunE: func(cmd *cobra.Command, args []string) error {
			c, id, err := p.about(cmd.Context(), args[0])
			if err != nil {
				return err
			}
			return p.instruct(cmd, c, id, what, api.InstructionBody{Comment: comment})
		},
	}
	cmd.Flags().StringVarP(&comment, "comment", "m", "", "why; it is kept with the instruction")
	return cmd
}

func (p *program) instruct(cmd *cobra.Command, c *client.Client, id release.ID, what dispatch.Instruction, body api.InstructionBody) error {
	answer, err := c.Instruct(cmd.Context(), id, what, body)
	if err != nil {
		return err
	}
	out := followed{Release: id.String(), Instruction: what, Phase: answer.Phase, Message: answer.Message}
	return p.print(out, func(w io.Writer) {
		fmt.Fprintf(w, "%s: %s\n", id, progress.Clean(answer.Message))
	})
}
