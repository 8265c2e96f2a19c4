package router

import "github.com/skyisland/skyisland/internal/release"

// usual tells what happened in the words of the release's own story.
var usual = Template{
	Title: `{{if .Release}}{{.Release}}: {{end}}{{.Message}}`,
	Lines: []string{`{{range .Details}}{{.}}
{{end}}`},
}

// usualOf is how an event is told by whose configuration says nothing else. What somebody has to act on says first what
// it is, then why, and last what can be done.
func usualOf(kind release.EntryKind) Template {
	switch kind {
	case release.EntryAsked:
		// All that is asked, and of whom, is in the question below.
		return Template{Title: `{{.Release}} asks for approval`}
	case release.EntryReminded:
		return Template{Title: `{{.Release}} still waits for approval`, Lines: []string{`{{.Message}}`}}
	case release.EntryEscalated:
		return Template{Title: `{{.Release}} waits, and nobody has decided`, Lines: []string{`{{.Message}}`}}
	case release.EntryHeld:
		return Template{
			Title: `{{.Release}} is held`,
			Lines: []string{
				`{{.Message}}`,
				`{{range .Details}}**Rule** {{.}}
{{end}}`,
				`It goes on by itself when the rules allow it.`,
			},
		}
	case release.EntryBlind:
		return Template{
			Title: `{{.Release}} cannot be judged`,
			Lines: []string{
				`{{.Message}}`, usual.Lines[0],
				`**Look** whether {{.Application}} gets requests in {{.Environment}} at all: without any the ramp goes no further.`,
			},
		}
	case release.EntryStopped:
		return Template{
			Title: `{{.Release}} {{if .Phase.MovesTraffic}}is rolled back{{else}}ends before any traffic{{end}}: {{.Message}}`,
			Lines: []string{
				`{{if .Phase}}**While** {{.Phase}}{{end}}`, usual.Lines[0],
				`{{if .Phase.MovesTraffic}}Requests go back to what is stable by themselves: nobody has to do anything for that.{{end}}`,
			},
		}
	case release.EntryEnded:
		return Template{
			Title: `{{.Release}} {{if eq .Phase "completed"}}is stable: it has all traffic{{else if eq .Phase "rolled-back"}}has been rolled back{{else}}has ended: {{.Message}}{{end}}`,
			Lines: []string{usual.Lines[0], `{{if .Requester}}**Asked for by** {{.Requester}}{{end}}`},
		}
	default:
		return usual
	}
}
