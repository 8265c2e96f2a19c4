package cli

import (
	"fmt"
	"io"
	"runtime"

	"github.com/spf13/cobra"
)

func (p *program) version() *cobra.Command {
	return &cobra.Command{
		Use: "version", Short: "Print the version of this program", Args: between(0, 0),
		RunE: func(*cobra.Command, []string) error {
			platform := runtime.GOOS + "/" + runtime.GOARCH
			return p.print(map[string]string{"version": p.o.Version, "go": runtime.Version(), "platform": platform}, func(w io.Writer) {
				fmt.Fprintf(w, "skyisland %s (%s, %s)\n", p.o.Version, runtime.Version(), platform)
			})
		},
	}
}
