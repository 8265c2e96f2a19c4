package config

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// secretLimit bounds a file with a secret in it, in bytes.
const secretLimit = 64 << 10

// reveal replaces every reference to a file or a variable by the secret that is there. Files are
// relative to dir.
func (c *Config) reveal(dir string) error {
	places := []place{
		{"store", &c.Store}, {"gateway-token", &c.GatewayToken}, {"page.secret", &c.Page.Secret},
	}
	places = append(places, c.sourceSecrets()...)
	for i := range c.Tokens {
		places = append(places, place{fmt.Sprintf("tokens[%d].token", i), &c.Tokens[i].Token})
	}
	places = append(places, c.GitHub.secrets()...)
	places = append(places, c.registrySecrets()...)
	places = append(places, c.chatSecrets()...)
	subscribers, done := c.eventSecrets()
	defer done()
	places = append(places, subscribers...)
	if server := c.Policy.Server; server != nil {
		places = append(places, place{"policy.server.token", &server.Token})
		if server.Signature != nil {
			places = append(places, place{"policy.server.signature.key", &server.Signature.Key})
		}
	}
	var faults []error
	for _, p := range places {
		value, err := resolve(string(*p.secret), dir)
		if err != nil {
			faults = append(faults, fmt.Errorf("%s: %w", p.path, err))
			continue
		}
		*p.secret = Secret(value)
	}
	return errors.Join(faults...)
}

// resolve reads what a reference leads to. An empty file or variable is an error: a source with an
// empty secret would let everybody in.
func resolve(value, dir string) (string, error) {
	if name, ok := strings.CutPrefix(value, "env:"); ok {
		if found := os.Getenv(name); found != "" {
			return found, nil
		}
		return "", fmt.Errorf("the variable %s is not set", name)
	}
	file, ok := strings.CutPrefix(value, "file:")
	if !ok {
		return value, nil
	}
	if !filepath.IsAbs(file) {
		file = filepath.Join(dir, file)
	}
	data, err := readLimited(file, secretLimit)
	if err != nil {
		return "", err
	}
	found := strings.TrimSpace(string(data))
	if found == "" {
		return "", fmt.Errorf("%s is empty", file)
	}
	return found, nil
}
