package gitremote

import (
	"errors"
	"path/filepath"
	"strings"
	"testing"

	"github.com/skyisland/skyisland/internal/git"
)

// A release fetches what its event names from the clone_url it names, also when the branch has moved on since.
func TestTheCommitOfAnEventCanBeFetched(t *testing.T) {
	t.Setenv("http_proxy", "http://127.0.0.1:1") // as behind a company's proxy
	f := newFixture(t)
	repo, _ := f.clone(t, shop)
	lost := repo.Commit("lost")
	repo.Git("push", "origin", "main")
	_, e := f.receiver.event(t)
	repo.Git("reset", "--quiet", "--hard", "HEAD~1")
	repo.Commit("instead")
	repo.Git("push", "--force", "origin", "main")

	source, err := git.New(filepath.Join(t.TempDir(), "git"), git.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if err := source.Fetch(t.Context(), e.Repository.CloneURL, e.After); err != nil {
		t.Fatal(err)
	}
	c, err := source.Commit(t.Context(), e.Repository.CloneURL, e.After)
	if err != nil || c.ID != lost || c.Subject != "lost" {
		t.Errorf("Commit = %+v, %v", c, err)
	}
	unknown := strings.Repeat("1", 40)
	if err := source.Fetch(t.Context(), e.Repository.CloneURL, unknown); !errors.Is(err, git.ErrCommitUnknown) {
		t.Errorf("Fetch of a commit nobody has = %v, want ErrCommitUnknown", err)
	}
	if err := source.Fetch(t.Context(), f.URL(Name{Tenant: "demo", Application: "none"}), unknown); !errors.Is(err, git.ErrUnreachable) {
		t.Errorf("Fetch from no repository = %v, want ErrUnreachable", err)
	}
}
