package api

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"time"

	"github.com/skyisland/skyisland/internal/release"
)

// Artifacts know what was built, and what is stated of it.
type Artifacts interface {
	// Statements are those about an artifact that were made for releases of some tenants, nil for all: the newest first, at
	// most so many.
	Statements(ctx context.Context, artifact release.Digest, tenants []string, most int) ([]Statement, error)
	// Built is what was built for a release, a component each; nothing for a release that has built nothing.
	Built(ctx context.Context, id release.ID) ([]Artifact, error)
	// Keys are the public keys whose signatures count.
	Keys(ctx context.Context) ([]SigningKey, error)
}

// Statement is a signed statement of where an artifact comes from. What is beside the envelope is the server's word.
type Statement struct {
	// Release and Component are what it was built for, Made is when the build ended.
	Release   release.ID `json:"release"`
	Component string     `json:"component"`
	Made      time.Time  `json:"made"`
	// Envelope is a DSSE envelope.
	Envelope json.RawMessage `json:"envelope"`
}

// StatementList is what is stated about an artifact, the newest first.
type StatementList struct {
	Artifact   release.Digest `json:"artifact"`
	Statements []Statement    `json:"statements"`
}

// Artifact is what a component of a release is made of.
type Artifact struct {
	Component string         `json:"component"`
	Artifact  release.Digest `json:"artifact"`
	// Revision is empty where the release has ended so long ago that only its statements tell.
	Revision string `json:"revision,omitempty"`
	// Commit is what it was built from: an earlier one than the release's for a component that nothing has touched since.
	Commit string `json:"commit,omitempty"`
}

// ArtifactList is what a release is made of.
type ArtifactList struct {
	Release release.ID `json:"release"`
	// Commit is what was released.
	Commit    string     `json:"commit"`
	Artifacts []Artifact `json:"artifacts"`
}

// SigningKey is a public key.
type SigningKey struct {
	// ID is the SHA-256 of the key's PKIX form, as statements name it.
	ID  string `json:"id"`
	PEM string `json:"pem"`
	// Signing says that new statements are signed with it; the others are those of before, or of others.
	Signing bool `json:"signing"`
}

// SigningKeyList is the keys that the installation trusts.
type SigningKeyList struct {
	Keys []SigningKey `json:"keys"`
}

// The bounds of a list of statements: each has some kilobytes.
const (
	usualStatements = 20
	mostStatements  = 100
)

func (s *Server) listStatements(w http.ResponseWriter, r *http.Request) {
	digest := release.Digest(r.PathValue("digest"))
	if err := digest.Check(); err != nil {
		s.fail(w, r, badRequest("%v", err))
		return
	}
	if err := s.keepsStatements(); err != nil {
		s.fail(w, r, err)
		return
	}
	found, err := s.artifacts.Statements(r.Context(), digest, holderOf(r.Context()).tenants, paramsOf(r.Context()).number("limit"))
	if err != nil {
		s.fail(w, r, fmt.Errorf("list the statements about %s: %w", digest, err))
		return
	}
	if found == nil {
		found = []Statement{}
	}
	reply(w, http.StatusOK, StatementList{digest, found})
}

func (s *Server) listArtifacts(w http.ResponseWriter, r *http.Request) {
	id, err := idOf(r)
	if err != nil {
		s.fail(w, r, err)
		return
	}
	status, err := s.status(r.Context(), id)
	if err != nil {
		s.fail(w, r, err)
		return
	}
	out := ArtifactList{Release: id, Commit: status.Commit, Artifacts: []Artifact{}}
	for _, move := range status.Moves {
		out.Artifacts = append(out.Artifacts, Artifact{move.Component, move.Candidate.Artifact, move.Candidate.ID, move.Candidate.Commit})
	}
	// A release that only the records know has no plan any more.
	if len(out.Artifacts) == 0 && s.artifacts != nil {
		built, err := s.artifacts.Built(r.Context(), id)
		if err != nil {
			s.fail(w, r, fmt.Errorf("list what was built for release %s: %w", id, err))
			return
		}
		out.Artifacts = append(out.Artifacts, built...)
	}
	reply(w, http.StatusOK, out)
}

func (s *Server) listKeys(w http.ResponseWriter, r *http.Request) {
	if err := s.keepsStatements(); err != nil {
		s.fail(w, r, err)
		return
	}
	keys, err := s.artifacts.Keys(r.Context())
	if err != nil {
		s.fail(w, r, fmt.Errorf("list the signing keys: %w", err))
		return
	}
	if keys == nil {
		keys = []SigningKey{}
	}
	reply(w, http.StatusOK, SigningKeyList{keys})
}

func (s *Server) keepsStatements() error {
	if s.artifacts == nil {
		return missing("this server keeps no statements of where artifacts come from")
	}
	return nil
}
