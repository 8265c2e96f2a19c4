package client

import (
	"context"
	"fmt"
	"io"
	"iter"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"github.com/skyisland/skyisland/internal/api"
	"github.com/skyisland/skyisland/internal/dispatch"
	"github.com/skyisland/skyisland/internal/release"
	"github.com/skyisland/skyisland/workflows"
)

const v1 = "/api/v1"

func releasePath(id release.ID) string { return v1 + "/releases/" + id.String() }

// Health asks whether the server is there. It needs no token.
func (c *Client) Health(ctx context.Context) error {
	return c.call(ctx, http.MethodGet, "/healthz", nil, nil, nil)
}

// Info is what the installation says of itself.
func (c *Client) Info(ctx context.Context) (api.Info, error) {
	return ask[api.Info](ctx, c, http.MethodGet, v1+"/info", nil, nil)
}

// WhoAmI is who the installation takes the token's holder for.
func (c *Client) WhoAmI(ctx context.Context) (api.WhoAmI, error) {
	return ask[api.WhoAmI](ctx, c, http.MethodGet, v1+"/whoami", nil, nil)
}

// Applications are all that the token may see.
func (c *Client) Applications(ctx context.Context) ([]release.Application, error) {
	var all []release.Application
	for values := (url.Values{}); ; {
		page, err := ask[api.Applications](ctx, c, http.MethodGet, v1+"/applications", values, nil)
		if err != nil {
			return nil, err
		}
		all = append(all, page.Applications...)
		if page.Next == "" {
			return all, nil
		}
		values.Set("cursor", page.Next)
	}
}

// SaveApplication adds an application, or changes where it comes from.
func (c *Client) SaveApplication(ctx context.Context, tenant, name, repository string) (release.Application, error) {
	path := v1 + "/applications/" + url.PathEscape(tenant) + "/" + url.PathEscape(name)
	return ask[release.Application](ctx, c, http.MethodPut, path, nil, api.ApplicationBody{Repository: repository})
}

// DecisionsSince are what the rules answered to all releases from a time on, with their questions, page by page.
func (c *Client) DecisionsSince(ctx context.Context, since time.Time) iter.Seq2[api.Decision, error] {
	return func(yield func(api.Decision, error) bool) {
		values := url.Values{"since": {since.UTC().Format(time.RFC3339)}, "limit": {"200"}}
		for {
			page, err := ask[api.DecisionPage](ctx, c, http.MethodGet, v1+"/decisions", values, nil)
			if err != nil {
				yield(api.Decision{}, err)
				return
			}
			for _, decision := range page.Decisions {
				if !yield(decision, nil) {
					return
				}
			}
			if page.Next == "" {
				return
			}
			values.Set("cursor", page.Next)
		}
	}
}

// Freezes are those that have not ended and nobody has lifted.
func (c *Client) Freezes(ctx context.Context) (api.FreezeList, error) {
	all := api.FreezeList{Freezes: []release.Freeze{}}
	for values := (url.Values{}); ; {
		page, err := ask[api.FreezeList](ctx, c, http.MethodGet, v1+"/freezes", values, nil)
		if err != nil {
			return api.FreezeList{}, err
		}
		all.Freezes = append(all.Freezes, page.Freezes...)
		if page.Next == "" {
			return all, nil
		}
		values.Set("cursor", page.Next)
	}
}

// AddFreeze declares a freeze.
func (c *Client) AddFreeze(ctx context.Context, body api.FreezeBody) (release.Freeze, error) {
	return ask[release.Freeze](ctx, c, http.MethodPost, v1+"/freezes", nil, body)
}

// LiftFreeze ends a freeze.
func (c *Client) LiftFreeze(ctx context.Context, id string) (release.Freeze, error) {
	return ask[release.Freeze](ctx, c, http.MethodDelete, v1+"/freezes/"+url.PathEscape(id), nil, nil)
}

// Deliveries are the newest messages; only those that were given up when dead is set.
func (c *Client) Deliveries(ctx context.Context, dead bool, limit int) (api.DeliveryList, error) {
	values := url.Values{"limit": {strconv.Itoa(limit)}, "dead": {strconv.FormatBool(dead)}}
	return ask[api.DeliveryList](ctx, c, http.MethodGet, v1+"/deliveries", values, nil)
}

