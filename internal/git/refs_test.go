package git

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/skyisland/skyisland/internal/git/gittest"
)

// commitFile writes a file and commits it.
func commitFile(repo *gittest.Repo, name, content string) string {
	repo.Write(name, content)
	return repo.Commit(name + " is " + content)
}

func TestRefsAreWhatTheRepositoryHasNow(t *testing.T) {
	repo := gittest.New(t)
	first := commitFile(repo, "a.txt", "1")
	repo.Git("tag", "light")
	repo.Git("tag", "--annotate", "--message=v1", "v1.0.0")
	repo.Git("branch", "topic/x")
	second := commitFile(repo, "a.txt", "2")
	source := newSource(t, Options{})
	refs, err := source.Refs(t.Context(), repo.Dir)
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]string{"refs/heads/main": second, "refs/heads/topic/x": first, "refs/tags/light": first, "refs/tags/v1.0.0": first}
	if len(refs) != len(want) {
		t.Errorf("refs = %v", refs)
	}
	for name, commit := range want {
		if refs[name] != commit {
			t.Errorf("%s is %s, want %s", name, refs[name], commit)
		}
	}
	if one, err := source.Refs(t.Context(), repo.Dir, "refs/heads/main"); err != nil || len(one) != 1 || one["refs/heads/main"] != second {
		t.Errorf("one ref = %v, %v", one, err)
	}
	if _, err := source.Refs(t.Context(), t.TempDir()+"/none"); !errors.Is(err, ErrUnreachable) {
		t.Errorf("no repository: %v", err)
	}
	if _, err := source.Refs(t.Context(), "ext::sh -c id"); !errors.Is(err, ErrInvalid) && !errors.Is(err, ErrUnsupported) {
		t.Errorf("a command for a repository: %v", err)
	}
}

func TestContains(t *testing.T) {
	repo := gittest.New(t)
	first := commitFile(repo, "a.txt", "1")
	second := commitFile(repo, "a.txt", "2")
	repo.Git("checkout", "--quiet", "-b", "side", first)
	side := commitFile(repo, "b.txt", "1")
	source := newSource(t, Options{})
	for _, commit := range []string{second, side} {
		if err := source.Fetch(t.Context(), repo.Dir, commit); err != nil {
			t.Fatal(err)
		}
	}
	for _, tt := range []struct {
		name, commit, other string
		want                bool
	}{
		{"what it is based on", second, first, true},
		{"itself", second, second, true},
		{"what is based on it", first, second, false},
		{"another branch's", second, side, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got, err := source.Contains(t.Context(), repo.Dir, tt.commit, tt.other); err != nil || got != tt.want {
				t.Errorf("contains = %t, %v", got, err)
			}
		})
	}
	if _, err := source.Contains(t.Context(), repo.Dir, second, strings.Repeat("a", 40)); !errors.Is(err, ErrCommitUnknown) {
		t.Errorf("a commit that is not there: %v", err)
	}
}

func TestChanged(t *testing.T) {
	repo := gittest.New(t)
	commitFile(repo, "a/one.txt", "1")
	first := commitFile(repo, "b/ä \"two\".txt", "1")
	repo.Git("mv", "a/one.txt", "c.txt")
	second := commitFile(repo, "d.txt", "1")
	source := newSource(t, Options{})
	if err := source.Fetch(t.Context(), repo.Dir, second); err != nil {
		t.Fatal(err)
	}
	got, err := source.Changed(t.Context(), repo.Dir, first, second)
	if want := []string{"a/one.txt", "c.txt", "d.txt"}; err != nil || !slices.Equal(got, want) {
		t.Errorf("changed = %q, %v; want %q", got, err, want)
	}
	if got, err := source.Changed(t.Context(), repo.Dir, second, second); err != nil || len(got) != 0 {
		t.Errorf("nothing changed: %q, %v", got, err)
	}
	if _, err := source.Changed(t.Context(), repo.Dir, strings.Repeat("a", 40), second); !errors.Is(err, ErrCommitUnknown) {
		t.Errorf("a commit that is not there: %v", err)
	}
}
