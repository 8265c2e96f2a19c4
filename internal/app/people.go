package app

import (
	"fmt"
	"log/slog"
	"slices"

	"github.com/skyisland/skyisland/internal/config"
	"github.com/skyisland/skyisland/internal/identity"
)

// directory is who the people of an installation are.
func directory(c config.Config, log *slog.Logger) (*identity.Directory, error) {
	groups := map[string][]string{}
	for _, token := range c.Tokens {
		// A name has more than one token while one replaces the other.
		groups[token.Name] = slices.Concat(groups[token.Name], token.Groups)
	}
	people, err := identity.New(identity.Options{File: c.Directory, Tokens: groups, Log: log})
	if err != nil {
		return nil, fmt.Errorf("directory: %w", err)
	}
	return people, nil
}
