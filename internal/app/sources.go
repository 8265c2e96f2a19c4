package app

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"strings"

	"github.com/skyisland/skyisland/internal/config"
	"github.com/skyisland/skyisland/internal/desk"
	"github.com/skyisland/skyisland/internal/dispatch"
	"github.com/skyisland/skyisland/internal/intake"
	"github.com/skyisland/skyisland/internal/release"
	"github.com/skyisland/skyisland/internal/schedule"
	"github.com/skyisland/skyisland/internal/store"
)

// Where forges, registries and others deliver. The path decides the source.
const (
	githubPath   = "/webhooks/github"
	gitlabPath   = "/webhooks/gitlab"
	giteaPath    = "/webhooks/gitea"
	standardPath = "/webhooks/standard"
	registryPath = "/webhooks/registry"
)

// webhooksPath is what the paths of all webhooks begin with.
const webhooksPath = "/webhooks/"

// noWebhook answers what no webhook takes: a source without a secret, a path that is mistyped, or another method. Its
// callers have no token of the API, so being asked for one would send them the wrong way.
func (a *App) noWebhook(w http.ResponseWriter, r *http.Request) {
	status, message := http.StatusNotFound, "there is no such webhook here: a source has one when the configuration has its secret or token"
	if a.sources[r.URL.Path] != nil || r.URL.Path == slackPath && a.chats.slack != nil {
		w.Header().Set("Allow", http.MethodPost)
		status, message = http.StatusMethodNotAllowed, "a webhook takes POST"
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	// Who is gone needs no answer.
	_ = json.NewEncoder(w).Encode(map[string]string{"message": message})
}

// takeSources makes the webhooks of the sources that have a secret, and the schedules.
func (a *App) takeSources(c config.Config, box intake.Inbox) error {
	a.sources = map[string]http.Handler{}
	for _, source := range []struct {
		path    string
		secrets []string
		make    func([]string, intake.Inbox, *intake.Router, *slog.Logger) (*intake.Webhook, error)
	}{
		{githubPath, c.GitHub.Reveal(), intake.NewGitHub},
		{gitlabPath, c.GitLab.Reveal(), intake.NewGitLab},
		{giteaPath, c.Gitea.Reveal(), intake.NewGitea},
		{standardPath, c.Standard.Reveal(), intake.NewStandard},
		{registryPath, c.RegistryEvents.Reveal(), intake.NewRegistry},
	} {
		if len(source.secrets) == 0 {
			continue
		}
		made, err := source.make(source.secrets, box, a.router, a.log)
		if err != nil {
			return err
		}
		a.sources[source.path] = made
	}
	if err := a.hearAlarms(c, box); err != nil {
		return err
	}
	a.asking = intake.NewAsking(box, a.router)
	var err error
	a.schedules, err = newSchedules(c.Schedules, a.store, box, a.router, a.log)
	return err
}

// newSchedules are the schedules of the configuration.
func newSchedules(all []config.Schedule, records intake.ScheduleRecords, box intake.Inbox, router *intake.Router, log *slog.Logger) (*intake.Schedules, error) {
	var out []intake.Schedule
	for i, s := range all {
		due, err := schedule.Parse(s.Cron, s.Zone)
		if err != nil {
			return nil, fmt.Errorf("schedules[%d].cron: %w", i, err)
		}
		tenant, application := s.Of()
		out = append(out, intake.Schedule{
			Name: s.Name, Tenant: tenant, Application: application, Environment: s.Environment, Branch: s.Branch,
			Definition: strings.Join([]string{s.Cron, s.Zone, s.Application, s.Environment, s.Branch}, "|"),
			Latest:     due.Latest, Next: due.Next,
		})
	}
	return intake.NewSchedules(out, records, box, router, log), nil
}

// released is the store in the words of intake.
type released struct{ store *store.Store }

// Release is what a release was asked for. The ref of one from before it was kept is the one that has its commit and was
// released, where there is one alone.
func (r released) Release(ctx context.Context, id release.ID) (intake.Was, error) {
	found, err := r.store.Release(ctx, id)
	if err != nil {
		return intake.Was{}, err
	}
	was := intake.Was{Ref: found.Ref, Commit: found.Commit, Message: found.Message}
	if was.Ref != "" {
		return was, nil
	}
	heads, err := r.store.Heads(ctx, id.Lane.Tenant, id.Lane.Application)
	if err != nil {
		return intake.Was{}, err
	}
	var refs []string
	for ref, head := range heads {
		if strings.HasPrefix(ref, "refs/") && head.Released && head.Commit == found.Commit {
			refs = append(refs, ref)
		}
	}
	if len(refs) == 1 {
		was.Ref = refs[0]
	}
	return was, nil
}

// instructor tells releases what people say at check runs, and records what is refused.
type instructor struct{ audit desk.Audit }

// Instruct tells a release; a no of the release is [release.ErrConflict] with its reason.
func (i instructor) Instruct(ctx context.Context, id release.ID, what string, in release.Instruction) error {
	_, err := i.audit.Instruct(ctx, id, dispatch.Instruction(what), in)
	var refused *dispatch.RefusedError
	if errors.As(err, &refused) {
		return fmt.Errorf("%w: %s", release.ErrConflict, refused.Message)
	}
	return err
}
