package config

import (
	"errors"
	"fmt"
	"net/url"
	"strings"
)

// GitHub is a webhook source, and where releases are told. With a token or an App they are.
type GitHub struct {
	// Secret signs deliveries; empty turns the source off. Secrets are two in its place while one replaces the other,
	// the new one first.
	Secret  Secret   `yaml:"secret"`
	Secrets []Secret `yaml:"secrets"`
	// API is the base address of the REST API; empty is github.com's. Host is the one in addresses of repositories, where it
	// cannot be told from API's.
	API  string `yaml:"api"`
	Host string `yaml:"host"`
	// Token is of a person or machine, App of a GitHub App; at most one of them.
	Token Secret    `yaml:"token"`
	App   GitHubApp `yaml:"app"`
}

// GitHubApp is a GitHub App: its number and its private key in PEM.
type GitHubApp struct {
	ID  int64  `yaml:"id"`
	Key Secret `yaml:"key"`
}

// WritesBack says whether GitHub is told of releases.
func (g GitHub) WritesBack() bool { return g.Token != "" || g.App != GitHubApp{} }

// secrets are those by which we are somebody there; those of its deliveries are the source's.
func (g *GitHub) secrets() []place {
	return []place{{"github.token", &g.Token}, {"github.app.key", &g.App.Key}}
}

// check names what is wrong with who we are at GitHub.
func (g GitHub) check() error {
	var faults []error
	fault := func(path, sentence string, args ...any) {
		faults = append(faults, fmt.Errorf("github.%s: %s", path, fmt.Sprintf(sentence, args...)))
	}
	if u, err := url.Parse(g.API); g.API != "" && (err != nil || u.Host == "" || u.User != nil || u.Scheme != "https" && u.Scheme != "http") {
		fault("api", "is no address: write https://HOST/api/v3 for an Enterprise Server, or leave it out for github.com")
	}
	if strings.ContainsAny(g.Host, "/:@ ") {
		fault("host", "%q is no host: write it as it stands in the addresses of repositories, such as github.example.com", g.Host)
	}
	switch {
	case g.Token != "" && g.App != GitHubApp{}:
		fault("token", "and app are both set: use one of them")
	case g.App.ID < 0 || g.App.ID == 0 && g.App.Key != "":
		fault("app.id", "is missing: it is the number on the App's page")
	case g.App.ID > 0 && g.App.Key == "":
		fault("app.key", "is missing: it is the private key that GitHub made, such as file:app.pem")
	}
	return errors.Join(faults...)
}
