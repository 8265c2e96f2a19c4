package gateway

import (
	"context"
	"crypto/sha256"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"time"
)

const (
	// certificateLook is how often certificate files are looked at. A new certificate is in no hurry: what renews them
	// does so days before the old one ends.
	certificateLook = 5 * time.Second
	// maxPairs keeps one look, and the search for a name, short.
	maxPairs = 1_000
	// maxPEM is far above any chain, and far below what would be felt.
	maxPEM = 1 << 20
)

// KeyPair is where a certificate with its chain is, and its private key, both as PEM.
type KeyPair struct{ CertFile, KeyFile string }

// Certificates are what a gateway shows its clients, by the host name that they ask for, as the files have them: a
// file that changes counts within seconds, and one that cannot be used changes nothing but a line in the log.
type Certificates struct {
	named []KeyPair
	dir   string
	log   *slog.Logger
	// held is what was read of each certificate file. One goroutine looks at a time.
	held map[string]*heldPair
	// dirError is what was last said about the folder.
	dirError string
	shown    atomic.Pointer[shownCertificates]
}

// heldPair is one pair as it was last read.
type heldPair struct {
	sum   [2][sha256.Size]byte
	said  string           // the last reason why it could not be used
	cert  *tls.Certificate // the last good one; nil when there was none
	there bool             // in this look
}

// shownCertificates are the good ones by name. It is never changed once it is shared.
type shownCertificates struct {
	byName map[string][]*tls.Certificate
	first  *tls.Certificate
}

// OpenCertificates reads pairs of files, and those in a folder: NAME.crt with NAME.key. Pairs that are named have to be
// good. Of a folder one good pair is enough, because one customer's mistake must not keep a gateway from starting:
// the others are logged. The first pair serves clients that name no host, or one that no certificate has; named pairs
// come before those of the folder, which come by name.
func OpenCertificates(pairs []KeyPair, dir string, log *slog.Logger) (*Certificates, error) {
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	c := &Certificates{named: pairs, dir: dir, log: log, held: map[string]*heldPair{}}
	c.look()
	if c.dirError != "" {
		return nil, fmt.Errorf("read certificates: %s", c.dirError)
	}
	for _, p := range pairs {
		if h := c.held[p.CertFile]; h.cert == nil {
			return nil, fmt.Errorf("read certificates: %s", h.said)
		}
	}
	if c.shown.Load() == nil {
		return nil, fmt.Errorf("read certificates: none in %s can be used; want pairs of NAME.crt and NAME.key", dir)
	}
	return c, nil
}

// Follow looks at the files every few seconds until ctx ends.
func (c *Certificates) Follow(ctx context.Context) error {
	ticker := time.NewTicker(certificateLook)
	defer ticker.Stop()
	for {
		select {
		case <-ticker.C:
			c.look()
		case <-ctx.Done():
			return nil
		}
	}
}

// look reads all files and shows what is good.
func (c *Certificates) look() {
	pairs := slices.Clone(c.named)
	if c.dir != "" {
		found, err := pairsIn(c.dir)
		if err != nil {
			if c.dirError != err.Error() {
				c.dirError = err.Error()
				c.log.Error("certificates cannot be listed, those there are stay", "error", err)
			}
			return
		}
		c.dirError = ""
		pairs = append(pairs, found...)
	}
	for _, h := range c.held {
		h.there = false
	}
	changed := false
	for _, p := range pairs {
		h := c.held[p.CertFile]
		if h == nil {
			h = &heldPair{}
			c.held[p.CertFile] = h
		}
		h.there = true
		changed = c.read(p, h) || changed
	}
	left := make([]string, 0)
	for file, h := range c.held {
		if !h.there {
			left = append(left, file)
		}
	}
	// A folder without any pair is on its way to other ones, or a mistake: without certificates nobody is served.
	if len(pairs) > 0 {
		for _, file := range left {
			delete(c.held, file)
			changed = true
			c.log.Info("certificate is no longer shown, its files are gone", "cert_file", file)
		}
	}
	if changed {
		c.show(pairs)
	}
}

