package cli

import (
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"

	"github.com/skyisland/skyisland/internal/cli/progress"
)

// plainWidth is the width of views where no terminal says another.
const plainWidth = 100

func (p *program) releaseShow() *cobra.Command {
	return &cobra.Command{
		Use: "show [RELEASE]", Short: "Show how a release is; the newest by default", Args: between(0, 1),
		Long: "Shows how a release is; the newest by default.\n\n" + releaseHelp,
		RunE: func(cmd *cobra.Command, args []string) error {
			c, id, err := p.about(cmd.Context(), first(args))
			if err != nil {
				return err
			}
			status, err := c.Release(cmd.Context(), id)
			if err != nil {
				return err
			}
			return p.print(status, func(w io.Writer) {
				width := p.width()
				if width == 0 {
					width = plainWidth
				}
				fmt.Fprint(w, progress.Render(status, time.Now(), width, p.color()))
			})
		},
	}
}

func first(args []string) string {
	if len(args) == 0 {
		return ""
	}
	return args[0]
}
