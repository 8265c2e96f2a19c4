package app

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/skyisland/skyisland/activities"
	"github.com/skyisland/skyisland/internal/api"
	"github.com/skyisland/skyisland/internal/config"
	"github.com/skyisland/skyisland/internal/provenance"
	"github.com/skyisland/skyisland/internal/release"
	"github.com/skyisland/skyisland/internal/signing"
	"github.com/skyisland/skyisland/internal/store"
)

// mostStatements is how many of an artifact's statements are looked at, the newest first. A release's own is among them.
const mostStatements = 100

// attestations state where artifacts come from, and find out whether what is stated holds.
type attestations struct {
	store *store.Store
	keys  *signing.Keyring
	// builder is the URI that this installation's builds are known by.
	builder string
	version string
}

// newAttestations opens the signing keys in the data folder.
func (a *App) newAttestations(o Options) (*attestations, error) {
	keys, err := signing.Open(a.path("provenance"))
	if err != nil {
		return nil, err
	}
	return &attestations{store: a.store, keys: keys, builder: builderOf(o.Config), version: cmp.Or(o.Version, "(devel)")}, nil
}

// builderOf is the URI that the builds of an installation are known by.
func builderOf(c config.Config) string {
	return cmp.Or(c.Provenance.Builder, strings.TrimSuffix(c.PublicURL, "/")+"/builder")
}

// Attest signs where an artifact comes from, and returns once that is stored.
func (a *attestations) Attest(ctx context.Context, made activities.Made) error {
	lane := made.Release.Lane
	var from activities.Material
	if made.From != nil {
		from = *made.From
	}
	statement, err := provenance.New(provenance.Build{
		Subject: lane.Tenant + "/" + lane.Application + "/" + made.Component.Name, SHA256: made.Artifact.Hex(),
		Repository: made.Repository, Ref: made.Ref, Commit: made.Commit,
		ManifestPath: activities.ManifestFile, ManifestSHA256: made.Manifest.Hex(),
		Component: made.Component.Name, Command: made.Component.Build.Run, Release: made.Release.String(),
		From: from.URI, FromSHA256: from.Digest.Hex(),
		Builder: a.builder, Version: a.version, Invocation: made.Attempt, Started: made.Started, Finished: made.Finished,
	})
	if err != nil {
		return err
	}
	envelope, err := a.keys.Sign(statement)
	if err != nil {
		return err
	}
	return a.store.SaveStatement(ctx, store.Statement{
		Artifact: made.Artifact, Release: made.Release, Component: made.Component.Name, Envelope: envelope, Made: made.Finished,
	})
}

// Origins says of each candidate of a plan what holds now. Keys that cannot be read verify nothing, and that is told.
func (a *attestations) Origins(ctx context.Context, plan release.Plan) ([]release.Provenance, error) {
	trusted, unreadable := a.keys.Trusted()
	var out []release.Provenance
	for _, move := range plan.Moves {
		origin := release.Provenance{Component: move.Component, Artifact: move.Candidate.Artifact}
		stated, err := a.store.Statements(ctx, origin.Artifact, nil, mostStatements)
		if err != nil {
			return nil, err
		}
		switch {
		case unreadable != nil:
			origin.Problem = unreadable.Error()
		case len(stated) == 0:
			origin.Problem = "there is no statement about its artifact"
		default:
			origin = best(origin, stated, trusted, plan)
		}
		out = append(out, origin)
	}
	return out, nil
}

// best is what the statement says that holds and is closest to a plan: of its commit, else of its repository, else any. Of
// several it is the newest.
func best(origin release.Provenance, stated []store.Statement, trusted []provenance.PublicKey, plan release.Plan) release.Provenance {
	found, closest := origin, -1
	for _, one := range stated {
		verified, err := provenance.Verify(one.Envelope, trusted, origin.Artifact.Hex())
		if err != nil {
			origin.Problem = cmp.Or(origin.Problem, fmt.Sprintf("the statement of release %s does not hold: %v", one.Release, err))
			continue
		}
		source, near := verified.Statement.Source(), 0
		if source.Repository == provenance.Bare(plan.Repository) {
			near = 1
			if source.Commit == plan.Commit {
				near = 2
			}
		}
		if near <= closest {
			continue
		}
		run := verified.Statement.Predicate.RunDetails
		found, closest = release.Provenance{
			Component: origin.Component, Artifact: origin.Artifact, Verified: true, Builder: run.Builder.ID,
			Repository: source.Repository, Ref: source.Ref, Commit: source.Commit, Keys: verified.KeyIDs, Built: run.Metadata.FinishedOn.UTC(),
		}, near
		if near == 2 {
			break
		}
	}
	if closest < 0 {
		return origin
	}
	return found
}

// statements are what is stated, in the words of the API.
type statements struct{ *attestations }

func (s statements) Statements(ctx context.Context, artifact release.Digest, tenants []string, most int) ([]api.Statement, error) {
	stored, err := s.store.Statements(ctx, artifact, tenants, most)
	if err != nil {
		return nil, err
	}
	out := make([]api.Statement, len(stored))
	for i, one := range stored {
		out[i] = api.Statement{Release: one.Release, Component: one.Component, Made: one.Made, Envelope: one.Envelope}
	}
	return out, nil
}

// Built is the newest artifact of each component that was built for a release, in the order of their names.
func (s statements) Built(ctx context.Context, id release.ID) ([]api.Artifact, error) {
	stored, err := s.store.StatementsOf(ctx, id, mostStatements)
	if err != nil {
		return nil, err
	}
	newest := map[string]release.Digest{}
	for _, one := range stored {
		if _, there := newest[one.Component]; !there {
			newest[one.Component] = one.Artifact
		}
	}
	var out []api.Artifact
	for _, component := range slices.Sorted(maps.Keys(newest)) {
		out = append(out, api.Artifact{Component: component, Artifact: newest[component]})
	}
	return out, nil
}

func (s statements) Keys(context.Context) ([]api.SigningKey, error) {
	trusted, err := s.keys.Trusted()
	if err != nil {
		return nil, err
	}
	var out []api.SigningKey
	for _, key := range trusted {
		text, err := key.PEM()
		if err != nil {
			return nil, err
		}
		out = append(out, api.SigningKey{ID: key.ID, PEM: string(text), Signing: key.ID == s.keys.Public().ID})
	}
	return out, nil
}
