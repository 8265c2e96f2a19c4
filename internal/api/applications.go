package api

import (
	"fmt"
	"net/http"
	"net/url"
	"strings"

	"github.com/skyisland/skyisland/internal/release"
)

// Applications is the list of applications the installation knows.
type Applications struct {
	Applications []release.Application `json:"applications"`
}

// ApplicationBody says where an application comes from.
type ApplicationBody struct {
	// Repository is what git clones: an http, https, ssh, git or file address, or user@host:path.
	Repository string `json:"repository"`
}

func (s *Server) listApplications(w http.ResponseWriter, r *http.Request) {
	known, err := s.records.Applications(r.Context())
	if err != nil {
		s.fail(w, r, fmt.Errorf("list applications: %w", err))
		return
	}
	if known == nil {
		known = []release.Application{}
	}
	reply(w, http.StatusOK, Applications{known})
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
	known, err := s.records.Applications(r.Context())
	if err != nil {
		s.fail(w, r, fmt.Errorf("list applications: %w", err))
		return
	}
	for _, other := range known {
		if other.Tenant == application.Tenant && other.Name == application.Name {
			// Where its branches go was learnt from its manifest and stays until the next push.
			application.Branches = other.Branches
		}
	}
	if err := s.records.SaveApplication(r.Context(), application); err != nil {
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
		if _, secret := u.User.Password(); secret {
			return badRequest("repository has a password in it, which would be stored and shown: leave it out and use an ssh address, whose key stays on the server")
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
