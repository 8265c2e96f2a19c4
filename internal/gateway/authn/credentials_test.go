package authn

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/skyisland/skyisland/internal/release"
)

func keyFile(keys ...string) string {
	var b strings.Builder
	for n, key := range keys {
		fmt.Fprintf(&b, "client-%d %s\n", n, hashOf(key))
	}
	return b.String()
}

func TestCredentialFiles(t *testing.T) {
	const raw = "my-raw-key-0123456789-0123456789"
	hash := hashOf(goodKey)
	for _, c := range []struct {
		name, file, text string
		want             string // empty is a good file
	}{
		{"API keys", "partners", "# partners\n\nacme " + hash + "\r\n\tbeta\t" + hashOf(otherKey) + "  ", ""},
		{"a key instead of its hash", "partners", "acme " + raw, `credential partners:1: want "client-name sha256:"`},
		{"a hash of another kind", "partners", "\n\nacme md5:0123456789abcdef", `credential partners:3: want "client-name sha256:"`},
		{"half a hash", "partners", "acme " + hash[:40], `credential partners:1: want "client-name sha256:"`},
		{"a hash of other letters", "partners", "acme sha256:" + strings.Repeat("z", 64), "credential partners:1: want"},
		{"a line of three words", "partners", "acme inc " + hash, "credential partners:1: want"},
		{"a hash alone", "partners", hash, "credential partners:1: want"},
		{"a client with a colon", "partners", "ac:me " + hash, "credential partners:1: want a name of 1 to 64"},
		{"the hash of nothing", "partners", "acme " + hashOf(""), "credential partners:1: the hash is that of nothing"},
		{"a key of two clients", "partners", "acme " + hash + "\nbeta " + hash, "credential partners:2: the key is there already"},
		{"all that is wrong", "partners", "acme\nbeta\ngamma " + hash, "credential partners:2: want"},
		{"an empty file", "partners", "", "credential partners: nothing is in it"},
		{"comments alone", "partners", "# acme " + raw + "\n", "credential partners: nothing is in it"},
		{"too many lines", "partners", strings.Repeat("#\n", maxLines+1), "credential partners: more than 10000 lines"},
		{"too many bytes", "partners", strings.Repeat("#", maxFile+1), "credential partners: more than 1048576 bytes"},

		{"secrets", "webhooks", "# shop\nshop " + secretText + "\nshop " + otherSecret, ""},
		{"a short secret", "webhooks", "shop 0123456789abcdef0123456789abcde", `credential webhooks:1: want "key-id secret"`},
		{"a long secret", "webhooks", "shop " + strings.Repeat("s", 513), "credential webhooks:1: want"},
		{"a secret with a space", "webhooks", "shop " + raw + " " + raw, "credential webhooks:1: want"},
		{"a secret of another script", "webhooks", "shop " + strings.Repeat("ж", 32), "credential webhooks:1: want"},
		{"a key ID with a slash", "webhooks", "a/b " + secretText, "credential webhooks:1: want a key ID"},
		{"a secret twice", "webhooks", "shop " + raw + "\nshop " + raw, "credential webhooks:2: the secret is there already"},
		{"three secrets", "webhooks", "shop " + raw + "1\nshop " + raw + "2\nshop " + raw + "3", "credential webhooks:3: the key has two secrets already"},
	} {
		t.Run(c.name, func(t *testing.T) {
			f := newFolder(t, map[string]string{c.file: c.text})
			policy := all()
			policy.JWT = nil
			if c.file == "partners" {
				policy.HMAC = nil
			} else {
				policy.APIKey = nil
			}
			a := mustNew(t, policy, f, nil)
			err := f.Refresh(t.Context())
			if (c.want == "") != (err == nil) || err != nil && !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v, want %q", err, c.want)
			}
			if (c.want == "") != (a.Missing() == nil) {
				t.Errorf("missing %q", a.Missing())
			}
			if err != nil && (strings.Contains(err.Error(), raw) || strings.Contains(err.Error(), hash[7:]) || strings.Contains(err.Error(), "acme")) {
				t.Errorf("the error tells what is in the file: %v", err)
			}
			runtime.KeepAlive(a)
		})
	}
}

