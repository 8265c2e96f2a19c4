package activities

import (
	"context"
	"reflect"
	"slices"

	"go.temporal.io/sdk/activity"

	"github.com/skyisland/skyisland/internal/release"
)

// untouched are the components that need not be built again: each says what it is built from, none of it differs from the
// commit that its stable artifact was built from, and neither does how it is built. Whatever cannot be compared is built.
func (s *Source) untouched(ctx context.Context, in ResolveInput, spec release.Spec) (out []string) {
	if s.Under == nil {
		return nil
	}
	then := map[string]before{}
	for _, component := range spec.Components {
		commit := in.Built[component.Name]
		if len(component.Paths) == 0 || commit == "" {
			continue
		}
		was, known := then[commit]
		if !known {
			was = s.before(ctx, in.Request, commit)
			then[commit] = was
		}
		if s.same(was, component) {
			out = append(out, component.Name)
		}
	}
	return out
}

// before is a commit that something stable was built from, compared with the one that is released; its zero value is one
// that could not be compared.
type before struct {
	compared   bool
	changed    []string
	components []release.Component
}

// before reads what was built from a commit, and what has changed since.
func (s *Source) before(ctx context.Context, req release.Request, commit string) before {
	log := activity.GetLogger(ctx)
	if err := s.Repositories.Fetch(ctx, req.Repository, commit); err != nil {
		log.Info("everything is built: what is stable is of a commit that is gone", "commit", commit, "error", err)
		return before{}
	}
	changed, err := s.Repositories.Changed(ctx, req.Repository, commit, req.Commit)
	if err != nil {
		log.Warn("everything is built: the commits were not compared", "from", commit, "to", req.Commit, "error", err)
		return before{}
	}
	data, err := s.Repositories.ReadFile(ctx, req.Repository, commit, ManifestFile, ManifestLimit)
	if err != nil {
		log.Warn("everything is built: the manifest of what is stable was not read", "commit", commit, "error", err)
		return before{}
	}
	spec, err := s.Manifest(ManifestFile, data, req.Lane.Environment)
	if err != nil {
		log.Info("everything is built: the manifest of what is stable is no longer valid", "commit", commit, "error", err)
		return before{}
	}
	return before{compared: true, changed: changed, components: spec.Components}
}

// same says whether a component would be built as it was. Its test is part of that: it is what the artifact has passed.
func (s *Source) same(b before, component release.Component) bool {
	i := slices.IndexFunc(b.components, func(c release.Component) bool { return c.Name == component.Name })
	if !b.compared || i < 0 {
		return false
	}
	was := b.components[i]
	if was.Path != component.Path || !reflect.DeepEqual(was.Build, component.Build) || !reflect.DeepEqual(was.Test, component.Test) || !slices.Equal(was.Paths, component.Paths) {
		return false
	}
	if component.Path == "." {
		return len(b.changed) == 0
	}
	return !slices.ContainsFunc(b.changed, s.Under(component.Path, component.Paths))
}
