package yamldoc

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/skyisland/skyisland/internal/release"
)

// maxProblems bounds what a hostile or hopeless file can make us say.
const maxProblems = 100

// position is a place in the file, counted from 1.
type position struct{ line, column int }

// Document knows where in a file every value of it was, and collects what is wrong with it.
type Document struct {
	file string
	// keys and values are the positions of what was read, by path. An item of a list has no key.
	keys, values map[string]position
	// wrong are the paths with a problem; what lies below them could not be read.
	wrong map[string]bool
	// broken are the top-level fields whose text is no YAML. What was salvaged from them is in the
	// value read, but nothing is known to be missing from them.
	broken   map[string]bool
	problems release.Problems
	dropped  int
}

// Has says whether the file has something at a path, be it right or wrong.
func (d *Document) Has(path string) bool {
	if _, ok := d.values[path]; ok {
		return true
	}
	return !d.Sound(path)
}

// Sound says whether nothing is wrong at the path and above it, so that a judgement on its value
// would not repeat what has been said.
func (d *Document) Sound(path string) bool {
	if d.wrong[""] {
		return false // Nothing of the file could be read.
	}
	for at := path; at != ""; at = parent(at) {
		if d.wrong[at] || d.broken[at] {
			return false
		}
	}
	return true
}

// Report adds a problem with the value at a path. When there is no such value the problem is placed
// at the nearest thing above it. A path that has a problem already gets no second one.
func (d *Document) Report(path, message, fix string) {
	if !d.Sound(path) {
		return
	}
	d.wrong[path] = true
	d.add(release.Problem{Path: path, Message: message, Fix: fix}, d.place(path))
}

// place is where the value at a path is, or else the nearest key above it.
func (d *Document) place(path string) position {
	if at, ok := d.values[path]; ok {
		return at
	}
	for at := parent(path); at != ""; at = parent(at) {
		if found, ok := d.keys[at]; ok {
			return found
		}
		if found, ok := d.values[at]; ok {
			return found
		}
	}
	return position{1, 1}
}

func (d *Document) add(p release.Problem, at position) {
	if len(d.problems) == maxProblems {
		d.dropped++
		return
	}
	p.File, p.Line, p.Column = d.file, at.line, at.column
	d.problems = append(d.problems, p)
}

// Err is everything that is wrong as [release.Problems] in the order of the file, and nil when
// nothing is.
func (d *Document) Err() error {
	if len(d.problems) == 0 {
		return nil
	}
	out := slices.Clone(d.problems)
	slices.SortStableFunc(out, func(a, b release.Problem) int {
		return cmp.Or(cmp.Compare(a.Line, b.Line), cmp.Compare(a.Column, b.Column))
	})
	if d.dropped > 0 {
		out = append(out, release.Problem{File: d.file, Message: fmt.Sprintf("and %d more problems", d.dropped)})
	}
	return out
}

// parent is the path one level up: a.b[0] is in a.b, which is in a.
func parent(path string) string {
	if strings.HasSuffix(path, `"]`) {
		if at := strings.LastIndex(path, `["`); at >= 0 {
			return path[:at]
		}
	}
	return path[:max(strings.LastIndexAny(path, ".["), 0)]
}

// Child is the path of a key in the mapping at a path. A key that would be mistaken for a path is quoted.
func Child(path, key string) string {
	plain := key != "" && strings.IndexFunc(key, func(r rune) bool {
		return r == '.' || r == '[' || r == ']' || r == '"' || r <= ' ' || r == 0x7f
	}) < 0
	switch {
	case !plain:
		return path + fmt.Sprintf("[%q]", key)
	case path == "":
		return key
	default:
		return path + "." + key
	}
}

// Line is the line of the value at a path, or of the nearest thing above it.
func (d *Document) Line(path string) int { return d.place(path).line }
