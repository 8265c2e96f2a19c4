package progress

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/skyisland/skyisland/internal/release"
)

const (
	// leastWidth and mostWidth bound the view: below, tables fall apart; above, lines are hard to read.
	leastWidth = 40
	mostWidth  = 140
	// usualEvents is how many of the last entries of the story are shown.
	usualEvents = 8
	// mostMoves and mostDetails bound what one release can make the view grow by.
	mostMoves   = 6
	mostDetails = 10
)

// Render is a release as people see it at a time, in at most width columns. Its lines end with a
// newline each. Times are shown in now's zone.
func Render(status release.Status, now time.Time, width int, color bool) string {
	return frame(status, now, width, color, usualEvents)
}

// frame is [Render] with the number of last entries to show.
func frame(status release.Status, now time.Time, width int, color bool, events int) string {
	v := view{status: status, now: now, width: min(max(width, leastWidth), mostWidth)}
	parts := [][]line{v.header(), v.way(), v.moves(), v.split(), v.steps(), v.evidence(), v.waiting(), v.cause(), v.story(events)}
	var b strings.Builder
	for _, part := range parts {
		if len(part) == 0 {
			continue
		}
		if b.Len() > 0 {
			b.WriteByte('\n')
		}
		for _, l := range part {
			b.WriteString(l.draw(v.width, color))
			b.WriteByte('\n')
		}
	}
	return b.String()
}

// view is what is drawn: each of its methods is one part, nil when there is nothing to show.
type view struct {
	status release.Status
	now    time.Time
	width  int
}

func (v view) header() []line {
	s := v.status
	phase := string(s.Phase)
	if s.Paused {
		phase += ", paused"
	}
	right := line{in(bold, phase)}
	right[0].look = phaseLook(s)
	if !s.Since.IsZero() && !s.Phase.Ended() {
		right = right.and(text(" " + elapsed(v.now.Sub(s.Since))))
	}
	second := line{}
	if !s.Requested.IsZero() {
		until := v.now
		if s.Phase.Ended() {
			until = s.Since
		}
		second = line{in(dim, elapsed(until.Sub(s.Requested))+" in all")}
	}
	who := line{in(cyan, short(s.Commit))}
	if s.Ref != "" {
		who = who.and(text("  ")).and(in(dim, release.RefName(s.Ref)))
	}
	if s.Message != "" {
		who = who.and(text("  ")).and(text(firstLine(s.Message)))
	}
	by := line{text(s.Requester.String())}
	out := []line{apart(line{in(bold, s.ID.String())}, right, v.width), apart(who, by, v.width)}
	if len(second) > 0 {
		plan := line{}
		if s.PlanHash != "" {
			plan = line{in(dim, "plan "+short(s.PlanHash))}
		}
		out = append(out, apart(plan, second, v.width))
	}
	return out
}

// phaseLook is the colour of a phase: red is trouble, yellow wants somebody's attention.
func phaseLook(s release.Status) look {
	switch {
	case s.Phase == release.Completed:
		return green
	case s.Phase == release.RollingBack || s.Phase.Ended():
		return red
	case s.Paused || s.Phase == release.Approving:
		return yellow
	default:
		return bold
	}
}

// station is a phase of the way, with the name people see.
type station struct {
	phase release.Phase
	name  string
}

func stations() []station {
	return []station{
		{release.Admitting, "admit"}, {release.Building, "build"}, {release.Testing, "test"}, {release.Deploying, "deploy"},
		{release.Verifying, "cases"}, {release.Pressing, "pressure"}, {release.Approving, "approval"},
		{release.Ramping, "ramp"}, {release.CuttingOver, "cutover"}, {release.Watching, "watch"},
	}
}

// reached is the index of the station the release is at, or left its way from; -1 is before the first.
func (v view) reached() int {
	all := stations()
	at := -1
	for i, station := range all {
		if v.status.Phase == station.phase {
			return i
		}
		for _, entry := range v.status.Timeline {
			if entry.Phase == station.phase {
				at = i
			}
		}
	}
	if v.status.Phase == release.Completed {
		return len(all)
	}
	return at
}

// way shows which phases are done, which one is under way or was left, and which are to come.
func (v view) way() []line {
	at := v.reached()
	left := v.status.Phase == release.RollingBack || (v.status.Phase.Ended() && v.status.Phase != release.Completed)
	var out []line
	var current line
	for i, station := range stations() {
		s := in(dim, "○ "+station.name)
		switch {
		case i < at:
			s = in(green, "✓ "+station.name)
		case i == at && left:
			s = in(red, "✗ "+station.name)
		case i == at:
			s = in(bold, "● "+station.name)
		}
		if current.width() > 0 && current.width()+2+Width(s.text) > v.width {
			out = append(out, current)
			current = nil
		}
		if len(current) > 0 {
			current = current.and(text("  "))
		}
		current = current.and(s)
	}
	out = append(out, current)
	if v.status.Phase == release.RollingBack || v.status.Phase == release.RolledBack {
		word := "↩ all traffic is back at stable"
		if v.status.Phase == release.RollingBack {
			word = "↩ all traffic goes back to stable"
		}
		out = append(out, line{in(yellow, word)})
	}
	return out
}

