package app

import (
	"context"
	"strings"
	"time"

	"github.com/skyisland/skyisland/internal/config"
	"github.com/skyisland/skyisland/internal/github"
	"github.com/skyisland/skyisland/internal/intake"
	"github.com/skyisland/skyisland/internal/release"
	"github.com/skyisland/skyisland/internal/store"
)

// sentByGitHub are the deliveries that GitHub keeps, in the words of who looks for those that never came.
type sentByGitHub struct {
	connection *github.Connection
	store      *store.Store
	// webhook is the address that GitHub delivers to.
	webhook string
}

// Missed are the deliveries to our webhook that the inbox does not know. They come over an authenticated connection, so
// they need no signature.
func (s sentByGitHub) Missed(ctx context.Context, applications []release.Application, since time.Time) ([]intake.Event, error) {
	var repositories []github.Repository
	for _, application := range applications {
		if r, ours := s.connection.Repository(application.Repository); ours {
			repositories = append(repositories, r)
		}
	}
	found, err := s.connection.Missed(ctx, repositories, s.webhook, since, func(ctx context.Context, guid string) (bool, error) {
		return s.store.Knows(ctx, "github", guid)
	})
	out := make([]intake.Event, len(found))
	for i, d := range found {
		out[i] = intake.Event{Source: "github", Delivery: d.GUID, Kind: d.Event, Body: d.Payload, ReceivedAt: time.Now().UTC()}
	}
	return out, err
}

// sent are the deliveries of sources that keep them; nil where nobody does, or we may not ask.
func (a *App) sent(c config.Config) intake.Deliveries {
	if a.github == nil || len(c.GitHub.Reveal()) == 0 || c.PublicURL == "" {
		return nil
	}
	return sentByGitHub{a.github, a.store, strings.TrimSuffix(c.PublicURL, "/") + githubPath}
}
