package github

import (
	"fmt"
	"net/url"
	"regexp"
	"strings"
)

// Repository is one at the configured GitHub.
type Repository struct{ Owner, Name string }

// String is owner/name.
func (r Repository) String() string { return r.Owner + "/" + r.Name }

// parseRepository reads what [Repository.String] writes.
func parseRepository(fullName string) (Repository, error) {
	owner, name, _ := strings.Cut(fullName, "/")
	r := Repository{owner, name}
	if !ownerName.MatchString(owner) || !repositoryName.MatchString(name) || name == "." || name == ".." {
		return Repository{}, fmt.Errorf("%q is not a repository: want owner/name", fullName)
	}
	return r, nil
}

// What GitHub allows in names. Both go into paths of requests.
var (
	ownerName      = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9_-]{0,99}$`)
	repositoryName = regexp.MustCompile(`^[A-Za-z0-9._-]{1,100}$`)
)

// Repository reads the address of a repository: https://, ssh:// or git@host:owner/name. It is false for one that is not
// at the configured GitHub, of which nothing is told.
func (c *Connection) Repository(address string) (Repository, bool) {
	host, path := splitAddress(strings.TrimSpace(address))
	if host == "" || !c.hosts[strings.ToLower(host)] {
		return Repository{}, false
	}
	r, err := parseRepository(strings.TrimSuffix(strings.Trim(path, "/"), ".git"))
	return r, err == nil
}

// splitAddress is the host and the path of an address; ports are not compared, since ssh and https have others.
func splitAddress(address string) (host, path string) {
	if u, err := url.Parse(address); err == nil && u.Scheme != "" && u.Host != "" {
		switch u.Scheme {
		case "http", "https", "ssh", "git", "git+ssh", "git+https":
			return u.Hostname(), u.Path
		}
		return "", ""
	}
	before, after, found := strings.Cut(address, ":")
	if !found || strings.Contains(before, "/") {
		return "", ""
	}
	return before[strings.LastIndex(before, "@")+1:], after
}

// hostsOf are the names by which repositories name the host of an API.
func hostsOf(api *url.URL, also string) map[string]bool {
	host := strings.ToLower(api.Hostname())
	out := map[string]bool{}
	switch {
	case also != "":
		out[strings.ToLower(also)] = true
	case host == "api.github.com":
		// The second is git's over the port of https.
		out["github.com"], out["ssh.github.com"], out["www.github.com"] = true, true, true
	case strings.HasPrefix(host, "api.") && strings.HasSuffix(host, ".ghe.com"):
		out[strings.TrimPrefix(host, "api.")] = true
	default:
		out[host] = true
	}
	return out
}
