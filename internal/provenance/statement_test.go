package provenance

import (
	"bytes"
	"encoding/json"
	"os"
	"strings"
	"testing"
	"time"
)

// The statement as others see it. It is a promise: what reads it is elsewhere.
func TestTheStatementIsInTotosAndSLSAs(t *testing.T) {
	got, err := json.MarshalIndent(someStatement(t), "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	const want = `{
  "_type": "https://in-toto.io/Statement/v1",
  "subject": [
    {
      "name": "demo/hello/web",
      "digest": {
        "sha256": "5891b5b522d5df086d0ff0b110fbd9d21bb4fc7163af34d08286a2e846f6be03"
      }
    }
  ],
  "predicateType": "https://slsa.dev/provenance/v1",
  "predicate": {
    "buildDefinition": {
      "buildType": "https://github.com/skyisland/skyisland/blob/main/docs/provenance.md#build-type-v1",
      "externalParameters": {
        "repository": "https://git.example/demo/hello.git",
        "ref": "refs/heads/main",
        "commit": "0123456789abcdef0123456789abcdef01234567",
        "manifest": {
          "path": "skyisland.yaml",
          "digest": {
            "sha256": "abababababababababababababababababababababababababababababababab"
          }
        },
        "component": "web",
        "build": [
          "go",
          "build",
          "-o",
          "bin/web",
          "."
        ]
      },
      "internalParameters": {
        "release": "demo/hello/production/3"
      },
      "resolvedDependencies": [
        {
          "uri": "git+https://git.example/demo/hello.git@refs/heads/main",
          "digest": {
            "gitCommit": "0123456789abcdef0123456789abcdef01234567"
          }
        }
      ]
    },
    "runDetails": {
      "builder": {
        "id": "https://sky.example/builder",
        "version": {
          "skyisland": "1.2.3"
        }
      },
      "metadata": {
        "invocationId": "release/demo/hello/production/3/run/5/1",
        "startedOn": "2026-03-02T04:00:00Z",
        "finishedOn": "2026-03-02T04:00:09Z"
      }
    }
  }
}`
	if string(got) != want {
		t.Errorf("got %s", got)
	}
}

// What the page shows is what is made.
func TestTheDocumentedStatementIsOurs(t *testing.T) {
	page, err := os.ReadFile("../../docs/provenance.md")
	if err != nil {
		t.Fatal(err)
	}
	_, example, _ := strings.Cut(string(page), "```json\n")
	example, _, _ = strings.Cut(example, "```")
	var got bytes.Buffer
	if err := json.Compact(&got, []byte(example)); err != nil {
		t.Fatal(err)
	}
	want, err := json.Marshal(someStatement(t))
	if err != nil || got.String() != string(want) {
		t.Errorf("the page has %s, want %s", got.String(), want)
	}
	for _, check := range []Check{CheckEnvelope, CheckPayloadType, CheckSignature, CheckStatement, CheckPredicate, CheckSubject} {
		if !strings.Contains(string(page), "`"+string(check)+"`") {
			t.Errorf("the page lacks the check of the %s", check)
		}
	}
	if _, anchor, _ := strings.Cut(BuildType, "#"); anchor != "build-type-v1" || !strings.Contains(string(page), "### Build type v1\n") {
		t.Errorf("%s leads nowhere", BuildType)
	}
}

func TestAStatementWithGapsIsNotMade(t *testing.T) {
	for want, edit := range map[string]func(*Build){
		"the subject is missing":                func(b *Build) { b.Subject = " " },
		"the repository is missing":             func(b *Build) { b.Repository = "" },
		"the manifest path is missing":          func(b *Build) { b.ManifestPath = "" },
		"the component is missing":              func(b *Build) { b.Component = "" },
		"the release is missing":                func(b *Build) { b.Release = "" },
		"the builder is missing":                func(b *Build) { b.Builder = "" },
		"the version is missing":                func(b *Build) { b.Version = "" },
		"the invocation is missing":             func(b *Build) { b.Invocation = "" },
		"the SHA-256 of the subject is":         func(b *Build) { b.SHA256 = strings.ToUpper(b.SHA256) },
		"the SHA-256 of the manifest is":        func(b *Build) { b.ManifestSHA256 = "" },
		`the commit is "main"`:                  func(b *Build) { b.Commit = "main" },
		"want it to end after it began":         func(b *Build) { b.Finished = b.Started.Add(-time.Second) },
		"it began at 0001-01-01 00:00:00":       func(b *Build) { b.Started = time.Time{} },
		"the commit is \"\": want 40 or 64 hex": func(b *Build) { b.Commit = "" },
	} {
		build := someBuild()
		edit(&build)
		if _, err := New(build); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want that %s", err, want)
		}
	}
}

