package config

import (
	"fmt"
	"net"
	"net/url"
	"strings"

	"github.com/skyisland/skyisland/internal/release"
)

// Registry is the OCI repository through which machines share artifacts.
type Registry struct {
	// Repository is a registry and a repository in it, such as registry.example/skyisland; empty keeps artifacts on this
	// machine.
	Repository string `yaml:"repository"`
	Access     `yaml:",inline"`
}

// ImageAccess says how the images that manifests name are asked for.
type ImageAccess struct {
	// Prefix is a registry, or a registry and the beginning of its repositories, such as registry.example/acme. The
	// longest one that an image has counts.
	Prefix string `yaml:"prefix"`
	Access `yaml:",inline"`
}

// Access is how a registry is spoken with: anonymously over TLS, unless something is set.
type Access struct {
	User     string `yaml:"user"`
	Password Secret `yaml:"password"`
	// Token is a bearer token for the registry itself, instead of user and password.
	Token Secret `yaml:"token"`
	// Keychain asks docker's configuration of whoever runs the program for credentials.
	Keychain bool `yaml:"keychain"`
	// Insecure lets it be spoken with by plain HTTP. A registry on this machine always may.
	Insecure bool `yaml:"insecure"`
}

// registrySecrets are the secrets of the registries.
func (c *Config) registrySecrets() []place {
	out := []place{{"registry.password", &c.Registry.Password}, {"registry.token", &c.Registry.Token}, {"github.token", &c.GitHub.Token}}
	for i := range c.Images {
		at := fmt.Sprintf("images[%d]", i)
		out = append(out, place{at + ".password", &c.Images[i].Password}, place{at + ".token", &c.Images[i].Token})
	}
	return out
}

// checkRegistries names what is wrong with the registries, and with where GitHub is.
func (c Config) checkRegistries() (faults []error) {
	fault := func(path, format string, args ...any) {
		faults = append(faults, fmt.Errorf("%s: %s", path, fmt.Sprintf(format, args...)))
	}
	if r := c.Registry; r != (Registry{}) && (strings.ContainsAny(r.Repository, "@{}") || release.CheckImage(r.Repository+":any") != nil) {
		fault("registry.repository", "%q is no repository: write registry.example/skyisland", r.Repository)
	}
	c.Registry.check("registry", fault)
	seen := map[string]bool{}
	for i, image := range c.Images {
		path := fmt.Sprintf("images[%d]", i)
		if strings.ContainsAny(image.Prefix, "@{}") || release.CheckImage(strings.TrimSuffix(image.Prefix, "/")+"/any:any") != nil {
			fault(path+".prefix", "%q is no registry: write registry.example, or registry.example/acme", image.Prefix)
		}
		if seen[image.Prefix] {
			fault(path+".prefix", "%q stands twice", image.Prefix)
		}
		seen[image.Prefix] = true
		image.check(path, fault)
	}
	if c.GitHub.API != "" {
		u, err := url.Parse(c.GitHub.API)
		if err != nil || u.Host == "" || u.Scheme != "https" && (u.Scheme != "http" || !onThisMachine(u.Hostname())) {
			fault("github.api", "%q is no address: write https://github.example/api/v3/", c.GitHub.API)
		}
	}
	return faults
}

func (a Access) check(path string, fault func(path, format string, args ...any)) {
	if (a.User == "") != (a.Password == "") {
		fault(path, "user and password go together: set both, or none")
	}
	ways := 0
	for _, set := range []bool{a.User != "" || a.Password != "", a.Token != "", a.Keychain} {
		if set {
			ways++
		}
	}
	if ways > 1 {
		fault(path, "user and password, token and keychain are three ways to be let in: set one of them")
	}
}

func onThisMachine(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}
