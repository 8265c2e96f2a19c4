package provenance

import (
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"strings"
	"time"
)

// The types of what is signed.
const (
	StatementType = "https://in-toto.io/Statement/v1"
	PredicateType = "https://slsa.dev/provenance/v1"
	// BuildType says what the parameters of our builds mean; it leads to the page that explains them.
	BuildType = "https://github.com/skyisland/skyisland/blob/main/docs/provenance.md#build-type-v1"
)

// Statement says of its subjects how they were made.
type Statement struct {
	Type          string     `json:"_type"`
	Subject       []Resource `json:"subject"`
	PredicateType string     `json:"predicateType"`
	Predicate     Predicate  `json:"predicate"`
}

// Resource is a thing with a digest, by the name of the algorithm. Git commits are under gitCommit.
type Resource struct {
	URI    string            `json:"uri,omitempty"`
	Name   string            `json:"name,omitempty"`
	Digest map[string]string `json:"digest,omitempty"`
}

// Predicate is version 1 of SLSA's provenance, as far as it is used here.
type Predicate struct {
	BuildDefinition BuildDefinition `json:"buildDefinition"`
	RunDetails      RunDetails      `json:"runDetails"`
}

// BuildDefinition is what went into a build. What the parameters mean depends on BuildType; see [Parameters] for ours.
type BuildDefinition struct {
	BuildType            string          `json:"buildType"`
	ExternalParameters   json.RawMessage `json:"externalParameters"`
	InternalParameters   json.RawMessage `json:"internalParameters,omitempty"`
	ResolvedDependencies []Resource      `json:"resolvedDependencies,omitempty"`
}

// RunDetails is who built, and when.
type RunDetails struct {
	Builder  Builder  `json:"builder"`
	Metadata Metadata `json:"metadata,omitzero"`
}

// Builder is who is trusted to say the rest.
type Builder struct {
	// ID is a URI that stands for the builder and for nobody else.
	ID      string            `json:"id"`
	Version map[string]string `json:"version,omitempty"`
}

// Metadata are the circumstances of a build; times are UTC, to the second.
type Metadata struct {
	InvocationID string    `json:"invocationId,omitempty"`
	StartedOn    time.Time `json:"startedOn,omitzero"`
	FinishedOn   time.Time `json:"finishedOn,omitzero"`
}

// Parameters are the external parameters of [BuildType]: all that somebody outside of the builder decides. The environment
// and the limits of the command are in the manifest, which its digest pins.
type Parameters struct {
	// Repository has no user and no password in it; Ref is empty where nobody said which.
	Repository string   `json:"repository"`
	Ref        string   `json:"ref,omitempty"`
	Commit     string   `json:"commit"`
	Manifest   Manifest `json:"manifest"`
	Component  string   `json:"component"`
	// Build is the command with its arguments; empty where the folder is taken as it is.
	Build []string `json:"build,omitempty"`
}

// Manifest is a file of the repository.
type Manifest struct {
	Path   string            `json:"path"`
	Digest map[string]string `json:"digest"`
}

// internals are the internal parameters of [BuildType].
type internals struct {
	Release string `json:"release"`
}

// Build is a build that has ended well.
type Build struct {
	// Subject names what was built, SHA256 is its digest in 64 hexadecimal digits.
	Subject string
	SHA256  string
	// Repository may hold a user and a password: the statement does not.
	Repository string
	Ref        string
	// Commit is the whole commit, in 40 or 64 hexadecimal digits.
	Commit string
	// ManifestPath is the manifest's place in the repository and ManifestSHA256 the digest of its bytes.
	ManifestPath   string
	ManifestSHA256 string
	Component      string
	Command        []string
	// From is what was taken instead of built, and FromSHA256 its digest; empty where there is none.
	From       string
	FromSHA256 string
	// Release is what it was built for.
	Release string
	// Builder is a URI, Version what it is called in its log.
	Builder string
	Version string
	// Invocation names the attempt.
	Invocation        string
	Started, Finished time.Time
}

var (
	sha256Hex = regexp.MustCompile(`^[0-9a-f]{64}$`)
	commitHex = regexp.MustCompile(`^([0-9a-f]{40}|[0-9a-f]{64})$`)
)

