package signing_test

import (
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/skyisland/skyisland/internal/provenance"
	"github.com/skyisland/skyisland/internal/signing"
)

const sum = "5891b5b522d5df086d0ff0b110fbd9d21bb4fc7163af34d08286a2e846f6be03"

func open(t *testing.T, dir string) *signing.Keyring {
	t.Helper()
	k, err := signing.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func trusted(t *testing.T, k *signing.Keyring) []provenance.PublicKey {
	t.Helper()
	keys, err := k.Trusted()
	if err != nil {
		t.Fatal(err)
	}
	return keys
}

func sign(t *testing.T, k *signing.Keyring) []byte {
	t.Helper()
	now := time.Date(2026, 3, 2, 12, 0, 0, 0, time.UTC)
	s, err := provenance.New(provenance.Build{
		Subject: "demo/hello/web", SHA256: sum, Repository: "https://git.example/x.git", Commit: sum, ManifestPath: "skyisland.yaml",
		ManifestSHA256: sum, Component: "web", Release: "demo/hello/production/1", Builder: "https://sky.example/builder", Version: "1",
		Invocation: "1", Started: now, Finished: now,
	})
	if err != nil {
		t.Fatal(err)
	}
	envelope, err := k.Sign(s)
	if err != nil {
		t.Fatal(err)
	}
	return envelope
}

func TestTheKeyIsMadeOnceAndIsItsOwners(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "data", "provenance")
	first := open(t, dir)
	if again := open(t, dir); again.Public().ID != first.Public().ID {
		t.Error("the second start made another key")
	}
	info, err := os.Stat(filepath.Join(dir, "key.pem"))
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the key has the mode %v, error %v; want 0600", info.Mode(), err)
	}
	if _, err := provenance.Verify(sign(t, first), trusted(t, open(t, dir)), sum); err != nil {
		t.Error(err)
	}
	left, err := filepath.Glob(filepath.Join(dir, ".new-*"))
	if err != nil || len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
}

func TestProgramsThatStartTogetherHaveOneKey(t *testing.T) {
	dir := t.TempDir()
	ids := make([]string, 8)
	var wait sync.WaitGroup
	for i := range ids {
		wait.Go(func() {
			k, err := signing.Open(dir)
			if err != nil {
				t.Error(err)
				return
			}
			ids[i] = k.Public().ID
		})
	}
	wait.Wait()
	for _, id := range ids {
		if id != ids[0] {
			t.Fatalf("there are several keys: %v", ids)
		}
	}
}

func TestAReplacedKeyStaysTrustedUntilItIsTakenAway(t *testing.T) {
	dir := t.TempDir()
	old := open(t, dir)
	envelope := sign(t, old)
	if err := os.Remove(filepath.Join(dir, "key.pem")); err != nil {
		t.Fatal(err)
	}
	replaced := open(t, dir)
	if replaced.Public().ID == old.Public().ID {
		t.Fatal("no new key was made")
	}
	for name, data := range map[string][]byte{"the old key's": envelope, "the new key's": sign(t, replaced)} {
		if _, err := provenance.Verify(data, trusted(t, replaced), sum); err != nil {
			t.Errorf("%s statement: %v", name, err)
		}
	}
	// Without a restart: whoever knows that a key was stolen does not want to wait.
	if err := os.Remove(filepath.Join(dir, "trusted", old.Public().ID+".pem")); err != nil {
		t.Fatal(err)
	}
	if _, err := provenance.Verify(envelope, trusted(t, replaced), sum); err == nil || !strings.Contains(err.Error(), "not trusted") {
		t.Errorf("got %v, want the statement not to hold any more", err)
	}
}

func TestAnothersKeyIsTrustedOnceItsFileIsThere(t *testing.T) {
	dir, other := t.TempDir(), open(t, t.TempDir())
	k := open(t, dir)
	data, err := other.Public().PEM()
	if err != nil {
		t.Fatal(err)
	}
	for name, content := range map[string][]byte{"other.pem": data, "again.pem": data, "README": []byte("not a key")} {
		if err := os.WriteFile(filepath.Join(dir, "trusted", name), content, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	keys := trusted(t, k)
	if _, err := provenance.Verify(sign(t, other), keys, sum); err != nil || len(keys) != 2 {
		t.Errorf("%d keys, %v; want each of the two once", len(keys), err)
	}
	if err := os.WriteFile(filepath.Join(dir, "trusted", "broken.pem"), []byte("x"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := k.Trusted(); err == nil || !strings.Contains(err.Error(), "broken.pem") {
		t.Errorf("got %v, want the file that is no key to be named", err)
	}
}

func TestAKeyThatCannotBeUsedIsRefused(t *testing.T) {
	for name, c := range map[string]struct {
		spoil func(file string) error
		want  string
	}{
		"others may read it":  {func(file string) error { return os.Chmod(file, 0o640) }, "chmod 600"},
		"everybody may":       {func(file string) error { return os.Chmod(file, 0o604) }, "chmod 600"},
		"it is cut":           {func(file string) error { return os.Truncate(file, 20) }, "move it away"},
		"it is empty":         {func(file string) error { return os.Truncate(file, 0) }, "move it away"},
		"it is very large":    {func(file string) error { return os.Truncate(file, 1<<20) }, "more than 65536 bytes"},
		"it is another thing": {replaceWithFolder, "is no file"},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			open(t, dir)
			file := filepath.Join(dir, "key.pem")
			if err := c.spoil(file); err != nil {
				t.Fatal(err)
			}
			_, err := signing.Open(dir)
			if err == nil || !strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), "MC4C") {
				t.Errorf("got %v, want %q", err, c.want)
			}
		})
	}
	if _, err := signing.Open(filepath.Join(os.DevNull, "keys")); err == nil {
		t.Error("a folder below a file was opened")
	}
}

func replaceWithFolder(file string) error {
	if err := os.Remove(file); err != nil {
		return err
	}
	return os.Mkdir(file, 0o700)
}
