package config

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"testing"

	"github.com/skyisland/skyisland/internal/release"
)

// TestTheExampleOfTokensIsRead reads the example of the API's page as the program does.
func TestTheExampleOfTokensIsRead(t *testing.T) {
	page, err := os.ReadFile("../../docs/api.md")
	if err != nil {
		t.Fatal(err)
	}
	example := regexp.MustCompile("(?s)```yaml\n(tokens:.*?)```").FindSubmatch(page)
	if example == nil {
		t.Fatal("there is no example")
	}
	dir := t.TempDir()
	for name, content := range map[string][]byte{
		"config.yaml": example[1], "token-ada": []byte("0123456789abcdef-ada"), "token-watchdog": []byte("0123456789abcdef-dog"),
	} {
		if err := os.WriteFile(filepath.Join(dir, name), content, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	t.Setenv("RAIL_CI_TOKEN", "0123456789abcdef-rail")
	local, err := ReadLocal(filepath.Join(dir, "config.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	if len(local.Tokens) != 3 || !slices.Equal(local.Tokens[1].Tenants, []string{"rail"}) || !slices.Equal(local.Tokens[2].Scopes, []release.Scope{release.ScopeAlarm}) {
		t.Errorf("read %+v", local.Tokens)
	}
}
