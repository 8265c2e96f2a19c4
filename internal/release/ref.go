package release

import "strings"

// RefName is how people call a ref: a branch or a tag without what git puts before its name. Another ref keeps its full name.
func RefName(ref string) string {
	for _, prefix := range []string{"refs/heads/", "refs/tags/"} {
		if name, ok := strings.CutPrefix(ref, prefix); ok {
			return name
		}
	}
	return ref
}
