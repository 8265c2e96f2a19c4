package cli

import (
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/skyisland/skyisland/internal/manifest"
	"github.com/skyisland/skyisland/internal/release"
)

// manifestLimit bounds a manifest, in bytes; what is larger is no manifest.
const manifestLimit = 1 << 20

// validated is what was found out about one manifest.
type validated struct {
	File string `json:"file"`
	OK   bool   `json:"ok"`
	// Summary says what a good one is about.
	Summary string `json:"summary,omitempty"`
	// Notes are what a good one will not do well.
	Notes    []string         `json:"notes,omitempty"`
	Problems release.Problems `json:"problems,omitempty"`
}

func (p *program) validate() *cobra.Command {
	var schema bool
	cmd := &cobra.Command{
		Use: "validate [FILE...]", Short: "Say everything that is wrong with a skyisland.yaml", Args: between(0, -1),
		Long: "Reads manifests, " + manifest.FileName + " by default, and says everything that is wrong, each with its place and what would\n" +
			"be right. \"-\" is standard input. Needs no server.",
		RunE: func(_ *cobra.Command, args []string) error {
			if schema {
				fmt.Fprintln(p.o.Stdout, strings.TrimSpace(manifest.Schema()))
				return nil
			}
			if len(args) == 0 {
				args = []string{manifest.FileName}
			}
			return p.validateFiles(args)
		},
	}
	cmd.Flags().BoolVar(&schema, "schema", false, "print the JSON Schema of the format, for editors, and do nothing else")
	return cmd
}

func (p *program) validateFiles(names []string) error {
	out := struct {
		Files []validated `json:"files"`
	}{}
	for _, name := range names {
		data, err := p.readManifest(name)
		if err != nil {
			return err
		}
		out.Files = append(out.Files, judge(name, data))
	}
	return p.report(out.Files, out)
}

// report prints what was found out about files, and fails when one is wrong.
func (p *program) report(files []validated, all any) error {
	bad := false
	for _, v := range files {
		bad = bad || !v.OK
	}
	err := p.print(all, func(w io.Writer) {
		for _, v := range files {
			for _, problem := range v.Problems {
				fmt.Fprintln(w, problem)
			}
			if v.OK {
				fmt.Fprintln(w, v.File+" is good: "+v.Summary)
			}
			for _, note := range v.Notes {
				fmt.Fprintln(w, "note: "+note)
			}
		}
	})
	if err == nil && bad {
		err = &exitError{code: ExitError}
	}
	return err
}

func (p *program) readManifest(name string) ([]byte, error) {
	in := p.o.Stdin
	if name != "-" {
		file := p.path(name)
		if info, err := os.Stat(file); err == nil && info.IsDir() {
			file = filepath.Join(file, manifest.FileName)
		}
		f, err := os.Open(file)
		if err != nil {
			return nil, fmt.Errorf("read the manifest: %w", err)
		}
		defer f.Close()
		in = f
	}
	data, err := io.ReadAll(io.LimitReader(in, manifestLimit+1))
	if err != nil {
		return nil, fmt.Errorf("read the manifest: %w", err)
	}
	if len(data) > manifestLimit {
		return nil, fmt.Errorf("read the manifest: %s is larger than 1 MiB, so it is none", name)
	}
	return data, nil
}

func judge(name string, data []byte) validated {
	m, err := manifest.Read(name, data)
	if err == nil {
		return validated{File: name, OK: true, Summary: summary(m), Notes: m.Crowded()}
	}
	problems := manifest.ProblemsOf(err)
	if len(problems) == 0 {
		problems = release.Problems{{File: name, Message: err.Error()}}
	}
	return validated{File: name, Problems: problems}
}

// whence says what of an application's repository an environment releases.
func whence(e *manifest.Environment) string {
	switch {
	case e.After != "":
		return "after " + e.After
	case len(e.Tags) > 0:
		return "from tags " + strings.Join(e.Tags, " and ") + " of branch " + e.Branch
	case e.Preview != "":
		return "from pull requests labelled " + e.Preview
	}
	return "from branch " + e.Branch
}

// summary says what would be released, and where.
func summary(m *manifest.Manifest) string {
	var components, environments []string
	for _, c := range m.Components {
		components = append(components, c.Name)
	}
	for _, name := range slices.Sorted(maps.Keys(m.Environment)) {
		environments = append(environments, name+" "+whence(m.Environment[name]))
	}
	return fmt.Sprintf("%s/%s of %s goes to %s", m.Tenant, m.Application, strings.Join(components, ", "), strings.Join(environments, ", "))
}
