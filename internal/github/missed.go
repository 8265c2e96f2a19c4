package github

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/google/go-github/v60/github"
)

// Delivery is a delivery of a webhook, as GitHub keeps it.
type Delivery struct {
	// GUID is its name, the same however often it is sent, and Event what it tells of.
	GUID    string
	Event   string
	Payload []byte
	// At is when it was sent first.
	At time.Time
}

// The bounds of one look at what GitHub has sent.
const (
	hooksRead      = 100
	deliveriesRead = 100 // a page
	pagesRead      = 100
	missedMost     = 200
)

// deliveries are how those of one webhook are read.
type deliveries struct {
	list func(ctx context.Context, page *github.ListCursorOptions) ([]*github.HookDelivery, *github.Response, error)
	get  func(ctx context.Context, id int64) (*github.HookDelivery, *github.Response, error)
}

// Missed are the deliveries that GitHub has sent to our webhook since a time and that nobody here knows, oldest first and
// at most 200. It keeps them for some days. An App has one webhook for all repositories; with a token, which needs to read
// the webhooks of a repository, those are asked that have the webhook's address. A repository that may not be asked does
// not keep the others from being: the error is beside what was found.
func (c *Connection) Missed(ctx context.Context, repositories []Repository, webhook string, since time.Time, known func(ctx context.Context, guid string) (bool, error)) ([]Delivery, error) {
	var (
		sources []deliveries
		errs    []error
	)
	if c.app != nil {
		signed, err := c.app.sign(c.now())
		if err != nil {
			return nil, err
		}
		client := c.client(signed)
		sources = append(sources, deliveries{client.Apps.ListHookDeliveries, client.Apps.GetHookDelivery})
	} else {
		for _, r := range repositories {
			found, err := c.webhooks(ctx, r, webhook)
			if err != nil {
				errs = append(errs, fmt.Errorf("list the webhooks of %s: %w", r, err))
			}
			sources = append(sources, found...)
		}
	}
	var out []Delivery
	seen := map[string]bool{}
	for _, source := range sources {
		found, err := source.missed(ctx, since, func(ctx context.Context, guid string) (bool, error) {
			if seen[guid] {
				return true, nil
			}
			return known(ctx, guid)
		})
		for _, d := range found {
			seen[d.GUID] = true
		}
		out = append(out, found...)
		if err != nil {
			errs = append(errs, err)
		}
	}
	slices.SortStableFunc(out, func(a, b Delivery) int { return a.At.Compare(b.At) })
	if len(out) > missedMost {
		out, errs = out[:missedMost], append(errs, errMore)
	}
	return out, errors.Join(errs...)
}

// errMore keeps whoever asks from going on to newer deliveries before these.
var errMore = fmt.Errorf("more than %d deliveries were missed: the others come with the next look", missedMost)

// webhooks are those of a repository that have our address.
func (c *Connection) webhooks(ctx context.Context, r Repository, webhook string) ([]deliveries, error) {
	client, err := c.Client(ctx, r)
	if err != nil {
		return nil, err
	}
	hooks, _, err := client.Repositories.ListHooks(ctx, r.Owner, r.Name, &github.ListOptions{PerPage: hooksRead})
	if err != nil {
		return nil, err
	}
	var out []deliveries
	for _, hook := range hooks {
		if hook.GetConfig() == nil || strings.TrimSuffix(hook.GetConfig().GetURL(), "/") != strings.TrimSuffix(webhook, "/") {
			continue
		}
		out = append(out, deliveries{
			list: func(ctx context.Context, page *github.ListCursorOptions) ([]*github.HookDelivery, *github.Response, error) {
				return client.Repositories.ListHookDeliveries(ctx, r.Owner, r.Name, hook.GetID(), page)
			},
			get: func(ctx context.Context, id int64) (*github.HookDelivery, *github.Response, error) {
				return client.Repositories.GetHookDelivery(ctx, r.Owner, r.Name, hook.GetID(), id)
			},
		})
	}
	return out, nil
}

// missed are the deliveries of one webhook that nobody knows, with what they say.
func (d deliveries) missed(ctx context.Context, since time.Time, known func(ctx context.Context, guid string) (bool, error)) ([]Delivery, error) {
	wanted, err := d.unknown(ctx, since, known)
	var out []Delivery
	for _, one := range wanted {
		full, _, err := d.get(ctx, one.GetID())
		if err != nil {
			return out, fmt.Errorf("read delivery %s: %w", one.GetGUID(), err)
		}
		if full.Request == nil || full.Request.RawPayload == nil {
			continue
		}
		out = append(out, Delivery{GUID: one.GetGUID(), Event: one.GetEvent(), Payload: *full.Request.RawPayload, At: one.GetDeliveredAt().Time})
	}
	return out, err
}

// unknown are the deliveries since a time that nobody knows, oldest first, each once however often it was sent.
func (d deliveries) unknown(ctx context.Context, since time.Time, known func(ctx context.Context, guid string) (bool, error)) ([]*github.HookDelivery, error) {
	page := &github.ListCursorOptions{PerPage: deliveriesRead}
	whole := false
	first := map[string]*github.HookDelivery{}
	var order []string
	for range pagesRead {
		listed, response, err := d.list(ctx, page)
		if err != nil {
			return nil, fmt.Errorf("list deliveries: %w", err)
		}
		old := false
		for _, one := range listed {
			if one.GetDeliveredAt().Before(since) {
				old = true
				break
			}
			guid := one.GetGUID()
			if first[guid] == nil {
				order = append(order, guid)
			}
			first[guid] = one // the list has the newest first
		}
		if whole = old || response.Cursor == ""; whole {
			break
		}
		page.Cursor = response.Cursor
	}
	var more error
	if !whole {
		more = fmt.Errorf("there are more than %d deliveries since %s: those before them cannot be asked for", pagesRead*deliveriesRead, since)
	}
	var out []*github.HookDelivery
	for _, guid := range slices.Backward(order) {
		if first[guid].GetEvent() == "ping" || guid == "" {
			continue
		}
		here, err := known(ctx, guid)
		if err != nil {
			return nil, err
		}
		if !here {
			out = append(out, first[guid])
		}
	}
	if len(out) > missedMost {
		return out[:missedMost], errors.Join(more, errMore)
	}
	return out, more
}
