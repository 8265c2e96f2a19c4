package policy

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

const (
	// manifestName is where a bundle says what it is.
	manifestName = ".manifest"
	// longestRevision is in characters, and holds a hash with a name before it.
	longestRevision = 128
)

// manifest is what a bundle says of itself.
type manifest struct {
	// Revision is what its makers call it; empty is nothing. Two bundles may be called the same, so it is only shown.
	Revision string `json:"revision"`
	// Roots are the packages that it may have, with slashes; nil is any.
	Roots *[]string `json:"roots"`
}

// readManifest reads a manifest and checks what people will see of it.
func readManifest(text []byte) (manifest, error) {
	var out manifest
	if err := json.Unmarshal(text, &out); err != nil {
		return manifest{}, fmt.Errorf("the bundle's %s cannot be read: %w", manifestName, err)
	}
	if !utf8.ValidString(out.Revision) || utf8.RuneCountInString(out.Revision) > longestRevision {
		return manifest{}, fmt.Errorf("the revision in the bundle's %s is no text of at most %d characters", manifestName, longestRevision)
	}
	if strings.ContainsFunc(out.Revision, func(r rune) bool { return !unicode.IsPrint(r) }) {
		return manifest{}, fmt.Errorf("the revision in the bundle's %s has characters that cannot be printed: %q", manifestName, out.Revision)
	}
	return out, nil
}

// covers says whether the roots have the packages, which are written with slashes. A package outside them is there by
// mistake, or would be another bundle's.
func (m manifest) covers(packages []string) error {
	if m.Roots == nil {
		return nil
	}
	var problems []error
	for _, name := range packages {
		if !m.has(name) {
			problems = append(problems, fmt.Errorf("package %s is outside the roots in the bundle's %s, which are %q: add it there, or take it out",
				strings.ReplaceAll(name, "/", "."), manifestName, *m.Roots))
		}
	}
	return errors.Join(problems...)
}

func (m manifest) has(name string) bool {
	for _, root := range *m.Roots {
		root = strings.Trim(root, "/")
		if root == "" || name == root || strings.HasPrefix(name, root+"/") {
			return true
		}
	}
	return false
}