func TestAnAddressLosesWhatLetsSomebodyIn(t *testing.T) {
	for repository, want := range map[string][2]string{
		"https://git.example/x.git":                {"https://git.example/x.git", "git+https://git.example/x.git@refs/heads/a@b"},
		"https://token@git.example/x.git":          {"https://git.example/x.git", "git+https://git.example/x.git@refs/heads/a@b"},
		"http://ada:p@ss@127.0.0.1:7780/git/x.git": {"http://127.0.0.1:7780/git/x.git", "git+http://127.0.0.1:7780/git/x.git@refs/heads/a@b"},
		"https://git.example/a@b/x.git":            {"https://git.example/a@b/x.git", "git+https://git.example/a@b/x.git@refs/heads/a@b"},
		"ssh://git:p@ss@git.example/x.git":         {"ssh://git@git.example/x.git", "git+ssh://git@git.example/x.git@refs/heads/a@b"},
		"ssh://git@git.example:22/x.git":           {"ssh://git@git.example:22/x.git", "git+ssh://git@git.example:22/x.git@refs/heads/a@b"},
		"git@git.example:demo/x.git":               {"git@git.example:demo/x.git", "git+ssh://git@git.example/demo/x.git@refs/heads/a@b"},
		"/srv/git/x.git":                           {"/srv/git/x.git", "git+file:///srv/git/x.git@refs/heads/a@b"},
		"file:///srv/git/x.git":                    {"file:///srv/git/x.git", "git+file:///srv/git/x.git@refs/heads/a@b"},
	} {
		if got := Bare(repository); got != want[0] {
			t.Errorf("%s is bare as %s, want %s", repository, got, want[0])
		}
		if got := sourceURI(repository, "refs/heads/a@b"); got != want[1] {
			t.Errorf("%s is the source %s, want %s", repository, got, want[1])
		}
	}
}

func TestTheSourceIsTold(t *testing.T) {
	s := someStatement(t)
	want := Source{"https://git.example/demo/hello.git", "refs/heads/main", someCommit}
	if got := s.Source(); got != want {
		t.Errorf("got %+v, want %+v", got, want)
	}
	// Other builders say it in their dependencies.
	for uri, want := range map[string]Source{
		"git+https://github.com/demo/hello@refs/heads/main": {"https://github.com/demo/hello", "refs/heads/main", someCommit},
		"git+https://github.com/demo/hello@refs/heads/a@b":  {"https://github.com/demo/hello", "refs/heads/a@b", someCommit},
		"git+https://github.com/demo/hello@v1.2":            {"https://github.com/demo/hello", "v1.2", someCommit},
		"git+ssh://git@github.com/demo/hello":               {"ssh://git@github.com/demo/hello", "", someCommit},
		"git+ssh://git@github.com/demo/hello@refs/tags/v1":  {"ssh://git@github.com/demo/hello", "refs/tags/v1", someCommit},
		"git+https://github.com":                            {"https://github.com", "", someCommit},
		"pkg:golang/example.com/x@v1":                       {},
		"git+x":                                             {"x", "", someCommit},
	} {
		s.Predicate.BuildDefinition.BuildType = "https://actions.github.io/buildtypes/workflow/v1"
		s.Predicate.BuildDefinition.ResolvedDependencies = []Resource{
			{URI: "pkg:docker/golang", Digest: map[string]string{"sha256": someSHA256}},
			{URI: uri, Digest: map[string]string{"gitCommit": someCommit}},
		}
		if got := s.Source(); got != want {
			t.Errorf("%s: got %+v, want %+v", uri, got, want)
		}
	}
}

func FuzzSplitRef(f *testing.F) {
	f.Add("https://git.example/x@refs/heads/main")
	f.Add("x@y")
	f.Add("://@")
	f.Fuzz(func(t *testing.T, address string) {
		repository, ref := splitRef(address)
		if repository != address && repository+"@"+ref != address {
			t.Errorf("%q became %q and %q", address, repository, ref)
		}
	})
}
