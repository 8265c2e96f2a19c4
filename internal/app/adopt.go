package app

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"net/url"

	"github.com/skyisland/skyisland/internal/release"
	"github.com/skyisland/skyisland/internal/store"
)

// applications is the store in the words of intake, with repositories of the house adopted.
type applications struct {
	*store.Store
	adopt func(fullName, cloneURL string) (release.Application, bool)
}

// ApplicationByRepository finds an application. One of the house that was never registered is
// adopted; what the last valid manifest said of its branches stays. A name that was registered for
// another repository is [release.ErrConflict]: whoever may push here may not take it over.
func (a applications) ApplicationByRepository(ctx context.Context, fullName, cloneURL string) (release.Application, error) {
	found, err := a.Store.ApplicationByRepository(ctx, fullName, cloneURL)
	if a.adopt == nil {
		return found, err
	}
	adopted, ours := a.adopt(fullName, cloneURL)
	if !ours || (err != nil && !errors.Is(err, release.ErrNotFound)) {
		return found, err
	}
	if err != nil {
		if found, err = a.named(ctx, adopted); errors.Is(err, release.ErrNotFound) {
			return adopted, a.SaveApplication(ctx, adopted)
		}
		if err != nil {
			return release.Application{}, err
		}
	}
	if !samePlace(found.Repository, adopted.Repository) {
		return release.Application{}, fmt.Errorf("%w: %s/%s is registered with the repository %s, so a push to %s releases nothing; push there, or push here under another name",
			release.ErrConflict, found.Tenant, found.Name, shown(found.Repository), shown(cloneURL))
	}
	if found.Repository != adopted.Repository {
		// The house listens somewhere else now.
		found.Repository = adopted.Repository
		return found, a.SaveApplication(ctx, found)
	}
	return found, nil
}

// named is the application of the same tenant and name.
func (a applications) named(ctx context.Context, like release.Application) (release.Application, error) {
	known, err := a.Applications(ctx)
	if err != nil {
		return release.Application{}, err
	}
	for _, application := range known {
		if application.Tenant == like.Tenant && application.Name == like.Name {
			return application, nil
		}
	}
	return release.Application{}, fmt.Errorf("application %s/%s: %w", like.Tenant, like.Name, release.ErrNotFound)
}

// samePlace says whether two addresses are of one repository of this machine, wherever it listens.
func samePlace(a, b string) bool {
	one, err := url.Parse(a)
	if err != nil {
		return false
	}
	other, err := url.Parse(b)
	if err != nil || one.Scheme != other.Scheme || one.Path != other.Path {
		return false
	}
	return one.Hostname() == other.Hostname() || (local(one.Hostname()) && local(other.Hostname()))
}

// local says whether a host is this machine in the words of an address to listen on.
func local(host string) bool {
	address, err := netip.ParseAddr(host)
	return host == "localhost" || (err == nil && (address.IsLoopback() || address.IsUnspecified()))
}

// shown is an address without the user and password that it may hold.
func shown(repository string) string {
	u, err := url.Parse(repository)
	if err != nil || u.User == nil {
		return repository
	}
	u.User = nil
	return u.String()
}
