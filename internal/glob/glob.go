// Package glob matches names with slashes in them, such as tags and the paths of files, against what people write in a
// manifest: * is anything but a slash, ** anything, ? one character, [a-z] one of a range, {a,b} one of several.
package glob

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/gobwas/glob"
)

// limit bounds a pattern, in bytes.
const limit = 256

// Check says what is wrong with a pattern, and nil when it can be matched.
func Check(pattern string) error {
	_, err := compile(pattern)
	return err
}

func compile(pattern string) (*glob.Pattern, error) {
	switch {
	case pattern == "":
		return nil, errors.New("an empty pattern matches nothing")
	case len(pattern) > limit:
		return nil, fmt.Errorf("the pattern has %d bytes, more than %d", len(pattern), limit)
	}
	compiled, err := glob.Compile(pattern, '/')
	if err != nil {
		return nil, fmt.Errorf("%q is not a pattern: %w", pattern, err)
	}
	return compiled, nil
}

// Set is patterns, ready to be matched.
type Set []*glob.Pattern

// New is a set of patterns. What [Check] refuses matches nothing.
func New(patterns ...string) Set {
	var set Set
	for _, pattern := range patterns {
		if compiled, err := compile(pattern); err == nil {
			set = append(set, compiled)
		}
	}
	return set
}

// Match says whether a name is as one of the patterns.
func (s Set) Match(name string) bool {
	return slices.ContainsFunc(s, func(p *glob.Pattern) bool { return p.Match(name) })
}

// Under says whether a file is as one of the patterns, or in a folder that is: libs/common holds libs/common/a/b.go.
func (s Set) Under(file string) bool {
	for {
		if s.Match(file) {
			return true
		}
		cut := strings.LastIndexByte(file, '/')
		if cut < 0 {
			return false
		}
		file = file[:cut]
	}
}

// Within says whether a file is in a folder, or under one of the patterns.
func Within(folder string, patterns []string) func(file string) bool {
	return New(append([]string{Quote(folder)}, patterns...)...).Under
}

// Quote is the pattern of one name alone.
func Quote(name string) string { return glob.QuoteMeta(name) }
