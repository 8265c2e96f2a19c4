package app

import (
	"context"
	"errors"
	"fmt"

	"github.com/skyisland/skyisland/internal/config"
	"github.com/skyisland/skyisland/internal/dispatch"
	"github.com/skyisland/skyisland/internal/intake"
	"github.com/skyisland/skyisland/internal/release"
	"github.com/skyisland/skyisland/internal/store"
)

// Where alarms are delivered.
const (
	alertmanagerPath = "/webhooks/alertmanager"
	cloudEventsPath  = "/webhooks/cloudevents"
)

// hearAlarms makes the webhooks of alarms that have a token.
func (a *App) hearAlarms(c config.Config, box intake.Inbox) error {
	if tokens := c.Alertmanager.Reveal(); len(tokens) > 0 {
		source, err := intake.NewAlertmanager(tokens, box, a.router, a.log)
		if err != nil {
			return err
		}
		a.sources[alertmanagerPath] = source
	}
	if tokens := c.CloudEvents.Reveal(); len(tokens) > 0 {
		source, err := intake.NewCloudEvents(tokens, box, a.router, a.log)
		if err != nil {
			return err
		}
		a.sources[cloudEventsPath] = source
	}
	return nil
}

// underWay is what alarms need of the releases.
type underWay struct {
	*dispatch.Dispatcher

	store *store.Store
}

// UnderWay are the releases of a lane that have not ended, as they say themselves.
func (u underWay) UnderWay(ctx context.Context, lane release.Lane) ([]release.Status, error) {
	found, err := u.store.UnderWay(ctx, lane)
	if err != nil {
		return nil, err
	}
	var out []release.Status
	for _, id := range found {
		status, err := u.Status(ctx, id)
		switch {
		case errors.Is(err, release.ErrNotFound), errors.Is(err, release.ErrFinished):
			continue
		case err != nil:
			return nil, fmt.Errorf("ask release %s how it is: %w", id, err)
		case !status.Phase.Ended():
			out = append(out, status)
		}
	}
	return out, nil
}
