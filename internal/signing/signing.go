// Package signing keeps the key that this installation signs with, and the public keys that it trusts.
//
// Both are files that people can look at, copy and take away: a key is trusted as long as its file is there, and a new one
// is made when there is none. So a key is replaced by taking its file away, while what it has signed stays trusted.
package signing

import (
	"crypto/ed25519"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/skyisland/skyisland/internal/provenance"
)

const (
	// keyFile holds the private key and trustedDir the public ones, a file each.
	keyFile    = "key.pem"
	trustedDir = "trusted"
	// fileLimit bounds a file with keys, in bytes, and mostFiles how many of them are read.
	fileLimit = 64 << 10
	mostFiles = 100
)

// Keyring is a folder of keys. It is safe for concurrent use, by several programs too.
type Keyring struct {
	dir    string
	key    ed25519.PrivateKey
	public provenance.PublicKey
}

// Open opens the folder and makes it, with a key, where there is none. A private key that others than its owner can read
// is refused: whoever reads it can sign.
func Open(dir string) (*Keyring, error) {
	for _, folder := range []string{dir, filepath.Join(dir, trustedDir)} {
		if err := os.MkdirAll(folder, 0o700); err != nil {
			return nil, fmt.Errorf("open the signing keys: %w", err)
		}
	}
	file := filepath.Join(dir, keyFile)
	key, err := read(file)
	if errors.Is(err, fs.ErrNotExist) {
		if err = generate(file); err == nil {
			// Another program may have been faster: what is there counts.
			key, err = read(file)
		}
	}
	if err != nil {
		return nil, fmt.Errorf("open the signing keys: %w", err)
	}
	k := &Keyring{dir: dir, key: key}
	if k.public, err = provenance.PublicKeyOf(key); err != nil {
		return nil, fmt.Errorf("open the signing keys: %s: %w", file, err)
	}
	if err := k.publish(); err != nil {
		return nil, fmt.Errorf("open the signing keys: %w", err)
	}
	return k, nil
}

// Sign puts a statement into an envelope.
func (k *Keyring) Sign(statement provenance.Statement) ([]byte, error) {
	return provenance.Sign(statement, k.key)
}

// Public is the key that signatures of this program are checked with.
func (k *Keyring) Public() provenance.PublicKey { return k.public }

// Trusted are the keys whose signatures count now, each once. The own one is among them unless somebody has taken it away
// since the start: the folder is read each time. An error names the file that cannot be used.
func (k *Keyring) Trusted() ([]provenance.PublicKey, error) {
	files, err := os.ReadDir(filepath.Join(k.dir, trustedDir))
	if err != nil {
		return nil, fmt.Errorf("read the trusted keys: %w", err)
	}
	var out []provenance.PublicKey
	seen := map[string]bool{}
	n := 0
	for _, file := range files {
		if file.IsDir() || !strings.HasSuffix(file.Name(), ".pem") {
			continue
		}
		if n++; n > mostFiles {
			return nil, fmt.Errorf("read the trusted keys: there are more than %d files", mostFiles)
		}
		name := filepath.Join(k.dir, trustedDir, file.Name())
		data, err := slurp(name)
		if err != nil {
			return nil, fmt.Errorf("read the trusted keys: %w", err)
		}
		keys, err := provenance.ParsePublicKeys(data)
		if err != nil {
			return nil, fmt.Errorf("read the trusted keys: %s: %w", name, err)
		}
		for _, key := range keys {
			if !seen[key.ID] {
				seen[key.ID], out = true, append(out, key)
			}
		}
	}
	return out, nil
}

// publish puts the own public key among the trusted ones, where it stays when the private one is replaced.
func (k *Keyring) publish() error {
	file := filepath.Join(k.dir, trustedDir, k.public.ID+".pem")
	if _, err := os.Stat(file); err == nil {
		return nil
	}
	data, err := k.public.PEM()
	if err != nil {
		return err
	}
	return write(file, data, 0o644)
}

// read reads the private key. What it says of the mode it says of the file that it reads.
func read(file string) (ed25519.PrivateKey, error) {
	f, err := os.Open(file)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, fmt.Errorf("%s is no file", file)
	}
	if open := info.Mode().Perm() & 0o077; open != 0 {
		return nil, fmt.Errorf("%s can be read by others (mode %04o): chmod 600 it, and replace the key if somebody may have read it", file, info.Mode().Perm())
	}
	data, err := limited(f, file)
	if err != nil {
		return nil, err
	}
	key, err := provenance.ParsePrivateKey(data)
	if err != nil {
		return nil, fmt.Errorf("%s: %w; move it away to have a new one made", file, err)
	}
	return key, nil
}

func generate(file string) error {
	_, key, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return fmt.Errorf("make a key: %w", err)
	}
	data, err := provenance.EncodePrivateKey(key)
	if err != nil {
		return err
	}
	return write(file, data, 0o600)
}

// write gives a file its content all at once, unless it is there already. What a killed program leaves is a file of
// another name.
func write(file string, data []byte, mode fs.FileMode) error {
	temp, err := os.CreateTemp(filepath.Dir(file), ".new-*") // for its owner alone
	if err != nil {
		return err
	}
	defer func() { _ = os.Remove(temp.Name()) }()
	defer temp.Close()
	if _, err := temp.Write(data); err != nil {
		return err
	}
	if err := errors.Join(temp.Chmod(mode), temp.Sync()); err != nil {
		return err
	}
	// A rename would replace the key of a program that was faster, and has signed with it.
	if err := os.Link(temp.Name(), file); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	folder, err := os.Open(filepath.Dir(file))
	if err != nil {
		return err
	}
	defer folder.Close()
	return folder.Sync()
}

func slurp(file string) ([]byte, error) {
	f, err := os.Open(file)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return limited(f, file)
}

func limited(from io.Reader, name string) ([]byte, error) {
	data, err := io.ReadAll(io.LimitReader(from, fileLimit+1))
	if err != nil {
		return nil, err
	}
	if len(data) > fileLimit {
		return nil, fmt.Errorf("%s has more than %d bytes", name, fileLimit)
	}
	return data, nil
}
