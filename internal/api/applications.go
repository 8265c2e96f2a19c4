package api

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"

	"github.com/skyisland/skyisland/internal/release"
)

// Applications is the list of applications the installation knows.
type Applications struct {
	Applications []release.Application `json:"applications"`
	// Next is the cursor of the next page; empty on the last one.
	Next string `json:"next,omitempty"`
}

// ApplicationBody says where an application comes from.
type ApplicationBody struct {
	// Repository is what git clones: an http, https, ssh, git or file address, or user@host:path.
	Repository string `json:"repository"`
}

// mostApplications is how many applications a page holds at most.
const mostApplications = 1000

func (s *Server) listApplications(w http.ResponseWriter, r *http.Request) {
	asked, err := pageOf(r.Context(), "")
	if err != nil {
		s.fail(w, r, err)
		return
	}
	known, err := s.records.Applications(r.Context(), holderOf(r.Context()).tenants)
	if err != nil {
		s.fail(w, r, fmt.Errorf("list applications: %w", err))
		return
	}
	// A name has no character before the space, which keeps the order of tenant and name.
	part, after := cut(known, asked, func(a release.Application) string { return a.Tenant + " " + a.Name })
	reply(w, http.StatusOK, Applications{part, next(w, r, after)})
}

func (s *Server) saveApplication(w http.ResponseWriter, r *http.Request) {
	application := release.Application{Tenant: r.PathValue("tenant"), Name: r.PathValue("application")}
	var body ApplicationBody
	if err := decode(w, r, &body); err != nil {
		s.fail(w, r, err)
		return
	}
	application.Repository = body.Repository
	if err := checkApplication(application); err != nil {
		s.fail(w, r, err)
		return
	}
	known, err := s.records.Applications(r.Context(), []string{application.Tenant})
	if err != nil {
		s.fail(w, r, fmt.Errorf("list applications: %w", err))
		return
	}
	for _, other := range known {
		if other.Tenant == application.Tenant && other.Name == application.Name {
			// Where its branches go, and what releases besides pushes, was learnt from its manifest and stays until the next push.
			application.Branches, application.Triggers = other.Branches, other.Triggers
		}
	}
	err = s.records.SaveApplication(r.Context(), application)
	if errors.Is(err, release.ErrConflict) && holderOf(r.Context()).limited() {
		// Whose it is may be another tenant's business.
		err = &fault{http.StatusConflict, CodeConflict, "the repository is that of another application"}
	}
	if err != nil {
		s.fail(w, r, fmt.Errorf("save application %s/%s: %w", application.Tenant, application.Name, err))
		return
	}
	s.log.InfoContext(r.Context(), "application saved", "tenant", application.Tenant, "application", application.Name, "actor", actor(r.Context()).Name)
	reply(w, http.StatusOK, application)
}

func checkApplication(a release.Application) error {
	if err := release.CheckName(a.Tenant); err != nil {
		return badRequest("tenant %v", err)
	}
	if err := release.CheckName(a.Name); err != nil {
		return badRequest("application %v", err)
	}
	const want = "want an address that git can clone, such as https://github.com/owner/name.git"
	if a.Repository == "" {
		return badRequest("repository is missing: %s", want)
	}
	u, err := url.Parse(a.Repository)
	if err == nil && u.User != nil {
		// Over HTTP a name without a password is a token: GitHub and others take one so.
		if _, secret := u.User.Password(); secret || u.Scheme == "http" || u.Scheme == "https" {
			return badRequest("repository has a password or a token in it, which would be stored and shown: leave it out and use an ssh address, whose key stays on the server")
		}
	}
	if strings.HasPrefix(a.Repository, "-") || strings.ContainsAny(a.Repository, " \t\r\n\x00") {
		return badRequest("repository %q: %s", a.Repository, want)
	}
	if err == nil {
		switch u.Scheme {
		case "http", "https", "ssh", "git":
			if u.Host != "" {
				return nil
			}
		case "file":
			return nil
		}
	}
	// git's own short form of ssh.
	host, path, found := strings.Cut(a.Repository, ":")
	if found && strings.Contains(host, "@") && !strings.Contains(host, "/") && path != "" {
		return nil
	}
	return badRequest("repository %q: %s", a.Repository, want)
}
