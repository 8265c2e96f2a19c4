package cli

import (
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/skyisland/skyisland/internal/cli/progress"
	"github.com/skyisland/skyisland/internal/release"
)

// shownProblems is how many statements that do not hold are shown of an artifact about which none does.
const shownProblems = 5

// tell shows people the newest statement of each artifact that holds, and why the others do not where none does.
func (out verified) tell(p *program) func(w io.Writer) {
	return func(w io.Writer) {
		rows := [][]string{{"VERDICT", "SUBJECT", "SOURCE", "COMMIT", "BUILDER", "BUILT", "KEY"}}
		var problems []string
		for _, a := range out.Artifacts {
			row, why := a.row()
			rows, problems = append(rows, row), append(problems, why...)
		}
		if out.Release != nil {
			fmt.Fprintf(w, "%s\n\n", out.Release)
		}
		table(w, p.width(), rows...)
		for i, problem := range problems {
			if i == 0 {
				fmt.Fprintln(w)
			}
			fmt.Fprintln(w, progress.Clean(problem))
		}
		fmt.Fprintf(w, "\nArtifact: %s\nKeys: %s\n", out.Content, out.keysSentence())
		switch {
		case out.Verified:
			fmt.Fprintln(w, "Verified.")
		case out.wrongFile:
			fmt.Fprintln(w, "NOT verified: the file is another one.")
		default:
			fmt.Fprintln(w, "NOT verified.")
		}
	}
}

func (out verified) keysSentence() string {
	ids := make([]string, len(out.Keys))
	for i, id := range out.Keys {
		ids[i] = shortHash(id)
	}
	sentence := out.Trust + ": " + strings.Join(ids, ", ")
	if !strings.Contains(out.Trust, "--key") {
		sentence += ". This trusts the server; --key FILE takes a key that you have from elsewhere"
	}
	return sentence
}

// row is an artifact in the table, with why nothing is proven of it.
func (a verifiedArtifact) row() (cells, problems []string) {
	name := a.Component
	if name == "" {
		name = "sha256:" + shortHash(a.Artifact.Hex())
	}
	var shown verifiedStatement
	for _, s := range a.Statements {
		if s.Verified {
			shown = s
			break
		}
		if shown.Builder == "" {
			shown = s // one that holds, and says something else than is wanted
		}
		// Several builds of the same bytes mostly fail in the same way.
		if problem := name + ": " + s.Problem; !slices.Contains(problems, problem) {
			problems = append(problems, problem)
		}
	}
	if shown.Verified {
		problems = nil
	}
	if len(a.Statements) == 0 {
		problems = []string{name + ": nothing is stated about " + string(a.Artifact)}
	}
	if more := len(problems) - shownProblems; more > 0 {
		problems = append(problems[:shownProblems], fmt.Sprintf("%s: and %d more that do not hold", name, more))
	}
	verdict, subject := "no", shown.Subject
	if shown.Verified {
		verdict = "verified"
	}
	if subject == "" {
		subject = name
	}
	return []string{
		verdict, subject, or(source(shown), "-"), or(shortHash(shown.Commit), "-"), or(shown.Builder, "-"), builtAt(shown), or(keyNames(shown.Keys), "-"),
	}, problems
}

func source(s verifiedStatement) string {
	if s.Ref == "" {
		return s.Repository
	}
	return s.Repository + "@" + release.RefName(s.Ref)
}

func keyNames(ids []string) string {
	var names []string
	for _, id := range ids {
		names = append(names, shortHash(id))
	}
	return strings.Join(names, ",")
}

func builtAt(s verifiedStatement) string {
	if s.Built.IsZero() {
		return "-"
	}
	return moment(s.Built)
}
