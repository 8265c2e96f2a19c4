package app

import (
	"errors"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/skyisland/skyisland/internal/release"
	"github.com/skyisland/skyisland/internal/store"
)

// house is the adoption of a git remote at an address.
func house(base string) func(fullName, cloneURL string) (release.Application, bool) {
	return func(fullName, cloneURL string) (release.Application, bool) {
		tenant, name, found := strings.Cut(fullName, "/")
		if !found || !strings.HasPrefix(cloneURL, base+"/git/") {
			return release.Application{}, false
		}
		return release.Application{Tenant: tenant, Name: name, Repository: cloneURL}, true
	}
}

func TestApplicationByRepository(t *testing.T) {
	const base, url = "http://127.0.0.1:7780", "http://127.0.0.1:7780/git/demo/hello.git"
	branches := map[string][]string{"main": {"production"}}
	at := func(tenant, name, repository string) release.Application {
		return release.Application{Tenant: tenant, Name: name, Repository: repository, Branches: branches}
	}
	for _, test := range []struct {
		name       string
		registered []release.Application
		cloneURL   string
		want       release.Application
		kind       error
		says       string
	}{
		{
			name: "a repository of the house is adopted", cloneURL: url,
			want: release.Application{Tenant: "demo", Name: "hello", Repository: url},
		},
		{
			name: "what was adopted keeps its branches", registered: []release.Application{at("demo", "hello", url)}, cloneURL: url,
			want: at("demo", "hello", url),
		},
		{
			name:       "also when the house listens on another port",
			registered: []release.Application{at("demo", "hello", "http://127.0.0.1:1234/git/demo/hello.git")}, cloneURL: url,
			want: at("demo", "hello", url),
		},
		{
			name:       "or at another address of the machine",
			registered: []release.Application{at("demo", "hello", "http://[::]:7780/git/demo/hello.git")}, cloneURL: url,
			want: at("demo", "hello", url),
		},
		{
			name:       "a repository of the house that was registered under another name stays that",
			registered: []release.Application{at("demo", "other", url)}, cloneURL: url,
			want: at("demo", "other", url),
		},
		{
			name:       "a local push does not take over an application of another repository",
			registered: []release.Application{at("demo", "hello", "https://robot:hunter2@github.com/acme/hello.git")}, cloneURL: url,
			kind: release.ErrConflict, says: "demo/hello is registered with the repository https://github.com/acme/hello.git",
		},
		{
			name:       "nor one of the same path on another host",
			registered: []release.Application{at("demo", "hello", "http://git.example/git/demo/hello.git")}, cloneURL: url,
			kind: release.ErrConflict, says: "http://git.example/git/demo/hello.git",
		},
		{
			name: "nor one that names no host", registered: []release.Application{at("demo", "hello", "demo/hello")}, cloneURL: url,
			kind: release.ErrConflict, says: "registered with the repository demo/hello",
		},
		{
			name: "what is not of the house is not adopted", cloneURL: "https://github.com/demo/hello.git", kind: release.ErrNotFound,
		},
	} {
		t.Run(test.name, func(t *testing.T) {
			records, err := store.Open(t.Context(), filepath.Join(t.TempDir(), "test.db"))
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { _ = records.Close() })
			for _, application := range test.registered {
				if err := records.SaveApplication(t.Context(), application); err != nil {
					t.Fatal(err)
				}
			}
			got, err := applications{Store: records, adopt: house(base)}.ApplicationByRepository(t.Context(), "demo/hello", test.cloneURL)
			if !errors.Is(err, test.kind) || (err != nil && (!strings.Contains(err.Error(), test.says) || strings.Contains(err.Error(), "hunter2"))) {
				t.Fatalf("error %v, want %v that says %q and no password", err, test.kind, test.says)
			}
			want := test.registered
			if test.kind == nil {
				want = []release.Application{test.want}
				if !reflect.DeepEqual(got, test.want) {
					t.Errorf("got %+v, want %+v", got, test.want)
				}
			}
			if known, err := records.Applications(t.Context()); err != nil || len(known) != len(want) || (len(want) > 0 && !reflect.DeepEqual(known, want)) {
				t.Errorf("known %+v, %v; want %+v", known, err, want)
			}
		})
	}
}
