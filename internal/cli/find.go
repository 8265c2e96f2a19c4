package cli

import (
	"context"
	"slices"
	"strconv"
	"strings"

	"github.com/skyisland/skyisland/internal/api"
	"github.com/skyisland/skyisland/internal/api/client"
	"github.com/skyisland/skyisland/internal/release"
)

const (
	// latest is the newest release of all.
	latest = "latest"
	// pageSize and mostPages bound how far back a short name is looked for.
	pageSize  = 200
	mostPages = 5
)

const releaseHelp = `A RELEASE is tenant/application/environment/number, such as demo/hello/production/3. Its
beginning may be left out where only one release matches: hello/production/3, production/3 or 3.
"latest" is the newest of all.`

// find is the release that a person means.
func find(ctx context.Context, c *client.Client, name string) (release.ID, error) {
	if name == "" || name == latest {
		page, err := c.Releases(ctx, api.ReleaseFilter{Limit: 1})
		if err != nil {
			return release.ID{}, err
		}
		if len(page.Releases) == 0 {
			return release.ID{}, notFound("there is no release yet: push to a repository whose application is known (skyisland application list)")
		}
		return page.Releases[0].ID, nil
	}
	parts := strings.Split(name, "/")
	number, err := strconv.Atoi(parts[len(parts)-1])
	if err != nil || number < 1 || len(parts) > 4 {
		return release.ID{}, usage("%q is not a release: write tenant/application/environment/number, or only the end of it, such as production/3 or 3", name)
	}
	if len(parts) == 4 {
		id, err := release.ParseID(name)
		if err != nil {
			return release.ID{}, usage("%v", err)
		}
		return id, nil
	}
	return findShort(ctx, c, name)
}

// findShort looks for the one release whose name ends so.
func findShort(ctx context.Context, c *client.Client, name string) (release.ID, error) {
	var found, near []string
	var ids []release.ID
	filter := api.ReleaseFilter{Limit: pageSize}
	if parts := strings.Split(name, "/"); len(parts) > 1 {
		filter.Environment = parts[len(parts)-2]
	}
	for range mostPages {
		page, err := c.Releases(ctx, filter)
		if err != nil {
			return release.ID{}, err
		}
		for _, r := range page.Releases {
			if strings.HasSuffix("/"+r.ID.String(), "/"+name) && !slices.Contains(found, r.ID.String()) {
				found, ids = append(found, r.ID.String()), append(ids, r.ID)
			}
			if lane := r.ID.Lane.String(); !slices.ContainsFunc(near, func(n string) bool { return strings.HasPrefix(n, lane+"/") }) {
				near = append(near, r.ID.String())
			}
		}
		if filter.Before = page.Next; page.Next == "" {
			break
		}
	}
	switch {
	case len(ids) == 1:
		return ids[0], nil
	case len(ids) > 1:
		slices.Sort(found)
		return release.ID{}, usage("%q may be any of %s: write more of it", name, strings.Join(found, ", "))
	case len(near) > 0:
		return release.ID{}, notFound("there is no release %q; the newest are %s", name, strings.Join(near[:min(len(near), 5)], ", "))
	default:
		return release.ID{}, notFound("there is no release %q", name)
	}
}

// about is the server that the command speaks to, and the release that it is about.
func (p *program) about(ctx context.Context, name string) (*client.Client, release.ID, error) {
	c, err := p.client()
	if err != nil {
		return nil, release.ID{}, err
	}
	id, err := find(ctx, c, name)
	return c, id, err
}
