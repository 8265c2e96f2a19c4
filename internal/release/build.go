package release

import (
	"errors"
	"fmt"
	"regexp"
	"strings"
)

// Build is how a component's artifact comes to be: by a command in a working copy, from an image that is built already,
// or by a run of a GitHub Actions workflow. At most one of Run, Image and Actions is set; with none of them the
// component's folder is the artifact as it is.
type Build struct {
	// Run, Env, Timeout and Output are those of a [Command]. Timeout also bounds the wait for a workflow run.
	Run     []string          `json:"run,omitempty"`
	Env     map[string]string `json:"env,omitempty"`
	Timeout Duration          `json:"timeout,omitempty"`
	Output  int64             `json:"output,omitempty"`
	// Image is an image, by digest, by tag, or by a template of a tag; see [ExpandImage].
	Image string `json:"image,omitempty"`
	// Actions is nil for what GitHub Actions do not build.
	Actions *Actions `json:"github-actions,omitempty"`
}

// Actions says which workflow of GitHub Actions builds a component, and what of it is taken: an image or an artifact of
// the run, one of them.
type Actions struct {
	// Workflow is the name of the file in .github/workflows, such as build.yml.
	Workflow string `json:"workflow"`
	// Image is as in [Build]. It is resolved after the run has succeeded.
	Image string `json:"image,omitempty"`
	// Artifact is the name of an artifact that the run uploads.
	Artifact string `json:"artifact,omitempty"`
}

// Command is what is run in a working copy; nothing for what is built elsewhere.
func (b Build) Command() Command {
	return Command{Run: b.Run, Env: b.Env, Timeout: b.Timeout, Output: b.Output}
}

// External says whether the artifact comes from elsewhere.
func (b Build) External() bool { return b.Image != "" || b.Actions != nil }

// Works says whether the release sees something being built, which may fail: a command, or a workflow run that it waits
// for. Of an image that was there before it knows nothing.
func (b Build) Works() bool { return len(b.Run) > 0 || b.Actions != nil }

var (
	// imageName is a registry, which a name without one would leave to the reader's guess, and a repository in it.
	imageName = regexp.MustCompile(`^([a-zA-Z0-9-]+(\.[a-zA-Z0-9-]+)*(:[0-9]{1,5})?|\[[0-9a-fA-F:]+\](:[0-9]{1,5})?)(/[a-z0-9]+([._-]+[a-z0-9]+)*)+$`)
	imageTag  = regexp.MustCompile(`^[a-zA-Z0-9_][a-zA-Z0-9._-]{0,127}$`)
	// workflowFile is a file's name and no path.
	workflowFile = regexp.MustCompile(`^[A-Za-z0-9_][A-Za-z0-9._ -]{0,200}\.ya?ml$`)
	// artifactName leaves out what GitHub refuses in the names of artifacts.
	artifactName = regexp.MustCompile(`^[^"<>|*?:\r\n\\/\x00]{1,255}$`)
)

// imageLimit bounds the text of an image, in bytes.
const imageLimit = 512

// The places in an image's tag that are filled in when a release builds.
const (
	commitPlace = "{commit}"
	shortPlace  = "{short}"
	tagPlace    = "{tag}"
)

// shortCommit is how many digits of a commit {short} stands for, as docker/metadata-action writes them.
const shortCommit = 7

// CheckImage says what is wrong with an image of a manifest, as "what is wrong: what to do", and nil when it can be
// resolved to a digest.
func CheckImage(image string) error {
	// A commit and a tag that could be any, to see whether the rest is right.
	_, err := ExpandImage(image, strings.Repeat("0", 40), "refs/tags/v1")
	return err
}

// ExpandImage is an image for a commit that was pushed to a ref: registry/repository:tag or
// registry/repository@sha256:…, with {commit}, {short} (7 digits of it) and {tag} (the git tag) in the tag filled in. A
// digest makes a tag beside it a remark, which is left out. The error is "what is wrong: what to do".
func ExpandImage(image, commit, ref string) (string, error) {
	if len(image) > imageLimit {
		return "", fmt.Errorf("an image of %d bytes: write at most %d", len(image), imageLimit)
	}
	name, digest, pinned := strings.Cut(image, "@")
	slash := strings.LastIndex(name, "/")
	name, tag, tagged := cutTag(name, slash)
	if !imageName.MatchString(name) || !registry(name) {
		return "", fmt.Errorf("%q is not the name of an image: write its registry and repository, as in registry.example/acme/api", name)
	}
	if pinned {
		if Digest(digest).Check() != nil {
			return "", fmt.Errorf("%q is not a digest: write @sha256: and 64 hexadecimal digits", digest)
		}
		if strings.ContainsAny(tag, "{}") {
			return "", errors.New("a template beside a digest: write one of them, since the digest says which image it is")
		}
		return name + "@" + digest, nil
	}
	if !tagged {
		return "", fmt.Errorf("%s says no tag and no digest: write one, as in %s:{commit} or %s@sha256:…", image, image, image)
	}
	filled, err := fillTag(tag, commit, ref)
	if err != nil {
		return "", err
	}
	if !imageTag.MatchString(filled) {
		return "", fmt.Errorf("%q is not a tag: write letters, digits and . _ -, at most 128, and of templates {commit}, {short} and {tag}", tag)
	}
	return name + ":" + filled, nil
}

// cutTag cuts the tag off, which is behind the last slash: a colon before it is that of a port.
func cutTag(name string, slash int) (before, tag string, found bool) {
	if i := strings.LastIndex(name, ":"); i > slash {
		return name[:i], name[i+1:], true
	}
	return name, "", false
}

// registry says whether the first part of a name is a host, as everybody tells hosts from folders.
func registry(name string) bool {
	host, _, _ := strings.Cut(name, "/")
	return strings.ContainsAny(host, ".:") || host == "localhost"
}

func fillTag(tag, commit, ref string) (string, error) {
	if strings.Contains(tag, tagPlace) {
		of, tagged := strings.CutPrefix(ref, "refs/tags/")
		if !tagged {
			return "", fmt.Errorf("the image is named by {tag} and %s is no tag: push a tag, or write {commit}", ref)
		}
		tag = strings.ReplaceAll(tag, tagPlace, of)
	}
	tag = strings.ReplaceAll(tag, commitPlace, commit)
	return strings.ReplaceAll(tag, shortPlace, commit[:min(shortCommit, len(commit))]), nil
}

// CheckWorkflow says what is wrong with the name of a workflow's file, as "what is wrong: what to do".
func CheckWorkflow(file string) error {
	if workflowFile.MatchString(file) {
		return nil
	}
	return fmt.Errorf("%q is not the name of a workflow's file: write that of the file in .github/workflows, such as build.yml", file)
}

// CheckArtifactName says what is wrong with the name of an artifact, as "what is wrong: what to do".
func CheckArtifactName(name string) error {
	if artifactName.MatchString(name) && strings.TrimSpace(name) == name {
		return nil
	}
	return fmt.Errorf("%q is not the name of an artifact: write the one that actions/upload-artifact is given, such as api", name)
}

// BuiltNotice says that a build elsewhere has ended, well or not: a release that waits for one looks at once.
type BuiltNotice struct {
	// Repository is its name at its host, such as acme/api.
	Repository string `json:"repository"`
	Commit     string `json:"commit"`
}
