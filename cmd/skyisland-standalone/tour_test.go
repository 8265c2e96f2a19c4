package main

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// TestATourThatWasKilledGoesOn leaves the sample as a kill at each moment does.
func TestATourThatWasKilledGoesOn(t *testing.T) {
	for _, c := range []struct {
		when  string
		leave func(t *testing.T, at *tour, good chapter)
	}{
		{"in the middle of the sample", func(t *testing.T, at *tour, _ chapter) {
			must(t, os.RemoveAll(at.dir))
			must(t, os.MkdirAll(at.dir+".new", 0o750))
			must(t, os.WriteFile(filepath.Join(at.dir+".new", "skyisland.yaml"), nil, 0o600))
		}},
		{"before the repository was made", func(t *testing.T, at *tour, _ chapter) {
			must(t, os.RemoveAll(filepath.Join(at.dir, ".git")))
		}},
		{"in the middle of making the repository", func(t *testing.T, at *tour, _ chapter) {
			must(t, os.RemoveAll(filepath.Join(at.dir, ".git")))
			must(t, os.Mkdir(filepath.Join(at.dir, ".git"), 0o750))
		}},
		{"before the second version", func(*testing.T, *tour, chapter) {}},
		{"in the middle of a change", func(t *testing.T, at *tour, good chapter) {
			tests, err := os.ReadFile(filepath.Join(at.dir, "timetable_test.go"))
			must(t, err)
			must(t, good.change(at.dir))
			must(t, os.WriteFile(filepath.Join(at.dir, "timetable_test.go"), tests, 0o600))
		}},
		{"before a change was committed", func(t *testing.T, at *tour, good chapter) {
			must(t, good.change(at.dir))
		}},
		{"before a commit was tagged", func(t *testing.T, at *tour, good chapter) {
			must(t, at.repo.commit(t.Context(), good))
		}},
	} {
		t.Run(c.when, func(t *testing.T) {
			first, good := chapters()[0], chapters()[1]
			at := &tour{dir: filepath.Join(t.TempDir(), "sample"), remote: "http://127.0.0.1:1/git/demo/sample.git"}
			must(t, at.prepare(t.Context()))
			if _, err := at.repo.version(t.Context(), first); err != nil {
				t.Fatal(err)
			}
			c.leave(t, at, good)

			must(t, at.prepare(t.Context()))
			for _, chapter := range chapters() {
				commit, err := at.repo.version(t.Context(), chapter)
				if err != nil {
					t.Fatalf("%s: %v", chapter.tag, err)
				}
				if again, err := at.repo.version(t.Context(), chapter); again != commit || err != nil {
					t.Errorf("%s again: %s, %v; want %s", chapter.tag, again, err, commit)
				}
			}
			log, err := at.repo.git(t.Context(), "log", "--reverse", "--format=%s")
			must(t, err)
			want := []string{first.message, good.message, chapters()[2].message}
			if got := strings.Split(log, "\n"); !slices.Equal(got, want) {
				t.Errorf("commits %q, want %q", got, want)
			}
		})
	}
}

func TestTheTourPushesWhateverTheUserHasSetForGit(t *testing.T) {
	asked := make(chan string, 10)
	remote := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked <- r.URL.Path
		http.NotFound(w, r)
	}))
	defer remote.Close()
	config := filepath.Join(t.TempDir(), "gitconfig")
	must(t, os.WriteFile(config, []byte("[tag]\n\tgpgsign = true\n[commit]\n\tgpgsign = true\n[gpg]\n\tprogram = /bin/false\n"), 0o600))
	t.Setenv("GIT_CONFIG_GLOBAL", config)
	t.Setenv("http_proxy", "http://127.0.0.1:1")
	t.Setenv("no_proxy", "")
	t.Setenv("NO_PROXY", "")
	at := &tour{dir: filepath.Join(t.TempDir(), "sample"), remote: remote.URL + "/git/demo/sample.git"}
	must(t, at.prepare(t.Context()))
	commit, err := at.repo.version(t.Context(), chapters()[0])
	must(t, err)
	var exit *exec.ExitError
	if err := at.repo.push(t.Context(), commit); !errors.As(err, &exit) {
		t.Errorf("push = %v, want that the remote has no repository", err)
	}
	select {
	case path := <-asked:
		if path != "/git/demo/sample.git/info/refs" {
			t.Errorf("git asked for %s", path)
		}
	default:
		t.Error("git asked somebody else")
	}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
