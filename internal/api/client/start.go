package client

import (
	"context"
	"net/http"
	"net/url"
	"time"

	"github.com/skyisland/skyisland/internal/api"
)

// waitEach is how long one question waits for an outcome: well within what the server, and proxies before it, allow.
const waitEach = 25 * time.Second

// Start asks for a release of a commit, and returns as soon as that is kept.
func (c *Client) Start(ctx context.Context, tenant, application string, body api.StartBody) (api.Requested, error) {
	return c.start(ctx, newKey(), tenant, application, body, 0)
}

// StartAndWait asks for a release of a commit, and returns when there is an outcome. With an error, what was kept so far
// is returned too.
func (c *Client) StartAndWait(ctx context.Context, tenant, application string, body api.StartBody) (api.Requested, error) {
	var last api.Requested
	for key := newKey(); ; {
		// The same request with the same key asks what has become of it.
		requested, err := c.start(ctx, key, tenant, application, body, waitEach)
		if err != nil {
			return last, err
		}
		last = requested
		if requested.Outcome != nil {
			// The key was new: what was there already is what we asked for ourselves.
			last.Duplicate = false
			return last, nil
		}
	}
}

func (c *Client) start(ctx context.Context, key, tenant, application string, body api.StartBody, wait time.Duration) (api.Requested, error) {
	path := v1 + "/applications/" + url.PathEscape(tenant) + "/" + url.PathEscape(application) + "/releases"
	values := url.Values{}
	if wait > 0 {
		values.Set("wait", wait.String())
	}
	var out api.Requested
	err := c.read(ctx, &out, func(ctx context.Context) (*http.Response, error) {
		return c.openWith(ctx, http.Header{keyHeader: {key}}, http.MethodPost, path, values, body)
	})
	return out, err
}
