package release

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"
)

func TestImagesAreExpandedForACommit(t *testing.T) {
	commit := "0123456789abcdef0123456789abcdef01234567"
	digest := "sha256:" + strings.Repeat("ab", 32)
	for _, tt := range []struct{ image, ref, want string }{
		{"registry.example/acme/api:{commit}", "refs/heads/main", "registry.example/acme/api:" + commit},
		{"registry.example/acme/api:sha-{short}", "refs/heads/main", "registry.example/acme/api:sha-0123456"},
		{"registry.example:5000/api:{tag}", "refs/tags/v1.2.3", "registry.example:5000/api:v1.2.3"},
		{"registry.example:5000/api:{tag}-{short}", "refs/tags/v1", "registry.example:5000/api:v1-0123456"},
		{"localhost/api:1.4", "refs/heads/main", "localhost/api:1.4"},
		{"[::1]:5000/api:1.4", "refs/heads/main", "[::1]:5000/api:1.4"},
		{"registry.example/acme/api@" + digest, "refs/heads/main", "registry.example/acme/api@" + digest},
		{"registry.example/acme/api:1.4@" + digest, "refs/heads/main", "registry.example/acme/api@" + digest},
	} {
		if got, err := ExpandImage(tt.image, commit, tt.ref); err != nil || got != tt.want {
			t.Errorf("%s: %q, %v; want %q", tt.image, got, err, tt.want)
		}
		if err := CheckImage(tt.image); err != nil {
			t.Errorf("%s: %v", tt.image, err)
		}
	}
}

func TestImagesThatCannotBeResolvedSayWhatWouldBeRight(t *testing.T) {
	digest := "sha256:" + strings.Repeat("ab", 32)
	for image, want := range map[string]string{
		"":                                                    "is not the name of an image",
		"api:1":                                               "is not the name of an image: write its registry",
		"acme/api:1":                                          "write its registry",
		"registry.example/Acme/api:1":                         "is not the name of an image",
		"registry.example/../api:1":                           "is not the name of an image",
		"https://registry.example/api:1":                      "is not the name of an image",
		"registry.example/{commit}:1":                         "is not the name of an image",
		"registry.example/acme/api":                           "says no tag and no digest",
		"registry.example:5000/api":                           "says no tag and no digest",
		"registry.example/acme/api:{branch}":                  "is not a tag",
		"registry.example/acme/api:{commit":                   "is not a tag",
		"registry.example/acme/api:":                          "is not a tag",
		"registry.example/acme/api@sha256:1":                  "is not a digest",
		"registry.example/acme/api:{commit}@" + digest:        "beside a digest",
		"registry.example/acme/" + strings.Repeat("a", 600):   "write at most 512",
		"registry.example/acme/api:" + strings.Repeat("a", 9): "",
	} {
		err := CheckImage(image)
		if (want == "") != (err == nil) || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want %q", image, err, want)
		}
	}
	if _, err := ExpandImage("registry.example/api:{tag}", "c", "refs/heads/main"); err == nil || !strings.Contains(err.Error(), "refs/heads/main is no tag") {
		t.Errorf("a tag of a branch: %v", err)
	}
	if _, err := ExpandImage("registry.example/api:{tag}", "c", "refs/tags/feature/x"); err == nil || !strings.Contains(err.Error(), "is not a tag") {
		t.Errorf("a git tag that no image can have: %v", err)
	}
}

func TestNamesOfWorkflowsAndArtifacts(t *testing.T) {
	for name, right := range map[string]bool{"build.yml": true, "build and push.yaml": true, "": false, "build": false, ".github/workflows/build.yml": false, "../x.yml": false} {
		if err := CheckWorkflow(name); (err == nil) != right {
			t.Errorf("workflow %q: %v", name, err)
		}
	}
	for name, right := range map[string]bool{"api": true, "api linux": true, "": false, "a/b": false, "a\nb": false, " a": false, "a*": false} {
		if err := CheckArtifactName(name); (err == nil) != right {
			t.Errorf("artifact %q: %v", name, err)
		}
	}
}

// Specs are kept in the histories of releases and in questions to the rules, which may be hashed.
func TestABuildByCommandIsWrittenAsBefore(t *testing.T) {
	build := Build{Run: []string{"make"}, Env: map[string]string{"A": "b"}, Timeout: Duration(60e9), Output: 5}
	got, err := json.Marshal(build)
	if err != nil {
		t.Fatal(err)
	}
	want, err := json.Marshal(build.Command())
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Errorf("a build is written %s, a command %s", got, want)
	}
}

func TestWhatIsBuiltElsewhere(t *testing.T) {
	for _, tt := range []struct {
		build           Build
		external, works bool
	}{
		{Build{}, false, false},
		{Build{Run: []string{"make"}}, false, true},
		{Build{Image: "registry.example/api:1"}, true, false},
		{Build{Actions: &Actions{Workflow: "build.yml", Artifact: "api"}}, true, true},
	} {
		if tt.build.External() != tt.external || tt.build.Works() != tt.works {
			t.Errorf("%+v: external %v, works %v", tt.build, tt.build.External(), tt.build.Works())
		}
	}
}
