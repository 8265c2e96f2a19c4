package config

import (
	"errors"
	"fmt"
	"os"
	"strings"
)

// secretLimit bounds a file with a secret in it, in bytes.
const secretLimit = 64 << 10

// reveal replaces every reference to a file or a variable by the secret that is there.
func (c *Config) reveal() error {
	secrets := map[string]*Secret{"store": &c.Store, "gateway-token": &c.GatewayToken, "github.secret": &c.GitHub.Secret}
	for i := range c.Tokens {
		secrets[fmt.Sprintf("tokens[%d].token", i)] = &c.Tokens[i].Token
	}
	var faults []error
	for path, secret := range secrets {
		value, err := resolve(string(*secret))
		if err != nil {
			faults = append(faults, fmt.Errorf("%s: %w", path, err))
			continue
		}
		*secret = Secret(value)
	}
	return errors.Join(faults...)
}

// resolve reads what a reference leads to. An empty file or variable is an error: a source with an
// empty secret would let everybody in.
func resolve(value string) (string, error) {
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