// RetryDelivery sends a message again that was given up.
func (c *Client) RetryDelivery(ctx context.Context, id string) error {
	return c.call(ctx, http.MethodPost, v1+"/deliveries/"+url.PathEscape(id)+"/retry", nil, nil, nil)
}

// Writebacks are what GitHub was told last: of a release, or of all when it is empty; only those in trouble when it is set.
// The cursor is the Next of the page before; empty for the first.
func (c *Client) Writebacks(ctx context.Context, release string, trouble bool, limit int, cursor string) (api.WritebackList, error) {
	values := url.Values{"limit": {strconv.Itoa(limit)}, "trouble": {strconv.FormatBool(trouble)}}
	values = set(set(values, "release", release), "cursor", cursor)
	return ask[api.WritebackList](ctx, c, http.MethodGet, v1+"/writeback", values, nil)
}

// RetryWriteback tells GitHub again what was given up of a release.
func (c *Client) RetryWriteback(ctx context.Context, release string) error {
	return c.call(ctx, http.MethodPost, v1+"/writeback/retry", nil, api.WritebackRetry{Release: release}, nil)
}

// Subscriptions are who is sent events.
func (c *Client) Subscriptions(ctx context.Context) (api.SubscriptionList, error) {
	return ask[api.SubscriptionList](ctx, c, http.MethodGet, v1+"/subscriptions", nil, nil)
}

// EventDeliveries are the newest deliveries to a subscriber; only those of a state unless it is empty. The cursor is the Next
// of the page before; empty for the first.
func (c *Client) EventDeliveries(ctx context.Context, subscription, state string, limit int, cursor string) (api.EventDeliveryList, error) {
	values := set(set(url.Values{"limit": {strconv.Itoa(limit)}}, "state", state), "cursor", cursor)
	return ask[api.EventDeliveryList](ctx, c, http.MethodGet, v1+"/subscriptions/"+url.PathEscape(subscription)+"/deliveries", values, nil)
}

// RetryEvent sends an event again that was given up.
func (c *Client) RetryEvent(ctx context.Context, subscription, id string) error {
	return c.call(ctx, http.MethodPost, v1+"/subscriptions/"+url.PathEscape(subscription)+"/deliveries/"+url.PathEscape(id)+"/retry", nil, nil, nil)
}

// Events are those that match of what came from outside, the newest first.
func (c *Client) Events(ctx context.Context, filter api.EventFilter) (api.EventPage, error) {
	values := set(url.Values{}, "source", filter.Source, "kind", filter.Kind, "delivery", filter.Delivery, "outcome", filter.Outcome, "cursor", filter.Before)
	if filter.Pending {
		values.Set("pending", "true")
	}
	if !filter.Since.IsZero() {
		values.Set("since", filter.Since.UTC().Format(time.RFC3339))
	}
	if filter.Limit > 0 {
		values.Set("limit", strconv.Itoa(filter.Limit))
	}
	return ask[api.EventPage](ctx, c, http.MethodGet, v1+"/inbox", values, nil)
}

func eventPath(id int64) string { return v1 + "/inbox/" + strconv.FormatInt(id, 10) }

// Event is what is known of an event, without its body.
func (c *Client) Event(ctx context.Context, id int64) (api.Event, error) {
	return ask[api.Event](ctx, c, http.MethodGet, eventPath(id), nil, nil)
}

// EventBody writes the body of an event, as it came, to w.
func (c *Client) EventBody(ctx context.Context, id int64, w io.Writer) error {
	return c.copy(ctx, eventPath(id)+"/body", nil, w)
}

// ReplayEvent hands an event on once more, as another event, which it returns.
func (c *Client) ReplayEvent(ctx context.Context, id int64, body api.ReplayBody) (api.Event, error) {
	return ask[api.Event](ctx, c, http.MethodPost, eventPath(id)+"/replay", nil, body)
}

// Releases are those that match, the newest first.
func (c *Client) Releases(ctx context.Context, filter api.ReleaseFilter) (api.ReleasePage, error) {
	values := set(url.Values{}, "tenant", filter.Tenant, "application", filter.Application, "environment", filter.Environment,
		"phase", string(filter.Phase), "cursor", filter.Before)
	if filter.Limit > 0 {
		values.Set("limit", strconv.Itoa(filter.Limit))
	}
	return ask[api.ReleasePage](ctx, c, http.MethodGet, v1+"/releases", values, nil)
}

