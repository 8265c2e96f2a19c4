package app

import (
	"context"
	"errors"

	"github.com/skyisland/skyisland/activities"
	"github.com/skyisland/skyisland/internal/git"
	"github.com/skyisland/skyisland/internal/intake"
	"github.com/skyisland/skyisland/internal/manifest"
	"github.com/skyisland/skyisland/internal/release"
)

// repositories is git in the words of its users: what is not there is [release.ErrNotFound].
type repositories struct{ source *git.Source }

func (r repositories) Fetch(ctx context.Context, repository, commit string) error {
	return notFound(r.source.Fetch(ctx, repository, commit))
}

func (r repositories) ReadFile(ctx context.Context, repository, commit, path string, limit int64) ([]byte, error) {
	data, err := r.source.ReadFile(ctx, repository, commit, path, limit)
	if errors.Is(err, git.ErrTooLarge) {
		err = errors.Join(err, release.ErrTooLarge)
	}
	return data, notFound(err)
}

func (r repositories) Export(ctx context.Context, repository, commit, dest string) error {
	return notFound(r.source.Export(ctx, repository, commit, dest))
}

func (r repositories) Log(ctx context.Context, repository, from, to string, most int) ([]release.Commit, error) {
	found, err := r.source.Log(ctx, repository, from, to, most)
	if err != nil {
		return nil, notFound(err)
	}
	var out []release.Commit
	for _, c := range found {
		out = append(out, release.Commit{ID: c.ID, Subject: c.Subject, Author: c.Author.Name + " <" + c.Author.Email + ">"})
	}
	return out, nil
}

func (r repositories) Changed(ctx context.Context, repository, from, to string) ([]string, error) {
	changed, err := r.source.Changed(ctx, repository, from, to)
	return changed, notFound(err)
}

// notFound marks the errors that trying again cannot mend.
func notFound(err error) error {
	for _, final := range []error{git.ErrCommitUnknown, git.ErrFileUnknown, git.ErrInvalid, git.ErrUnsupported, git.ErrTooLarge} {
		if errors.Is(err, final) {
			return errors.Join(err, release.ErrNotFound)
		}
	}
	return err
}

// resolveManifest reads a manifest for one environment.
func resolveManifest(file string, data []byte, environment string) (release.Spec, error) {
	m, err := manifest.Read(file, data)
	if err != nil {
		return release.Spec{}, err
	}
	return m.Spec(environment)
}

// manifests reads what intake wants to know of a commit's manifest.
type manifests struct{ repositories repositories }

// Routes says to which environments the commit's branches go.
func (m manifests) Routes(ctx context.Context, application release.Application, commit string) (intake.Routes, error) {
	if err := m.repositories.Fetch(ctx, application.Repository, commit); err != nil {
		return intake.Routes{}, err
	}
	data, err := m.repositories.ReadFile(ctx, application.Repository, commit, activities.ManifestFile, activities.ManifestLimit)
	if errors.Is(err, release.ErrNotFound) {
		return intake.Routes{Problems: release.Problems{activities.ManifestAway(err)}}, nil
	}
	if err != nil {
		return intake.Routes{}, err
	}
	read, err := manifest.Read(activities.ManifestFile, data)
	routes := intake.Routes{Problems: manifest.ProblemsOf(err), Branches: map[string][]string{}, Triggers: map[string]release.Trigger{}, Concurrency: map[string]release.Concurrency{}}
	if read == nil {
		return routes, nil
	}
	for name, environment := range read.Environment {
		if environment == nil {
			continue
		}
		routes.Concurrency[name] = environment.Concurrency
		if trigger := environment.Trigger(); !trigger.Push() {
			routes.Triggers[name] = trigger
		}
		routes.Branches[environment.Branch] = read.Environments(environment.Branch)
	}
	return routes, nil
}

// author is who an author's address belongs to; somebody of that name whom the directory does not know otherwise.
func (a *App) author(email string) release.Actor {
	if actor, err := a.people.Person("git", email); err == nil {
		return actor
	}
	return release.Actor{Name: email, Source: "git"}
}