// read takes a pair in when it has changed and is good, and says whether it did.
func (c *Certificates) read(p KeyPair, h *heldPair) bool {
	certPEM, err := readPEM(p.CertFile)
	keyPEM, keyErr := readPEM(p.KeyFile)
	if err = errors.Join(err, keyErr); err != nil {
		c.refuse(p, h, err)
		return false
	}
	sum := [2][sha256.Size]byte{sha256.Sum256(certPEM), sha256.Sum256(keyPEM)}
	if h.cert != nil && sum == h.sum {
		h.said = ""
		return false
	}
	cert, err := tls.X509KeyPair(certPEM, keyPEM)
	now := time.Now()
	switch {
	case err != nil:
		c.refuse(p, h, fmt.Errorf("%s with %s: %w", p.CertFile, p.KeyFile, err))
		return false
	case h.cert != nil && now.After(cert.Leaf.NotAfter) && !now.After(h.cert.Leaf.NotAfter):
		c.refuse(p, h, fmt.Errorf("%s: it ended at %s, and the one before has not", p.CertFile, cert.Leaf.NotAfter.UTC().Format(time.RFC3339)))
		return false
	}
	h.sum, h.said, h.cert = sum, "", &cert
	c.log.Info("certificate is shown", "cert_file", p.CertFile, "names", cert.Leaf.DNSNames, "not_after", cert.Leaf.NotAfter)
	if now.After(cert.Leaf.NotAfter) || now.Before(cert.Leaf.NotBefore) {
		c.log.Warn("certificate is not valid now, clients will refuse it", "cert_file", p.CertFile,
			"not_before", cert.Leaf.NotBefore, "not_after", cert.Leaf.NotAfter)
	}
	if info, err := os.Stat(p.KeyFile); err == nil && info.Mode().Perm()&0o004 != 0 {
		c.log.Warn("private key can be read by everybody on this machine", "key_file", p.KeyFile, "mode", info.Mode().Perm().String())
	}
	return true
}

// refuse says once why a pair cannot be used.
func (c *Certificates) refuse(p KeyPair, h *heldPair, err error) {
	if h.said == err.Error() {
		return
	}
	h.said = err.Error()
	c.log.Error("certificate cannot be used, the one before stays if there is one", "cert_file", p.CertFile, "key_file", p.KeyFile, "error", err)
}

// show makes the good ones those that clients see.
func (c *Certificates) show(pairs []KeyPair) {
	s := &shownCertificates{byName: map[string][]*tls.Certificate{}}
	for _, p := range pairs {
		cert := c.held[p.CertFile].cert
		if cert == nil {
			continue
		}
		if s.first == nil {
			s.first = cert
		}
		for _, name := range cert.Leaf.DNSNames {
			name = strings.ToLower(name)
			s.byName[name] = append(s.byName[name], cert)
		}
	}
	if s.first != nil {
		c.shown.Store(s)
	}
}

// choose returns the certificate for the host name that a client asks for: one with this name, else one for all names
// beside it, and of several the first that the client can verify; the first of all where no name fits.
func (c *Certificates) choose(hello *tls.ClientHelloInfo) (*tls.Certificate, error) {
	s := c.shown.Load()
	name := strings.ToLower(strings.TrimSuffix(hello.ServerName, "."))
	fitting := s.byName[name]
	if _, parent, found := strings.Cut(name, "."); found && len(fitting) == 0 {
		fitting = s.byName["*."+parent]
	}
	for _, cert := range fitting {
		if hello.SupportsCertificate(cert) == nil {
			return cert, nil
		}
	}
	if len(fitting) > 0 {
		return fitting[0], nil
	}
	return s.first, nil
}

// pairsIn lists the pairs of a folder by name. Links count as what they lead to, since that is how Kubernetes mounts
// secrets; names that begin with a dot do not.
func pairsIn(dir string) ([]KeyPair, error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	var pairs []KeyPair
	for _, e := range entries {
		name, isCert := strings.CutSuffix(e.Name(), ".crt")
		if !isCert || strings.HasPrefix(name, ".") {
			continue
		}
		if len(pairs) == maxPairs {
			return nil, fmt.Errorf("%s has more than %d certificates", dir, maxPairs)
		}
		pairs = append(pairs, KeyPair{CertFile: filepath.Join(dir, e.Name()), KeyFile: filepath.Join(dir, name+".key")})
	}
	return pairs, nil
}

func readPEM(file string) ([]byte, error) {
	in, err := os.Open(file)
	if err != nil {
		return nil, err
	}
	defer in.Close()
	data, err := io.ReadAll(io.LimitReader(in, maxPEM+1))
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", file, err)
	}
	if len(data) > maxPEM {
		return nil, fmt.Errorf("read %s: larger than %d bytes, which is no certificate and no key", file, maxPEM)
	}
	return data, nil
}
