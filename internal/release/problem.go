package release

import (
	"errors"
	"fmt"
	"strings"
)

// What callers branch on. Everything else is wrapped with what was being done.
var (
	// ErrNotFound is returned for an application, release or revision nobody knows.
	ErrNotFound = errors.New("not found")
	// ErrTooLarge is returned for a file that has more than what is read of one.
	ErrTooLarge = errors.New("too large")
	// ErrFinished is returned for an instruction to a release that has ended.
	ErrFinished = errors.New("release has ended")
	// ErrLapsed is returned for a weight on a route whose lease has run out, which begins no new ramp.
	ErrLapsed = errors.New("the lease ran out")
	// ErrConflict is returned for a write that is older than what is there, or contradicts it.
	ErrConflict = errors.New("conflict")
)

// Problem is one thing that is wrong with what a person wrote, with its place and its remedy.
type Problem struct {
	// File is the path as the person knows it, Line and Column count from 1; 0 is unknown.
	File   string `json:"file,omitempty"`
	Line   int    `json:"line,omitempty"`
	Column int    `json:"column,omitempty"`
	// Path is the place inside the document, such as environments.production.ramp.steps[1].
	Path string `json:"path,omitempty"`
	// Message says what is wrong, Fix what would be right.
	Message string `json:"message"`
	Fix     string `json:"fix,omitempty"`
}

// String is one line: file:line:column: path: message (fix).
func (p Problem) String() string {
	var b strings.Builder
	if p.File != "" {
		b.WriteString(p.File)
		if p.Line > 0 {
			fmt.Fprintf(&b, ":%d:%d", p.Line, p.Column)
		}
		b.WriteString(": ")
	}
	if p.Path != "" {
		b.WriteString(p.Path + ": ")
	}
	b.WriteString(p.Message)
	if p.Fix != "" {
		b.WriteString("; " + p.Fix)
	}
	return b.String()
}

// Problems is everything that is wrong, in the order of the document. It is an error; an empty one
// is never returned as such.
type Problems []Problem

// Error lists the problems, a line each.
func (p Problems) Error() string {
	lines := make([]string, len(p))
	for i, problem := range p {
		lines[i] = problem.String()
	}
	return strings.Join(lines, "\n")
}
