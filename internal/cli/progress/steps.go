package progress

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/skyisland/skyisland/internal/release"
)

// bar is a horizontal bar of width columns, filled by a fraction. Something is never drawn as
// nothing, and less than everything never as everything.
func bar(fraction float64, width int, filled look) line {
	n := int(fraction*float64(width) + 0.5)
	if fraction > 0 {
		n = max(n, 1)
	}
	if fraction < 1 {
		n = min(n, width-1)
	}
	n = min(max(n, 0), width)
	return line{in(filled, strings.Repeat("█", n)), in(dim, strings.Repeat("░", width-n))}
}

// split shows how traffic is shared between canary and stable.
func (v view) split() []line {
	s := v.status
	if !s.Phase.MovesTraffic() && s.Phase != release.RollingBack {
		return nil
	}
	left, right := "canary "+s.Weight.String()+" ", " stable "+(release.FullWeight-s.Weight).String()
	room := v.width - Width(left) - Width(right)
	out := line{in(cyan, left)}
	out = append(out, bar(s.Weight.Fraction(), room, cyan)...)
	return []line{out.and(text(right))}
}

// The marks of a step.
const (
	markDone = "✓"
	markNow  = "●"
	markNext = "○"
	markLeft = "✗"
)

// steps shows the ramp as a table, with how far the step under way has come.
func (v view) steps() []line {
	s := v.status
	if len(s.Steps) == 0 {
		return nil
	}
	out := []line{{in(dim, "  STEP       WEIGHT  BAKE")}}
	for i, step := range s.Steps {
		name := strconv.Itoa(i + 1)
		if step.Probe {
			name += " probe"
		}
		mark, look := v.mark(i)
		l := line{in(look, mark+" "+Pad(name, 9)+padLeft(step.Weight.String(), 8)+"  "), in(rowLook(look), Pad(step.Bake.String(), 6))}
		if mark == markNow {
			l = append(l, v.stepProgress(l.width())...)
		}
		out = append(out, l)
	}
	mark, look := v.markCutover()
	return append(out, line{in(look, mark+" "+Pad("cutover", 9)+padLeft(release.FullWeight.String(), 8))})
}

func rowLook(l look) look {
	if l == bold {
		return plain
	}
	return dim
}

// mark is where a step is: done, now, next, or where the release left its way.
func (v view) mark(index int) (string, look) {
	s := v.status
	switch {
	case index < s.Step || v.passed(release.Ramping):
		return markDone, green
	case index > s.Step:
		return markNext, dim
	case s.Phase == release.Ramping:
		return markNow, bold
	default:
		return markLeft, red
	}
}

func (v view) markCutover() (string, look) {
	switch {
	case v.passed(release.CuttingOver):
		return markDone, green
	case v.status.Phase == release.CuttingOver:
		return markNow, bold
	case v.passed(release.Ramping):
		return markLeft, red
	default:
		return markNext, dim
	}
}

// passed says whether the release has this phase behind it.
func (v view) passed(phase release.Phase) bool {
	return v.reached() > slices.IndexFunc(stations(), func(s station) bool { return s.phase == phase })
}

// stepProgress is the evidence of the step under way, as far as there is room beside the table.
func (v view) stepProgress(used int) line {
	e := v.status.Evidence
	if e == nil {
		return nil
	}
	if e.Needed <= 0 {
		return line{text(count(e.StepRequests) + " requests")}
	}
	words := fmt.Sprintf("%s of %s requests", count(min(e.StepRequests, e.Needed)), count(e.Needed))
	out := line{text(words)}
	if room := min(v.width-used-Width(words)-2, 30); room >= 8 {
		out = append(out.and(text("  ")), bar(min(1, float64(e.StepRequests)/float64(e.Needed)), room, green)...)
	}
	return out
}

// evidence shows what is known of the canary, and what it means.
func (v view) evidence() []line {
	e := v.status.Evidence
	if e == nil {
		return nil
	}
	looks := map[release.Verdict]look{release.VerdictPass: green, release.VerdictFail: red, release.VerdictBlind: yellow}
	verdict := string(e.Verdict)
	if e.Hold {
		verdict += ", on hold"
	}
	out := []line{{label(0, "EVIDENCE"), in(looks[e.Verdict], verdict)}}
	for _, w := range wrap(e.Sentence, v.width-labelWidth, 3) {
		out = append(out, line{label(1, ""), text(w)})
	}
	column := max(8, len(count(max(e.CanaryRequests, e.StableRequests))))
	row := func(name string, requests, bad int64) line {
		look := plain
		if bad > 0 {
			look = yellow
		}
		return line{
			label(1, ""), text(Pad(name, 8) + padLeft(count(requests), column)), in(look, padLeft(count(bad), 8)),
			text(padLeft(share(bad, requests), 9)),
		}
	}
	return append(out,
		line{label(1, ""), in(dim, Pad("", 8)+padLeft("requests", column)+padLeft("bad", 8)+padLeft("share", 9))},
		row("canary", e.CanaryRequests, e.CanaryBad),
		row("stable", e.StableRequests, e.StableBad),
		line{label(1, ""), in(dim, fmt.Sprintf("evidence against the canary %.3g, p-value %.2g", e.Wealth, e.PValue))},
	)
}

func share(part, whole int64) string {
	if whole == 0 {
		return "-"
	}
	return fmt.Sprintf("%.2f%%", 100*float64(part)/float64(whole))
}
