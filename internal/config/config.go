// Package config is what an installation is told: one typed value, read once, validated whole.
package config

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"net/url"
	"os"
	"path/filepath"

	"github.com/goccy/go-yaml"

	"github.com/skyisland/skyisland/internal/release"
)

// fileLimit bounds a configuration file, in bytes.
const fileLimit = 256 << 10

// Config is the configuration of a server with its worker.
type Config struct {
	// Data is the folder that holds all state.
	Data string `yaml:"data"`
	// Listen is the host:port of the API, the webhooks and the health check.
	Listen string `yaml:"listen"`
	// PublicURL is how others reach Listen; empty is http:// and Listen.
	PublicURL string   `yaml:"public-url"`
	Temporal  Temporal `yaml:"temporal"`
	// Store is the database: empty is a SQLite file in Data; postgres://… is PostgreSQL.
	Store Secret `yaml:"store"`
	// Units are deployed in this order.
	Units []Unit `yaml:"units"`
	// GatewayToken is what gateways want to hear from who controls them.
	GatewayToken Secret `yaml:"gateway-token"`
	// GitHub is the webhook source of this name.
	GitHub GitHub `yaml:"github"`
	// GitLab, Gitea (and Forgejo), Standard (Standard Webhooks) and RegistryEvents (images) are others; nil turns one off.
	GitLab         *Source         `yaml:"gitlab"`
	Gitea          *Source         `yaml:"gitea"`
	Standard       *Source         `yaml:"standard"`
	RegistryEvents *RegistryEvents `yaml:"registry-events"`
	// Schedules release branches at fixed times.
	Schedules []Schedule `yaml:"schedules"`
	// Alertmanager and CloudEvents are webhooks that stop releases.
	Alertmanager AlarmSource `yaml:"alertmanager"`
	CloudEvents  AlarmSource `yaml:"cloudevents"`
	// Tokens are who may use the API.
	Tokens []Token `yaml:"tokens"`
	// Directory is the file that says which accounts are which people; empty is none.
	Directory string `yaml:"directory"`
	Page      Page   `yaml:"page"`
	Policy    Policy `yaml:"policy"`
	Build     Build  `yaml:"build"`
	// Provenance says how the installation's builds are known to others.
	Provenance Provenance `yaml:"provenance"`
	// Registry is where artifacts are shared; Images are how the images that manifests name are asked for.
	Registry Registry      `yaml:"registry"`
	Images   []ImageAccess `yaml:"images"`
	// Notify says who hears of what; Slack, DingTalk and Feishu are where.
	Notify   Notify   `yaml:"notify"`
	Slack    Slack    `yaml:"slack"`
	DingTalk DingTalk `yaml:"dingtalk"`
	Feishu   Feishu   `yaml:"feishu"`
	// Alarms are on what the gateways count.
	Alarms []Alarm `yaml:"alarms"`
	// Events are sent to whoever subscribes.
	Events Events `yaml:"events"`
	// Retention is how long events are kept.
	Retention Retention `yaml:"retention"`
}

// Temporal says where the server is.
type Temporal struct {
	Address   string `yaml:"address"`
	Namespace string `yaml:"namespace"`
	// UI is where people see it; only printed.
	UI string `yaml:"ui"`
	// Deployment and BuildID turn worker versioning on: a release stays with the build that started
	// it. Both or none.
	Deployment string `yaml:"deployment"`
	BuildID    string `yaml:"build-id"`
}

// Unit is one independent deployment of everything: a runtime and its gateways.
type Unit struct {
	Name string `yaml:"name"`
	// Gateways are the control addresses of the unit's gateways.
	Gateways []string `yaml:"gateways"`
	// Entry is where clients reach the unit; only printed.
	Entry string `yaml:"entry"`
}

// AlarmSource is a webhook of alarms.
type AlarmSource struct {
	// Token is the bearer token that its senders show; empty turns the source off. Tokens are two in its place while one
	// replaces the other, the new one first.
	Token  Secret   `yaml:"token"`
	Tokens []Secret `yaml:"tokens"`
}

// Token is one key to the API.
type Token struct {
	// Name is who uses it, Groups are what they belong to.
	Name   string   `yaml:"name"`
	Groups []string `yaml:"groups"`
	Token  Secret   `yaml:"token"`
	// Scopes are what its holder may do; none is everything, as in configurations from before there were scopes.
	Scopes []release.Scope `yaml:"scopes"`
	// Tenants are whose releases it is for; none is everybody's.
	Tenants []string `yaml:"tenants"`
}

