package notify

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/skyisland/skyisland/internal/release"
)

// What a word can say besides the instructions that releases understand.
const (
	WhatStatus = "status"
	WhatFreeze = "freeze"
)

// CommandHelp is how commands are written, for whoever wrote one that is not understood.
const CommandHelp = `status RELEASE
approve RELEASE PLAN [why], reject RELEASE PLAN [why]
pause, resume, promote, abort or rollback RELEASE [why]
freeze WHAT [DURATION] [why]
A RELEASE is tenant/application/environment/number, such as demo/hello/production/3; without the number it is the newest.
PLAN is at least the first 8 digits of the hash of the plan you were shown.
WHAT is a tenant, a tenant/application, a tenant/application/environment, or all; a DURATION is 30m or 2h.`

// Bounds of a command: enough for a reason in a sentence or two, and chats allow far more.
const (
	mostCommand = 4 << 10
	mostComment = 1000
	// planDigits is how much of a plan's hash names it, as on the command line.
	planDigits = 8
	// mostFreeze is the longest freeze a command declares: what is meant for longer belongs into the rules.
	mostFreeze = 31 * 24 * time.Hour
)

// ErrHelp is returned for a command that only asks how commands are written.
var ErrHelp = errors.New("help")

// ParseCommand reads what somebody wrote to us, without the name we were called by, into What, About, PlanHash, For
// and Comment of a word; PlanHash may be the beginning of one. Capitals do not matter in the command's name. Errors
// are sentences for whoever wrote it; [ErrHelp] is for nothing, or help.
func ParseCommand(text string) (Word, error) {
	if len(text) > mostCommand || !utf8.ValidString(text) {
		return Word{}, fmt.Errorf("a command is text of at most %d bytes", mostCommand)
	}
	fields := strings.Fields(text)
	if len(fields) == 0 || strings.EqualFold(fields[0], "help") {
		return Word{}, ErrHelp
	}
	word := Word{What: strings.ToLower(fields[0])}
	rest := fields[1:]
	var err error
	switch word.What {
	case WhatStatus:
		err = word.takeRelease(&rest)
		if err == nil && len(rest) > 0 {
			err = fmt.Errorf("status takes one release, and nothing after it: %q is too much", rest[0])
		}
	case "approve", "reject":
		if err = word.takeRelease(&rest); err == nil {
			err = word.takePlan(&rest)
		}
	case "pause", "resume", "promote", "abort", "rollback":
		err = word.takeRelease(&rest)
	case WhatFreeze:
		err = word.takeFreeze(&rest)
	default:
		err = fmt.Errorf("%q is no command: there are status, approve, reject, pause, resume, promote, abort, rollback and freeze", cut(word.What, 40))
	}
	if err != nil {
		return Word{}, err
	}
	word.Comment = cut(strings.Join(rest, " "), mostComment)
	return word, nil
}

func (w *Word) takeRelease(rest *[]string) error {
	if len(*rest) == 0 {
		return fmt.Errorf("%s which release? Write %s tenant/application/environment/number", w.What, w.What)
	}
	about := (*rest)[0]
	if _, err := release.ParseID(about); err != nil {
		if _, err := release.ParseLane(about); err != nil {
			return fmt.Errorf("%q is not a release: write tenant/application/environment/number, such as demo/hello/production/3", cut(about, 80))
		}
	}
	w.About, *rest = about, (*rest)[1:]
	return nil
}

// takePlan insists on the plan, because an answer counts for what was shown and a command shows nothing.
func (w *Word) takePlan(rest *[]string) error {
	if len(*rest) == 0 {
		return fmt.Errorf("%s which plan? Write %s %s and the first %d digits of the plan's hash, as the question shows it", w.What, w.What, w.About, planDigits)
	}
	plan := strings.ToLower(strings.TrimPrefix((*rest)[0], "sha256:"))
	if len(plan) < planDigits || len(plan) > 64 || strings.Trim(plan, "0123456789abcdef") != "" {
		return fmt.Errorf("%q is not a plan: write at least the first %d digits of its hash, as the question shows it", cut((*rest)[0], 80), planDigits)
	}
	w.PlanHash, *rest = plan, (*rest)[1:]
	return nil
}

func (w *Word) takeFreeze(rest *[]string) error {
	if len(*rest) == 0 {
		return errors.New("freeze what? Write freeze and a tenant, a tenant/application, a tenant/application/environment, or all")
	}
	about := (*rest)[0]
	if about != "all" {
		parts := strings.Split(about, "/")
		if len(parts) > 3 || slices.ContainsFunc(parts, func(p string) bool { return release.CheckName(p) != nil }) {
			return fmt.Errorf("%q cannot be frozen: write a tenant, a tenant/application, a tenant/application/environment, or all", cut(about, 80))
		}
	}
	w.About, *rest = about, (*rest)[1:]
	if len(*rest) == 0 || !strings.ContainsAny((*rest)[0][:1], "0123456789+-") {
		return nil // until it is lifted
	}
	last, err := time.ParseDuration((*rest)[0])
	if err != nil || last <= 0 || last > mostFreeze {
		return fmt.Errorf("%q is not how long a freeze lasts: write 30m or 2h, at most %d days, or nothing for until it is lifted", cut((*rest)[0], 40), mostFreeze/(24*time.Hour))
	}
	w.For, *rest = last, (*rest)[1:]
	return nil
}

// cut shortens a text to so many runes.
func cut(s string, most int) string {
	if utf8.RuneCountInString(s) <= most {
		return s
	}
	return string([]rune(s)[:most-1]) + "…"
}
