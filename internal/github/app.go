package github

import (
	"context"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"
	"github.com/google/go-github/v60/github"
)

const (
	// signedAgo and signedFor are the times of an App's JWT around now: GitHub allows ten minutes, and clocks that differ
	// by one.
	signedAgo = time.Minute
	signedFor = 8 * time.Minute
	// refreshEarly is how long before its end a token is not used for new work any more.
	refreshEarly = 5 * time.Minute
	// installedFor is how long it is remembered which installation a repository belongs to.
	installedFor = time.Hour
	// weakKey is the least length of a private key, in bits.
	weakKey = 2048
)

// app is a GitHub App: it signs that it is one, and gets tokens of those who have installed it.
type app struct {
	id     int64
	signer jose.Signer

	mu sync.Mutex
	// installations are by repository, tokens by installation.
	installations map[string]installation
	tokens        map[int64]installationToken
}

type installation struct {
	id    int64
	until time.Time
}

type installationToken struct {
	token Secret
	until time.Time
}

// newApp reads a private key. Its error never quotes it.
func newApp(id int64, key Secret) (*app, error) {
	block, _ := pem.Decode([]byte(key))
	if block == nil {
		return nil, errors.New("the App's key is not PEM: give the file that GitHub made, which begins with BEGIN RSA PRIVATE KEY")
	}
	var private *rsa.PrivateKey
	if parsed, err := x509.ParsePKCS1PrivateKey(block.Bytes); err == nil {
		private = parsed
	} else if parsed, err := x509.ParsePKCS8PrivateKey(block.Bytes); err == nil {
		private, _ = parsed.(*rsa.PrivateKey)
	}
	if private == nil || private.N.BitLen() < weakKey {
		return nil, fmt.Errorf("the App's key is no RSA private key of at least %d bits", weakKey)
	}
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.RS256, Key: private}, (&jose.SignerOptions{}).WithType("JWT"))
	if err != nil {
		return nil, errors.New("the App's key cannot sign RS256")
	}
	return &app{id: id, signer: signer, installations: map[string]installation{}, tokens: map[int64]installationToken{}}, nil
}

// sign is a JWT that says that we are the App.
func (a *app) sign(now time.Time) (Secret, error) {
	text, err := jwt.Signed(a.signer).Claims(jwt.Claims{
		Issuer: strconv.FormatInt(a.id, 10), IssuedAt: jwt.NewNumericDate(now.Add(-signedAgo)), Expiry: jwt.NewNumericDate(now.Add(signedFor)),
	}).Serialize()
	if err != nil {
		return "", fmt.Errorf("sign as the App: %w", err)
	}
	return Secret(text), nil
}

// installationToken is a token for a repository that is good for some minutes at least. Two that want the same at once
// may both get one, which GitHub allows.
func (c *Connection) installationToken(ctx context.Context, r Repository) (Secret, error) {
	signed, err := c.app.sign(c.now())
	if err != nil {
		return "", err
	}
	client := c.client(signed)
	id, err := c.installation(ctx, client, r)
	if err != nil {
		return "", fmt.Errorf("find the App's installation for %s: %w", r, err)
	}
	c.app.mu.Lock()
	known, there := c.app.tokens[id]
	c.app.mu.Unlock()
	if there && c.now().Before(known.until.Add(-refreshEarly)) {
		return known.token, nil
	}
	made, _, err := client.Apps.CreateInstallationToken(ctx, id, nil)
	if err != nil {
		// The installation may be another one by now.
		c.forget(r)
		return "", fmt.Errorf("get a token for %s: %w", r, err)
	}
	token := installationToken{Secret(made.GetToken()), made.GetExpiresAt().Time}
	if token.token == "" {
		return "", fmt.Errorf("get a token for %s: the answer has none", r)
	}
	c.app.mu.Lock()
	defer c.app.mu.Unlock()
	c.app.tokens[id] = token
	return token.token, nil
}

func (c *Connection) installation(ctx context.Context, client *github.Client, r Repository) (int64, error) {
	key := strings.ToLower(r.String())
	c.app.mu.Lock()
	known, there := c.app.installations[key]
	c.app.mu.Unlock()
	if there && c.now().Before(known.until) {
		return known.id, nil
	}
	found, _, err := client.Apps.FindRepositoryInstallation(ctx, r.Owner, r.Name)
	if err != nil {
		return 0, err
	}
	c.app.mu.Lock()
	defer c.app.mu.Unlock()
	c.app.installations[key] = installation{found.GetID(), c.now().Add(installedFor)}
	return found.GetID(), nil
}

// forget drops what is known of a repository's installation and token, because GitHub did not take it.
func (c *Connection) forget(r Repository) {
	if c.app == nil {
		return
	}
	key := strings.ToLower(r.String())
	c.app.mu.Lock()
	defer c.app.mu.Unlock()
	if known, there := c.app.installations[key]; there {
		delete(c.app.tokens, known.id)
		delete(c.app.installations, key)
	}
}