// Page is the approval page.
type Page struct {
	// Secret signs its links and sessions; empty has one made in Data. Servers that share their people's links
	// share it.
	Secret Secret `yaml:"secret"`
}

// Policy says where the rules and their data are.
type Policy struct {
	// Bundle is a folder of Rego; empty is the built-in rules.
	Bundle string `yaml:"bundle"`
	// Server gives the rules instead of a folder.
	Server *PolicyServer `yaml:"server"`
	// Data is a YAML or JSON file with freeze windows and the like; empty is none.
	Data string `yaml:"data"`
}

// PolicyServer is an OPA bundle server.
type PolicyServer struct {
	URL   string `yaml:"url"`
	Token Secret `yaml:"token"`
	// Cache keeps the last good bundle; empty is policy-bundle.tar.gz in the data folder.
	Cache string `yaml:"cache"`
	// Poll is how often it is asked, from 1s to 1h; 0 is every 5 seconds.
	Poll release.Duration `yaml:"poll"`
	// Signature is how bundles have to be signed; nil takes them unsigned.
	Signature *PolicySignature `yaml:"signature"`
}

// PolicySignature is the key that bundles are signed with.
type PolicySignature struct {
	// Algorithm is as OPA names it; empty is RS256.
	Algorithm string `yaml:"algorithm"`
	// Key is the secret of HS256, or a public key in PEM.
	Key   Secret `yaml:"key"`
	Scope string `yaml:"scope"`
}

// Build is what every build command has in its environment.
type Build struct {
	Env map[string]string `yaml:"env"`
	// Path is its PATH; empty is the usual folders.
	Path string `yaml:"path"`
}

// Provenance is what statements of where artifacts come from say of this installation.
type Provenance struct {
	// Builder is the URI that stands for it; empty is PublicURL and /builder.
	Builder string `yaml:"builder"`
}

// Secret is a value that is never printed. In a file it is written as it is, or as
// "file:PATH" or "env:NAME" to have it read from there.
type Secret string

// String hides the secret.
func (s Secret) String() string {
	if s == "" {
		return ""
	}
	return "[redacted]"
}

// GoString hides the secret.
func (s Secret) GoString() string { return s.String() }

// MarshalText hides the secret.
func (s Secret) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// Reveal is the secret itself.
func (s Secret) Reveal() string { return string(s) }

// Read reads and validates a configuration file. Its error names every fault with its path.
func Read(file string) (Config, error) {
	data, err := readLimited(file, fileLimit)
	if err != nil {
		return Config{}, fmt.Errorf("read the configuration: %w", err)
	}
	var c Config
	if err := yaml.NewDecoder(bytes.NewReader(data), yaml.DisallowUnknownField()).Decode(&c); err != nil {
		return Config{}, fmt.Errorf("%s: %s", file, withoutSource(err))
	}
	c.defaults(filepath.Dir(file))
	if err := errors.Join(c.reveal(filepath.Dir(file)), c.Check()); err != nil {
		return Config{}, fmt.Errorf("%s: %w", file, err)
	}
	return c, nil
}

// withoutSource is what is wrong with a file and where, without the lines around it that the parser
// quotes: they may hold secrets, and the error goes into logs.
func withoutSource(err error) string {
	if errors.Is(err, io.EOF) {
		return "the file is empty"
	}
	return yaml.FormatError(err, false, false)
}

func readLimited(file string, limit int64) ([]byte, error) {
	info, err := os.Stat(file)
	if err != nil {
		return nil, err
	}
	if info.Size() > limit {
		return nil, fmt.Errorf("%s has %d bytes: at most %d are read", file, info.Size(), limit)
	}
	return os.ReadFile(file)
}

// defaults fills in what the file leaves out; relative paths are relative to the file.
func (c *Config) defaults(dir string) {
	if c.Listen == "" {
		c.Listen = "127.0.0.1:7780"
	}
	if c.PublicURL == "" {
		c.PublicURL = "http://" + c.Listen
	}
	if c.Temporal.Namespace == "" {
		c.Temporal.Namespace = "default"
	}
	if s := c.Policy.Server; s != nil && s.Cache == "" {
		s.Cache = filepath.Join(c.Data, "policy-bundle.tar.gz")
	}
	paths := []*string{&c.Data, &c.Policy.Bundle, &c.Policy.Data, &c.Directory}
	if c.Policy.Server != nil {
		paths = append(paths, &c.Policy.Server.Cache)
	}
	for _, path := range paths {
		if *path != "" && !filepath.IsAbs(*path) {
			*path = filepath.Join(dir, *path)
		}
	}
}

