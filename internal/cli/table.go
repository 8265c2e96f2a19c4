package cli

import (
	"fmt"
	"io"
	"strings"

	"github.com/skyisland/skyisland/internal/cli/progress"
)

// table writes rows in columns as wide as they need to be, cut at width; 0 cuts nothing. The first row
// is the head.
func table(w io.Writer, width int, rows ...[]string) {
	var widths []int
	for _, row := range rows {
		for i, cell := range row {
			if i == len(widths) {
				widths = append(widths, 0)
			}
			widths[i] = max(widths[i], progress.Width(progress.Clean(cell)))
		}
	}
	for _, row := range rows {
		var b strings.Builder
		for i, cell := range row {
			if i > 0 {
				b.WriteString("  ")
			}
			b.WriteString(progress.Pad(progress.Clean(cell), widths[i]))
		}
		line := strings.TrimRight(b.String(), " ")
		if width > 0 {
			line = progress.Truncate(line, width)
		}
		fmt.Fprintln(w, line)
	}
}

// beforeHelp is of the flag that goes on after a page, and more says that there is one to go on with.
const beforeHelp = "go on after a page: the \"next\" of that page"

func more(w io.Writer, next string) {
	if next != "" {
		fmt.Fprintf(w, "There are more: --before %s\n", next)
	}
}

// noted writes a table with what there is to say of each row below it, for what would find no room beside it; notes has
// one for each row but the head, and empty ones leave no line.
func noted(w io.Writer, width int, notes []string, rows ...[]string) {
	var b strings.Builder
	table(&b, width, rows...)
	for i, line := range strings.Split(strings.TrimSuffix(b.String(), "\n"), "\n") {
		fmt.Fprintln(w, line)
		if i == 0 || notes[i-1] == "" {
			continue
		}
		note := "    " + progress.Clean(notes[i-1])
		if width > 0 {
			note = progress.Truncate(note, width)
		}
		fmt.Fprintln(w, note)
	}
}

// width is how wide a table may be: the terminal's width, and 0 for no bound elsewhere.
func (p *program) width() int {
	width, _, terminal := p.o.Screen()
	if !terminal {
		return 0
	}
	return width
}
