package cli

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"os"

	"github.com/spf13/cobra"

	"github.com/skyisland/skyisland/internal/release"
)

func (p *program) artifact() *cobra.Command {
	return group(&cobra.Command{Use: "artifact", Short: "Show what releases are made of, and prove where it comes from"},
		p.artifactShow(), p.artifactVerify())
}

func (p *program) artifactShow() *cobra.Command {
	return &cobra.Command{
		Use: "show [RELEASE]", Short: "Show what a release is made of, by component; the newest by default", Args: between(0, 1),
		Long: "Shows the artifact of each component of a release; the newest release by default.\n\n" + releaseHelp,
		RunE: func(cmd *cobra.Command, args []string) error {
			c, id, err := p.about(cmd.Context(), first(args))
			if err != nil {
				return err
			}
			list, err := c.Artifacts(cmd.Context(), id)
			if err != nil {
				return err
			}
			return p.print(list, func(w io.Writer) {
				if len(list.Artifacts) == 0 {
					fmt.Fprintf(w, "%s has built nothing.\n", id)
					return
				}
				fmt.Fprintf(w, "%s, commit %s\n\n", id, shortHash(list.Commit))
				rows := [][]string{{"COMPONENT", "REVISION", "ARTIFACT"}}
				for _, a := range list.Artifacts {
					rows = append(rows, []string{a.Component, or(a.Revision, "-"), string(a.Artifact)})
				}
				table(w, p.width(), rows...)
			})
		},
	}
}

// readLimited reads a file of at most so many bytes.
func readLimited(file string, most int64) ([]byte, error) {
	f, err := os.Open(file)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, most+1))
	if err != nil {
		return nil, err
	}
	if int64(len(data)) > most {
		return nil, fmt.Errorf("%s has more than %d bytes", file, most)
	}
	return data, nil
}

// digestOf is what a file would be called as an artifact: an artifact's digest is the SHA-256 of its tar.
func digestOf(file string) (release.Digest, error) {
	f, err := os.Open(file)
	if err != nil {
		return "", err
	}
	defer f.Close()
	sum := sha256.New()
	if _, err := io.Copy(sum, f); err != nil {
		return "", fmt.Errorf("read %s: %w", file, err)
	}
	return release.Digest("sha256:" + hex.EncodeToString(sum.Sum(nil))), nil
}
