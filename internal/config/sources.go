package config

import (
	"errors"
	"fmt"
	"strings"

	"github.com/skyisland/skyisland/internal/release"
	"github.com/skyisland/skyisland/internal/schedule"
)

// mostSecrets is how many secrets of a source are valid at once: the new one, and the one it replaces.
const mostSecrets = 2

// Source is a webhook whose senders sign with a secret, or show one. It is turned on by being there.
type Source struct {
	// Secret is the one there is. Secrets are two while one replaces the other, the new one first. One of the two is set.
	Secret  Secret   `yaml:"secret"`
	Secrets []Secret `yaml:"secrets"`
}

// RegistryEvents is a webhook whose senders show a bearer token. It is turned on by being there.
type RegistryEvents struct {
	// Token is the one there is. Tokens are two while one replaces the other, the new one first. One of the two is set.
	Token  Secret   `yaml:"token"`
	Tokens []Secret `yaml:"tokens"`
}

// Schedule releases a branch at fixed times.
type Schedule struct {
	// Name is of its own among all schedules.
	Name string `yaml:"name"`
	// Application is tenant/name.
	Application string `yaml:"application"`
	// Environment is empty for those that the branch is released to.
	Environment string `yaml:"environment"`
	Branch      string `yaml:"branch"`
	// Cron has five fields, or is @daily and the like; Zone is a name of the IANA database, empty for UTC.
	Cron string `yaml:"cron"`
	Zone string `yaml:"zone"`
}

// Reveal are the secrets, the newest first; nil without any.
func (g GitHub) Reveal() []string { return revealed(g.Secret, g.Secrets) }

// Reveal are the tokens, the newest first; nil without any.
func (a AlarmSource) Reveal() []string { return revealed(a.Token, a.Tokens) }

// Reveal are the secrets, the newest first; nil without any.
func (s *Source) Reveal() []string {
	if s == nil {
		return nil
	}
	return revealed(s.Secret, s.Secrets)
}

// Reveal are the tokens, the newest first; nil without any.
func (r *RegistryEvents) Reveal() []string {
	if r == nil {
		return nil
	}
	return revealed(r.Token, r.Tokens)
}

func revealed(one Secret, list []Secret) []string {
	if one != "" {
		list = []Secret{one}
	}
	var out []string
	for _, secret := range list {
		out = append(out, secret.Reveal())
	}
	return out
}

// rotating are the secrets of a source, of which two are valid while one replaces the other.
type rotating struct {
	path, one, list string
	secret          *Secret
	secrets         []Secret
	// required is set where the source is turned on by being there; least is the shortest secret, in bytes.
	required bool
	least    int
}

// rotations are all of them that the configuration has.
func (c *Config) rotations() []rotating {
	out := []rotating{
		{path: "github", one: "secret", list: "secrets", secret: &c.GitHub.Secret, secrets: c.GitHub.Secrets},
		{path: "alertmanager", one: "token", list: "tokens", secret: &c.Alertmanager.Token, secrets: c.Alertmanager.Tokens, least: shortestToken},
		{path: "cloudevents", one: "token", list: "tokens", secret: &c.CloudEvents.Token, secrets: c.CloudEvents.Tokens, least: shortestToken},
	}
	for _, source := range []struct {
		path  string
		of    *Source
		least int
	}{{"gitlab", c.GitLab, shortestToken}, {"gitea", c.Gitea, 0}, {"standard", c.Standard, 0}} {
		if source.of != nil {
			out = append(out, rotating{
				path: source.path, one: "secret", list: "secrets", secret: &source.of.Secret, secrets: source.of.Secrets, required: true, least: source.least,
			})
		}
	}
	if c.RegistryEvents != nil {
		out = append(out, rotating{
			path: "registry-events", one: "token", list: "tokens", secret: &c.RegistryEvents.Token, secrets: c.RegistryEvents.Tokens, required: true, least: shortestToken,
		})
	}
	return out
}

// sourceSecrets are the places of the secrets of sources.
func (c *Config) sourceSecrets() []place {
	var out []place
	for _, r := range c.rotations() {
		out = append(out, place{r.path + "." + r.one, r.secret})
		for i := range r.secrets {
			out = append(out, place{fmt.Sprintf("%s.%s[%d]", r.path, r.list, i), &r.secrets[i]})
		}
	}
	return out
}

// checkSources says what is wrong with the secrets of sources and with schedules.
func (c Config) checkSources() error {
	var faults []error
	for _, r := range c.rotations() {
		faults = append(faults, r.check())
	}
	seen := map[string]bool{}
	for i, s := range c.Schedules {
		path := fmt.Sprintf("schedules[%d]", i)
		faults = append(faults, s.check(path))
		if seen[s.Name] {
			faults = append(faults, fmt.Errorf("%s.name: %q stands twice", path, s.Name))
		}
		seen[s.Name] = true
	}
	return errors.Join(faults...)
}

func (r rotating) check() error {
	switch {
	case *r.secret != "" && len(r.secrets) > 0:
		return fmt.Errorf("%s: %s and %s are both set: write all in %s, the new one first", r.path, r.one, r.list, r.list)
	case len(r.secrets) > mostSecrets:
		return fmt.Errorf("%s.%s: there are %d: at most %d are valid at once, the new one and the one it replaces", r.path, r.list, len(r.secrets), mostSecrets)
	case *r.secret == "" && len(r.secrets) == 0 && r.required:
		return fmt.Errorf("%s.%s: is missing: without it anybody could send events; leave %s out to turn the source off", r.path, r.one, r.path)
	}
	var faults []error
	one := func(path string, secret Secret) {
		switch {
		case strings.TrimSpace(string(secret)) == "":
			faults = append(faults, fmt.Errorf("%s: is blank: anybody could send events", path))
		case len(secret) < r.least:
			faults = append(faults, fmt.Errorf("%s: is shorter than %d characters", path, r.least))
		}
	}
	if *r.secret != "" {
		one(r.path+"."+r.one, *r.secret)
	}
	for i, secret := range r.secrets {
		path := fmt.Sprintf("%s.%s[%d]", r.path, r.list, i)
		one(path, secret)
		if i > 0 && secret == r.secrets[0] {
			faults = append(faults, fmt.Errorf("%s: stands twice", path))
		}
	}
	return errors.Join(faults...)
}

func (s Schedule) check(path string) error {
	var faults []error
	fault := func(field, format string, args ...any) {
		faults = append(faults, fmt.Errorf("%s.%s: %w", path, field, fmt.Errorf(format, args...)))
	}
	if err := release.CheckName(s.Name); err != nil {
		fault("name", "%w", err)
	}
	tenant, application := s.Of()
	for _, name := range []string{tenant, application} {
		if err := release.CheckName(name); err != nil {
			fault("application", "%q is not tenant/name: %w", s.Application, err)
			break
		}
	}
	if s.Environment != "" {
		if err := release.CheckName(s.Environment); err != nil {
			fault("environment", "%w", err)
		}
	}
	if s.Branch == "" || len(s.Branch) > 1000 || strings.HasPrefix(s.Branch, "refs/") || strings.ContainsAny(s.Branch, " \t\r\n\x00~^:?*[\\") {
		fault("branch", "%.80q is not a branch: write its name, such as main", s.Branch)
	}
	if _, err := schedule.Parse(s.Cron, s.Zone); err != nil {
		fault("cron", "%w", err)
	}
	return errors.Join(faults...)
}

// Of is the application's tenant and name.
func (s Schedule) Of() (tenant, application string) {
	tenant, application, _ = strings.Cut(s.Application, "/")
	return tenant, application
}