func TestAFileIsFollowed(t *testing.T) {
	f := newFolder(t, map[string]string{"partners": keyFile(goodKey)})
	a := mustNew(t, keyPolicy(), f, nil)
	has := func(key, want string) {
		t.Helper()
		expect(t, a, get("X-Partner-Key", key), want)
	}
	has(goodKey, "api-key client-0")

	f.write(t, "partners", keyFile(goodKey, otherKey))
	if err := f.Refresh(t.Context()); err != nil {
		t.Fatal(err)
	}
	has(otherKey, "bad-api-key") // it may be half written
	if err := f.Refresh(t.Context()); err != nil {
		t.Fatal(err)
	}
	has(otherKey, "api-key client-1")

	f.write(t, "partners", "half a li")
	if err := f.looks(t); err == nil || !strings.Contains(err.Error(), "credential partners:1: want") {
		t.Errorf("got %v", err)
	}
	has(otherKey, "api-key client-1") // the last good ones

	f.write(t, "partners", keyFile(otherKey))
	if err := f.looks(t); err != nil {
		t.Fatal(err)
	}
	has(otherKey, "api-key client-0")
	has(goodKey, "bad-api-key")
}

func TestAFileThatIsGoneTakesItsKeysBack(t *testing.T) {
	f := newFolder(t, map[string]string{"partners": keyFile(goodKey)})
	a := mustNew(t, keyPolicy(), f, nil)
	path, aside := filepath.Join(f.dir, "partners"), filepath.Join(f.dir, "aside")
	if err := os.Rename(path, aside); err != nil {
		t.Fatal(err)
	}
	if err := f.Refresh(t.Context()); err == nil || !strings.Contains(err.Error(), "credential partners: there is no such file") {
		t.Errorf("got %v", err)
	}
	expect(t, a, get("X-Partner-Key", goodKey), "api-key client-0") // it may be replaced just now
	if err := os.Rename(aside, path); err != nil {
		t.Fatal(err)
	}
	if err := f.looks(t); err != nil {
		t.Errorf("it is back, and %v", err)
	}
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	_ = f.looks(t)
	expect(t, a, get("X-Partner-Key", goodKey), "keys-unavailable")
	f.write(t, "partners", keyFile(goodKey))
	if err := f.looks(t); err != nil {
		t.Error(err)
	}
	expect(t, a, get("X-Partner-Key", goodKey), "api-key client-0")
}

func TestAFolderThatIsAwayTakesNothing(t *testing.T) {
	f := newFolder(t, map[string]string{"partners": keyFile(goodKey)})
	a := mustNew(t, keyPolicy(), f, nil)
	if err := os.Rename(f.dir, f.dir+"-away"); err != nil {
		t.Fatal(err)
	}
	for range 3 {
		if err := f.Refresh(t.Context()); err == nil || !strings.Contains(err.Error(), "the folder is away") || strings.Contains(err.Error(), f.dir) {
			t.Errorf("got %v", err)
		}
	}
	expect(t, a, get("X-Partner-Key", goodKey), "api-key client-0")
	if err := os.Rename(f.dir+"-away", f.dir); err != nil {
		t.Fatal(err)
	}
	if err := f.looks(t); err != nil {
		t.Error(err)
	}
}

func TestWhatIsNoFileIsNoCredential(t *testing.T) {
	f := newFolder(t, nil)
	if err := os.Mkdir(filepath.Join(f.dir, "partners"), 0o755); err != nil {
		t.Fatal(err)
	}
	a := mustNew(t, keyPolicy(), f, nil)
	if err := f.Refresh(t.Context()); err == nil || !strings.Contains(err.Error(), "credential partners: it is no file") {
		t.Errorf("got %v", err)
	}
	expect(t, a, get("X-Partner-Key", goodKey), "keys-unavailable")
}

