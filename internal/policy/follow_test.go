package policy_test

import (
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/skyisland/skyisland/internal/policy"
)

// yesToAll reads no data at all.
const yesToAll = `package release

decision := {"allow": true, "deny": set(), "lifted": [], "obligations": []}
`

// onlyYes are rules that read no data: what is in a data file is nothing to them.
func onlyYes() map[string]string { return map[string]string{"/release/release.rego": yesToAll} }

const aLimit = "max_step_permyriad: 5000\n"

func TestNewRulesThatCannotHaveTheDataStayOut(t *testing.T) {
	server := &bundleServer{}
	server.set(tarball(t, builtIn(t, "")))
	web := httptest.NewServer(server)
	defer web.Close()
	dir := t.TempDir()
	data := filepath.Join(dir, "data.yaml")
	put(t, data, aLimit)
	options := policy.Options{
		Server:   &policy.Server{URL: web.URL, Cache: filepath.Join(dir, "bundle.tar.gz"), Client: web.Client()},
		DataFile: data, Timeout: time.Minute,
	}
	e, err := policy.New(options)
	if err != nil {
		t.Fatal(err)
	}
	before := e.Bundle(t.Context())
	server.set(tarball(t, onlyYes()))
	err = policy.Follow(t.Context(), e)
	if err == nil || !strings.Contains(err.Error(), data) || !strings.Contains(err.Error(), "max_step_permyriad: no rule reads this") {
		t.Errorf("got %v, want the file and the name that nobody reads", err)
	}
	if !admitted(t, e) || e.Bundle(t.Context()) != before {
		t.Error("the rules that cannot have the data are in force")
	}
	// A start keeps to them too.
	again, err := policy.New(options)
	if err != nil || !admitted(t, again) || again.Bundle(t.Context()) != before {
		t.Errorf("a start takes rules that cannot have the data: %v", err)
	}
	// With the data first, the same rules come in.
	put(t, data, "")
	if err := policy.Follow(t.Context(), e); err != nil || !admitted(t, e) || e.Bundle(t.Context()) == before {
		t.Errorf("the rules are not in force after the data made room: %v", err)
	}
	// Data that the rules in force do not read still denies.
	put(t, data, aLimit)
	if admitted(t, e) {
		t.Error("data that no rule reads is taken")
	}
	// And what is denied everything may be mended by rules.
	server.set(tarball(t, builtIn(t, "")))
	if err := policy.Follow(t.Context(), e); err != nil || !admitted(t, e) {
		t.Errorf("the rules that read the data are not in force: %v", err)
	}
}

func TestADataFileThatIsGoneKeepsNoRulesOut(t *testing.T) {
	dir := t.TempDir()
	server := &bundleServer{}
	server.set(tarball(t, builtIn(t, "")))
	web := httptest.NewServer(server)
	defer web.Close()
	data := filepath.Join(dir, "data.yaml")
	put(t, data, aLimit)
	e, err := policy.New(policy.Options{
		Server:   &policy.Server{URL: web.URL, Cache: filepath.Join(dir, "bundle.tar.gz"), Client: web.Client()},
		DataFile: data, Timeout: time.Minute,
	})
	if err != nil {
		t.Fatal(err)
	}
	if !admitted(t, e) {
		t.Error("the data denies")
	}
	if err := os.Remove(data); err != nil {
		t.Fatal(err)
	}
	server.set(tarball(t, onlyYes()))
	if err := policy.Follow(t.Context(), e); err != nil || admitted(t, e) {
		t.Errorf("a file that is gone must deny under new rules too: %v", err)
	}
}