// Release is how a release is.
func (c *Client) Release(ctx context.Context, id release.ID) (release.Status, error) {
	return ask[release.Status](ctx, c, http.MethodGet, releasePath(id), nil, nil)
}

// Instruct tells a release what to do, and returns when it has followed.
func (c *Client) Instruct(ctx context.Context, id release.ID, what dispatch.Instruction, body api.InstructionBody) (workflows.Followed, error) {
	return ask[workflows.Followed](ctx, c, http.MethodPost, releasePath(id)+"/"+string(what), nil, body)
}

// Alarm tells a release of an alarm.
func (c *Client) Alarm(ctx context.Context, id release.ID, alarm release.Alarm) error {
	return c.call(ctx, http.MethodPost, releasePath(id)+"/alarms", nil, alarm, nil)
}

// Decisions are what the rules answered for a release, oldest first.
func (c *Client) Decisions(ctx context.Context, id release.ID) ([]api.Decision, error) {
	out, err := ask[api.Decisions](ctx, c, http.MethodGet, releasePath(id)+"/decisions", nil, nil)
	return out.Decisions, err
}

// Artifacts is what a release is made of.
func (c *Client) Artifacts(ctx context.Context, id release.ID) (api.ArtifactList, error) {
	return ask[api.ArtifactList](ctx, c, http.MethodGet, releasePath(id)+"/artifacts", nil, nil)
}

// Statements are the newest statements of where an artifact comes from. Their envelopes are not checked.
func (c *Client) Statements(ctx context.Context, artifact release.Digest) (api.StatementList, error) {
	values := url.Values{"limit": {"100"}}
	return ask[api.StatementList](ctx, c, http.MethodGet, v1+"/artifacts/"+url.PathEscape(string(artifact))+"/provenance", values, nil)
}

// SigningKeys are the public keys that the installation trusts, by its own word.
func (c *Client) SigningKeys(ctx context.Context) (api.SigningKeyList, error) {
	return ask[api.SigningKeyList](ctx, c, http.MethodGet, v1+"/provenance/keys", nil, nil)
}

// Lane is how a lane is.
func (c *Client) Lane(ctx context.Context, lane release.Lane) (workflows.LaneState, error) {
	return ask[workflows.LaneState](ctx, c, http.MethodGet, v1+"/lanes/"+lane.String(), nil, nil)
}

// Traffic is where the traffic goes; an empty tenant or application is any.
func (c *Client) Traffic(ctx context.Context, tenant, application string) (api.TrafficState, error) {
	return ask[api.TrafficState](ctx, c, http.MethodGet, v1+"/traffic", set(url.Values{}, "tenant", tenant, "application", application), nil)
}

// Logs writes the lines of the instances that match to w. With Follow it goes on until ctx ends, which
// is no error.
func (c *Client) Logs(ctx context.Context, query api.LogQuery, w io.Writer) error {
	values := set(url.Values{}, "component", query.Component, "revision", query.Revision, "unit", query.Unit)
	if query.Tail > 0 {
		values.Set("tail", strconv.Itoa(query.Tail))
	}
	if query.Follow {
		values.Set("follow", "true")
	}
	return c.copy(ctx, v1+"/logs", values, w)
}

// BuildLog writes what a component's command of a release wrote to w.
func (c *Client) BuildLog(ctx context.Context, id release.ID, component string, kind api.LogKind, w io.Writer) error {
	return c.copy(ctx, releasePath(id)+"/logs", set(url.Values{}, "component", component, "kind", string(kind)), w)
}

func (c *Client) copy(ctx context.Context, path string, values url.Values, w io.Writer) error {
	res, err := c.open(ctx, http.MethodGet, path, values, nil)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	if _, err := io.Copy(w, res.Body); err != nil && ctx.Err() == nil {
		return fmt.Errorf("read from %s: %w", c.base, err)
	}
	return nil
}

// set sets pairs of name and value, but for empty values.
func set(values url.Values, pairs ...string) url.Values {
	for i := 0; i+1 < len(pairs); i += 2 {
		if pairs[i+1] != "" {
			values.Set(pairs[i], pairs[i+1])
		}
	}
	return values
}