// Kubernetes mounts secrets as links to a folder that is replaced.
func TestALinkIsFollowedToItsFile(t *testing.T) {
	f := newFolder(t, nil)
	for _, version := range []string{"one", "two"} {
		if err := os.Mkdir(filepath.Join(f.dir, version), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	f.write(t, "one/partners", keyFile(goodKey))
	f.write(t, "two/partners", keyFile(otherKey))
	for link, to := range map[string]string{"data": "one", "partners": "data/partners", "next": "two"} {
		if err := os.Symlink(to, filepath.Join(f.dir, link)); err != nil {
			t.Fatal(err)
		}
	}
	a := mustNew(t, keyPolicy(), f, nil)
	expect(t, a, get("X-Partner-Key", goodKey), "api-key client-0")
	if err := os.Rename(filepath.Join(f.dir, "next"), filepath.Join(f.dir, "data")); err != nil {
		t.Fatal(err)
	}
	if err := f.looks(t); err != nil {
		t.Fatal(err)
	}
	expect(t, a, get("X-Partner-Key", otherKey), "api-key client-0")
	expect(t, a, get("X-Partner-Key", goodKey), "bad-api-key")
}

func TestOneFileMayBeOfTwoKinds(t *testing.T) {
	f := newFolder(t, map[string]string{"partners": keyFile(goodKey)})
	policy := release.Authentication{APIKey: &release.APIKeyAuth{Keys: "partners"}, HMAC: &release.HMACAuth{Keys: "partners"}}
	a := mustNew(t, policy, f, nil)
	// A line of API keys is a line of secrets too. Whoever knows the file could sign, and it is not for callers.
	if got := f.state(); len(got) != 2 || got[0].Holds != "API keys" || got[1].Holds != "secrets" || got[0].Entries != 1 {
		t.Errorf("the state is %+v", got)
	}
	expect(t, a, get("X-Api-Key", goodKey), "api-key client-0")
}

func TestStateOfCredentials(t *testing.T) {
	f := newFolder(t, map[string]string{"partners": keyFile(goodKey), "webhooks": "wrong"})
	policy := all()
	policy.JWT = nil
	a := mustNew(t, policy, f, nil)
	if err := os.Chmod(filepath.Join(f.dir, "partners"), 0o644); err != nil {
		t.Fatal(err)
	}
	_ = f.looks(t)
	got := f.state()
	if len(got) != 2 || got[0].Name != "partners" || got[0].Entries != 1 || !got[0].Loaded.Equal(noon) || got[0].Fault != "" ||
		!strings.Contains(got[0].Leak, "may read it") || got[1].Entries != 0 || !got[1].Loaded.IsZero() || !strings.Contains(got[1].Fault, "webhooks:1") {
		t.Errorf("the state is %+v", got)
	}
	runtime.KeepAlive(a)
	runtime.GC()
	runtime.GC()
	if got := f.state(); len(got) != 0 {
		t.Errorf("nobody uses them, and the state is %+v", got)
	}
}

func TestRunTellsWhatChanges(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFolder(t, map[string]string{"partners": keyFile(goodKey)})
		a := mustNew(t, keyPolicy(), f, nil)
		running(t, f.Run)
		log := func(message, rest string) int {
			return strings.Count(f.log.String(), message+`" credential=partners`+rest)
		}
		after := func(d time.Duration) { <-time.After(d); synctest.Wait() }
		after(time.Minute)
		if got := log("credential in force", ` holds="API keys" entries=1`); got != 1 {
			t.Errorf("told %d times:\n%s", got, f.log)
		}
		f.write(t, "partners", "wrong")
		if err := os.Chmod(filepath.Join(f.dir, "partners"), 0o606); err != nil {
			t.Fatal(err)
		}
		after(time.Minute)
		if good, open := log("credential is wrong, so the last good one counts", ""), log("credential is open to others", ""); good != 1 || open != 1 {
			t.Errorf("told %d and %d times:\n%s", good, open, f.log)
		}
		if err := os.Remove(filepath.Join(f.dir, "partners")); err != nil {
			t.Fatal(err)
		}
		after(time.Minute)
		if got := log("credential is not there, so nobody is let in by it", ""); got != 1 {
			t.Errorf("told %d times:\n%s", got, f.log)
		}
		f.time.advance(time.Minute)
		f.write(t, "partners", keyFile(goodKey, otherKey))
		after(2 * defaultLook)
		if got := log("credential in force", ` holds="API keys" entries=2`); got != 1 {
			t.Errorf("told %d times:\n%s", got, f.log)
		}
		expect(t, a, get("X-Partner-Key", otherKey), "api-key client-1")
	})
}

func TestOpenCredentialsSaysWhatIsWrong(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := OpenCredentials(CredentialOptions{Dir: file + "-not"}); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("got %v", err)
	}
	for _, o := range []CredentialOptions{{Dir: file}, {Dir: filepath.Dir(file), Nonces: -1}, {Dir: filepath.Dir(file), Every: -1}} {
		if _, err := OpenCredentials(o); err == nil {
			t.Errorf("%+v is taken", o)
		}
	}
}