// moves shows which revisions change into which.
func (v view) moves() []line {
	plan := release.Plan{Moves: v.status.Moves}
	changed := plan.Changed()
	if len(v.status.Moves) > 0 && len(changed) == 0 {
		return []line{{in(dim, "nothing changes: every component is stable already")}}
	}
	name := 0
	for _, m := range changed {
		name = max(name, Width(m.Component))
	}
	var out []line
	for _, m := range changed[:min(len(changed), mostMoves)] {
		from := "new"
		if m.Stable != nil {
			from = m.Stable.ID
		}
		l := line{text(Pad(m.Component, name)), in(dim, "  "+from+" → "), text(m.Candidate.ID)}
		if len(out) == 0 && len(v.status.Units) > 0 {
			l = apart(l, line{in(dim, "units "+strings.Join(v.status.Units, ", "))}, v.width)
		}
		out = append(out, l)
	}
	if more := len(changed) - mostMoves; more > 0 {
		out = append(out, line{in(dim, fmt.Sprintf("and %d more", more))})
	}
	return out
}

// waiting shows what the release waits for, until when, and how a person can answer.
func (v view) waiting() []line {
	s := v.status
	var out []line
	if s.Waiting != nil && !s.Phase.Ended() {
		words := s.Waiting.For
		if until := s.Waiting.Until; !until.IsZero() {
			at := v.clock(until)
			if left := until.Sub(v.now); left > 0 {
				words += fmt.Sprintf(": %s left, until %s", elapsed(left), at)
			} else {
				words += fmt.Sprintf(": since %s only for that", at)
			}
		}
		for i, w := range wrap(words, v.width-labelWidth, 2) {
			out = append(out, line{label(i, "WAITING"), in(yellow, w)})
		}
	}
	for i, a := range s.Approvals {
		words := fmt.Sprintf("%s at %s", a.By, v.clock(a.At))
		if a.Comment != "" {
			words += ": " + a.Comment
		}
		out = append(out, line{label(i, "APPROVED"), text(words)})
	}
	if s.Phase == release.Approving && s.PlanHash != "" {
		out = append(out, v.answer()...)
	}
	return out
}

// answer is the command that approves, whole: it is there to be copied.
func (v view) answer() []line {
	command, plan := "skyisland release approve "+v.status.ID.String(), "--plan "+short(v.status.PlanHash)
	if labelWidth+Width(command)+1+Width(plan) <= v.width {
		return []line{{label(0, "ANSWER"), in(cyan, command+" "+plan)}}
	}
	return []line{
		{label(0, "ANSWER"), in(cyan, "skyisland release approve \\")},
		{label(1, ""), in(cyan, "  "+v.status.ID.String()+" \\")},
		{label(1, ""), in(cyan, "  "+plan)},
	}
}

// clock is a time of day in the viewer's zone, with its day when that is another one.
func (v view) clock(t time.Time) string {
	t = t.In(v.now.Location())
	if t.Format(time.DateOnly) != v.now.Format(time.DateOnly) {
		return t.Format("2 Jan 15:04:05")
	}
	return t.Format(time.TimeOnly)
}

// cause shows why the release left its way.
func (v view) cause() []line {
	c := v.status.Cause
	if c == nil {
		return nil
	}
	var out []line
	for i, w := range wrap(c.Message, v.width-labelWidth, 6) {
		out = append(out, line{label(i, "WHY"), in(red, w)})
	}
	// The end of an output says what went wrong.
	for _, detail := range c.Details[max(0, len(c.Details)-mostDetails):] {
		out = append(out, line{label(1, ""), in(dim, detail)})
	}
	return out
}

// story shows the last things that happened.
func (v view) story(events int) []line {
	entries := v.status.Timeline[max(0, len(v.status.Timeline)-events):]
	name := 0
	for _, e := range entries {
		name = max(name, len(e.Phase))
	}
	var out []line
	for _, e := range entries {
		out = append(out, line{
			in(dim, v.clock(e.At)), text("  "),
			in(dim, Pad(string(e.Phase), name)), text("  "), text(e.Message),
		})
	}
	return out
}

const labelWidth = 10

// label is a part's name in its first line, and its margin in the others.
func label(index int, name string) span {
	if index > 0 {
		name = ""
	}
	return in(dim, Pad(name, labelWidth))
}

// short is the beginning of a commit or hash, as people know it.
func short(hash string) string { return hash[:min(12, len(hash))] }

func firstLine(s string) string {
	first, _, _ := strings.Cut(strings.TrimSpace(s), "\n")
	return first
}

// elapsed is a length of time in the two units that matter.
func elapsed(d time.Duration) string {
	d = max(0, d).Round(time.Second)
	days := d / (24 * time.Hour)
	parts := []string{}
	for _, u := range []struct {
		n    time.Duration
		name string
	}{{days, "d"}, {d / time.Hour % 24, "h"}, {d / time.Minute % 60, "m"}, {d / time.Second % 60, "s"}} {
		if u.n > 0 || len(parts) > 0 {
			parts = append(parts, fmt.Sprintf("%d%s", u.n, u.name))
		}
	}
	if len(parts) == 0 {
		return "0s"
	}
	parts = slices.DeleteFunc(parts[:min(2, len(parts))], func(p string) bool { return p[0] == '0' })
	return strings.Join(parts, " ")
}