// New is the statement of a build. Its error names everything that is missing: a statement with gaps would be worth
// nothing later, when nobody can fill them.
func New(b Build) (Statement, error) {
	if err := b.check(); err != nil {
		return Statement{}, fmt.Errorf("state where %s comes from: %w", b.Subject, err)
	}
	external, err := json.Marshal(Parameters{
		Repository: Bare(b.Repository), Ref: b.Ref, Commit: b.Commit, Component: b.Component, Build: b.Command,
		Manifest: Manifest{Path: b.ManifestPath, Digest: map[string]string{"sha256": b.ManifestSHA256}},
	})
	if err != nil {
		return Statement{}, fmt.Errorf("state where %s comes from: %w", b.Subject, err)
	}
	dependencies := []Resource{{URI: sourceURI(b.Repository, b.Ref), Digest: map[string]string{"gitCommit": b.Commit}}}
	if b.From != "" {
		taken := Resource{URI: b.From}
		if b.FromSHA256 != "" {
			taken.Digest = map[string]string{"sha256": b.FromSHA256}
		}
		dependencies = append(dependencies, taken)
	}
	internal, err := json.Marshal(internals{Release: b.Release})
	if err != nil {
		return Statement{}, fmt.Errorf("state where %s comes from: %w", b.Subject, err)
	}
	return Statement{
		Type:          StatementType,
		Subject:       []Resource{{Name: b.Subject, Digest: map[string]string{"sha256": b.SHA256}}},
		PredicateType: PredicateType,
		Predicate: Predicate{
			BuildDefinition: BuildDefinition{
				BuildType: BuildType, ExternalParameters: external, InternalParameters: internal,
				ResolvedDependencies: dependencies,
			},
			RunDetails: RunDetails{
				Builder: Builder{ID: b.Builder, Version: map[string]string{"skyisland": b.Version}},
				// in-toto writes times to the second.
				Metadata: Metadata{InvocationID: b.Invocation, StartedOn: b.Started.UTC().Truncate(time.Second), FinishedOn: b.Finished.UTC().Truncate(time.Second)},
			},
		},
	}, nil
}

func (b Build) check() error {
	var faults []error
	for _, text := range []struct{ name, value string }{
		{"subject", b.Subject}, {"repository", b.Repository}, {"manifest path", b.ManifestPath}, {"component", b.Component},
		{"release", b.Release}, {"builder", b.Builder}, {"version", b.Version}, {"invocation", b.Invocation},
	} {
		if strings.TrimSpace(text.value) == "" {
			faults = append(faults, fmt.Errorf("the %s is missing", text.name))
		}
	}
	for _, digest := range []struct{ name, value string }{{"subject", b.SHA256}, {"manifest", b.ManifestSHA256}} {
		if !sha256Hex.MatchString(digest.value) {
			faults = append(faults, fmt.Errorf("the SHA-256 of the %s is %q: want 64 hexadecimal digits", digest.name, digest.value))
		}
	}
	if !commitHex.MatchString(b.Commit) {
		faults = append(faults, fmt.Errorf("the commit is %q: want 40 or 64 hexadecimal digits", b.Commit))
	}
	if b.Started.IsZero() || b.Finished.Before(b.Started) {
		faults = append(faults, fmt.Errorf("it began at %s and ended at %s: want it to end after it began", b.Started, b.Finished))
	}
	return errors.Join(faults...)
}

// The parts of a repository's address that let somebody in. A password may hold an @, so they are greedy.
var (
	webLogin    = regexp.MustCompile(`^(https?://)[^/?#]*@`)
	sshPassword = regexp.MustCompile(`^(ssh://[^/?#@:]*):[^/?#]*@`)
)

// Bare is a repository's address without what lets somebody in. The rules do the same to the address of a plan.
func Bare(repository string) string {
	return sshPassword.ReplaceAllString(webLogin.ReplaceAllString(repository, "$1"), "$1@")
}

// sourceURI is a repository and a ref as SPDX writes them: git+URL@ref.
func sourceURI(repository, ref string) string {
	uri := Bare(repository)
	switch user, path, scp := strings.Cut(uri, ":"); {
	case strings.Contains(uri, "://"):
	case strings.HasPrefix(uri, "/"):
		uri = "file://" + uri
	case scp && strings.Contains(user, "@"): // git@host:path
		uri = "ssh://" + user + "/" + strings.TrimPrefix(path, "/")
	}
	uri = "git+" + uri
	if ref != "" {
		uri += "@" + ref
	}
	return uri
}

// Source is what a statement says something was built from.
type Source struct {
	Repository, Ref, Commit string
}

// Source is the repository and the commit. A statement of another builder's says it in its dependencies alone; where it
// does not say it, it is empty.
func (s Statement) Source() Source {
	definition := s.Predicate.BuildDefinition
	if definition.BuildType == BuildType {
		var in Parameters
		if json.Unmarshal(definition.ExternalParameters, &in) == nil {
			return Source{in.Repository, in.Ref, in.Commit}
		}
	}
	for _, dependency := range definition.ResolvedDependencies {
		commit, address := dependency.Digest["gitCommit"], strings.TrimPrefix(dependency.URI, "git+")
		if commit == "" || address == dependency.URI {
			continue
		}
		repository, ref := splitRef(address)
		return Source{Repository: repository, Ref: ref, Commit: commit}
	}
	return Source{}
}

// splitRef takes the ref off the end of an address. A user before the host, and a ref itself, may have an @ as well.
func splitRef(address string) (repository, ref string) {
	path := 0
	if _, after, found := strings.Cut(address, "://"); found {
		path = len(address) - len(after) + max(0, strings.Index(after, "/"))
	}
	at := strings.Index(address[path:], "@refs/")
	if at < 0 {
		at = strings.LastIndex(address[path:], "@")
	}
	if at < 0 {
		return address, ""
	}
	return address[:path+at], address[path+at+1:]
}