// Check names everything that is wrong, each fault with its path.
func (c Config) Check() error {
	var faults []error
	fault := func(path, format string, args ...any) {
		faults = append(faults, fmt.Errorf("%s: %s", path, fmt.Sprintf(format, args...)))
	}
	if c.Data == "" {
		fault("data", "is missing: name the folder that holds all state")
	}
	for _, place := range []struct{ path, address string }{{"listen", c.Listen}, {"temporal.address", c.Temporal.Address}} {
		if _, _, err := net.SplitHostPort(place.address); err != nil {
			fault(place.path, "%q is not an address: write host:port", place.address)
		}
	}
	if (c.Temporal.Deployment == "") != (c.Temporal.BuildID == "") {
		fault("temporal", "deployment and build-id go together: set both, or none")
	}
	if len(c.Units) == 0 {
		fault("units", "is empty: a release needs at least one unit to go to")
	}
	seen := map[string]bool{}
	for i, unit := range c.Units {
		path := fmt.Sprintf("units[%d]", i)
		if err := release.CheckName(unit.Name); err != nil {
			fault(path+".name", "%v", err)
		}
		if seen[unit.Name] {
			fault(path+".name", "%q stands twice", unit.Name)
		}
		seen[unit.Name] = true
		if len(unit.Gateways) == 0 {
			fault(path+".gateways", "is empty: name the control address of at least one gateway")
		}
		for j, gateway := range unit.Gateways {
			if u, err := url.Parse(gateway); err != nil || u.Host == "" || (u.Scheme != "http" && u.Scheme != "https") {
				fault(fmt.Sprintf("%s.gateways[%d]", path, j), "%q is not an address: write http://host:port", gateway)
			}
		}
	}
	if len(c.GatewayToken) < shortestToken {
		fault("gateway-token", "is shorter than %d characters: gateways obey whoever knows it", shortestToken)
	}
	if c.Policy.Bundle != "" && c.Policy.Server != nil {
		fault("policy", "bundle and server are both set: rules come from one place")
	}
	if c.Page.Secret != "" && len(c.Page.Secret) < 32 {
		fault("page.secret", "is shorter than 32 characters: whoever guesses it can sign links")
	}
	if b := c.Provenance.Builder; b != "" {
		if u, err := url.Parse(b); err != nil || u.Scheme == "" || (u.Host == "" && u.Opaque == "") {
			fault("provenance.builder", "%q is not a URI: write one that stands for this installation alone, such as https://sky.example/builder", b)
		}
	}
	if len(c.Tokens) == 0 {
		fault("tokens", "is empty: nobody could use the API")
	}
	faults = append(faults, c.checkRegistries()...)
	return errors.Join(append(faults, c.checkTokens(), c.GitHub.check(), c.Retention.check())...)
}

// shortestToken is the least length of what lets somebody in.
const shortestToken = 16

func (c Config) checkTokens() error {
	var faults []error
	faults = append(faults, c.checkSources())
	for i, token := range c.Tokens {
		if token.Name == "" {
			faults = append(faults, fmt.Errorf("tokens[%d].name: is missing", i))
		}
		if len(token.Token) < shortestToken {
			faults = append(faults, fmt.Errorf("tokens[%d].token: is shorter than %d characters", i, shortestToken))
		}
		for j, scope := range token.Scopes {
			if err := release.CheckScope(scope); err != nil {
				faults = append(faults, fmt.Errorf("tokens[%d].scopes[%d]: %w", i, j, err))
			}
		}
		for j, tenant := range token.Tenants {
			if err := release.CheckName(tenant); err != nil {
				faults = append(faults, fmt.Errorf("tokens[%d].tenants[%d]: %w", i, j, err))
			}
		}
		// An empty list is no list to YAML and everything to us: whoever writes one means the opposite.
		if token.Scopes != nil && len(token.Scopes) == 0 {
			faults = append(faults, fmt.Errorf("tokens[%d].scopes: is empty: leave it out for everything, or name some", i))
		}
		if token.Tenants != nil && len(token.Tenants) == 0 {
			faults = append(faults, fmt.Errorf("tokens[%d].tenants: is empty: leave it out for everybody's, or name some", i))
		}
	}
	return errors.Join(faults...)
}
