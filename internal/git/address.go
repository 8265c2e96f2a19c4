package git

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"net/url"
	"path/filepath"
	"regexp"
	"strings"
)

// maxAddress is the longest repository URL in bytes.
const maxAddress = 2048

// scpLike is the short form of an ssh address, user@host:path.
var scpLike = regexp.MustCompile(`^[A-Za-z0-9_][A-Za-z0-9._-]*@[A-Za-z0-9][A-Za-z0-9.-]*:[^:\s][^\s]*$`)

// address is where a repository is, with its credentials kept apart so that they reach git only.
type address struct {
	url           string // without a password, and over http without a user
	authorization string // the value of an Authorization header; empty without credentials
	origin        string // scheme and host the header is meant for
}

// parseAddress accepts http, https, ssh and file URLs, user@host:path, and absolute paths.
func parseAddress(repository string) (address, error) {
	if repository == "" || len(repository) > maxAddress {
		return address{}, fmt.Errorf("repository: %w: its URL must have 1 to %d bytes", ErrInvalid, maxAddress)
	}
	if strings.ContainsFunc(repository, func(r rune) bool { return r <= ' ' || r == 0x7f }) {
		return address{}, fmt.Errorf("repository: %w: its URL has a space or a control character", ErrInvalid)
	}
	if filepath.IsAbs(repository) {
		return address{url: filepath.Clean(repository)}, nil
	}
	if !strings.Contains(repository, "://") && scpLike.MatchString(repository) {
		return address{url: repository}, nil
	}
	u, err := url.Parse(repository)
	if err != nil { // its text repeats the URL, and so the password
		return address{}, fmt.Errorf("repository: %w: its URL cannot be parsed", ErrInvalid)
	}
	switch u.Scheme {
	case "http", "https":
		return parseHTTP(u)
	case "ssh":
		if u.User != nil {
			u.User = url.User(u.User.Username())
		}
		if strings.HasPrefix(u.Hostname(), "-") || u.Hostname() == "" {
			return address{}, fmt.Errorf("repository %s: %w: it names no host", u.Redacted(), ErrInvalid)
		}
		return address{url: u.String()}, nil
	case "file":
		if u.Host != "" || !filepath.IsAbs(u.Path) {
			return address{}, fmt.Errorf("repository %s: %w: a file URL is file:///path", u.Redacted(), ErrInvalid)
		}
		return address{url: filepath.Clean(u.Path)}, nil
	}
	return address{}, fmt.Errorf("repository: %w: its URL must begin with https://, http://, ssh:// or file://, or be user@host:path", ErrInvalid)
}

func parseHTTP(u *url.URL) (address, error) {
	at := address{origin: u.Scheme + "://" + u.Host + "/"}
	if u.User != nil {
		password, _ := u.User.Password()
		pair := u.User.Username() + ":" + password
		at.authorization = "Basic " + base64.StdEncoding.EncodeToString([]byte(pair))
	}
	u.User, u.Fragment, u.RawFragment = nil, "", ""
	at.url = u.String()
	if u.Hostname() == "" {
		return address{}, fmt.Errorf("repository %s: %w: it names no host", at.url, ErrInvalid)
	}
	if u.RawQuery != "" {
		return address{}, fmt.Errorf("repository: %w: its URL has a query", ErrInvalid)
	}
	return at, nil
}

// String is the address as errors and logs may show it.
func (a address) String() string { return a.url }

// key names the mirror. Credentials are no part of it: a token that is renewed must not make a second clone.
func (a address) key() string {
	sum := sha256.Sum256([]byte(a.url))
	return hex.EncodeToString(sum[:16])
}

// config are the settings git needs to reach the address. The header is not on the command line, where every user of
// the machine could read it, and redirects are off with it, because git would send it to wherever they lead.
func (a address) config() []string {
	config := []string{"http.lowSpeedLimit=1000", "http.lowSpeedTime=30"}
	if a.authorization == "" {
		return config
	}
	return append(config,
		"http.followRedirects=false",
		"http."+a.origin+".extraHeader=Authorization: "+a.authorization,
	)
}
