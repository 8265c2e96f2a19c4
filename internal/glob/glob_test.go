package glob_test

import (
	"strings"
	"testing"

	"github.com/skyisland/skyisland/internal/glob"
)

func TestMatch(t *testing.T) {
	for _, tt := range []struct {
		pattern, name string
		want          bool
	}{
		{"v*", "v1.2.3", true},
		{"v*", "release/v1", false},
		{"v*", "v1/rc", false},
		{"v**", "v1/rc", true},
		{"v[0-9]*.*", "v1.0", true},
		{"v[0-9]*.*", "vx.0", false},
		{"{api,web}-v?", "web-v2", true},
		{"{api,web}-v?", "web-v22", false},
		{"functions/*/go.mod", "functions/a/go.mod", true},
		{"[", "[", false}, // no pattern at all
		{"", "", false},
	} {
		if got := glob.New("other", tt.pattern).Match(tt.name); got != tt.want {
			t.Errorf("%q matches %q: %t", tt.pattern, tt.name, got)
		}
	}
}

func TestUnder(t *testing.T) {
	for _, tt := range []struct {
		pattern, file string
		want          bool
	}{
		{"libs/common", "libs/common/a/b.go", true},
		{"libs/common", "libs/common", true},
		{"libs/common", "libs/commons/a.go", false},
		{"libs/*", "libs/x/y/z.go", true},
		{"*.go", "main.go", true},
		{"*.go", "cmd/main.go", false},
		{"**.go", "cmd/main.go", true},
	} {
		if got := glob.New(tt.pattern).Under(tt.file); got != tt.want {
			t.Errorf("%q holds %q: %t", tt.pattern, tt.file, got)
		}
	}
}

func TestWithin(t *testing.T) {
	within := glob.Within("functions/[a]", []string{"libs/*"})
	for file, want := range map[string]bool{"functions/[a]/x.go": true, "functions/a/x.go": false, "libs/b/c/d": true, "main.go": false} {
		if got := within(file); got != want {
			t.Errorf("%s is within: %t", file, got)
		}
	}
}

func TestQuote(t *testing.T) {
	const name = "a*b[c]/{d}?"
	if set := glob.New(glob.Quote(name)); !set.Match(name) || set.Match("axb[c]/{d}?") {
		t.Errorf("%q is not the pattern of %q alone", glob.Quote(name), name)
	}
}

func TestCheck(t *testing.T) {
	for _, pattern := range []string{"", "[a", "{a,b", strings.Repeat("a", 257)} {
		if glob.Check(pattern) == nil {
			t.Errorf("%q is taken for a pattern", pattern)
		}
	}
	if err := glob.Check("v[0-9]*"); err != nil {
		t.Error(err)
	}
}

func FuzzMatch(f *testing.F) {
	f.Add("v[0-9]**{a,b?}", "v1/a")
	f.Fuzz(func(t *testing.T, pattern, name string) {
		if glob.New(pattern).Match(name) && glob.Check(pattern) != nil {
			t.Errorf("%q is no pattern and matches", pattern)
		}
	})
}
