package config

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

func TestGitHubIsRead(t *testing.T) {
	file := write(t, good+"github: {secret: file:TOKEN, app: {id: 7, key: file:TOKEN}}\n")
	c, err := Read(file)
	if err != nil {
		t.Fatal(err)
	}
	if !c.GitHub.WritesBack() || c.GitHub.App.ID != 7 || c.GitHub.App.Key.Reveal() != "a-long-enough-token" {
		t.Errorf("read %+v", c.GitHub)
	}
	if text := fmt.Sprintf("%+v %#v", c.GitHub, c.GitHub); strings.Contains(text, "a-long-enough-token") {
		t.Errorf("a secret is printed: %s", text)
	}
	if c, err := Read(write(t, good+"github: {secret: file:TOKEN}\n")); err != nil || c.GitHub.WritesBack() {
		t.Errorf("a webhook alone: %v, %v", c.GitHub.WritesBack(), err)
	}
}

func TestWhoWeAreAtGitHubIsChecked(t *testing.T) {
	cases := map[string]string{
		"{token: ghp_1, app: {id: 7, key: k}}":         "github.token: and app are both set",
		"{app: {key: k}}":                              "github.app.id: is missing",
		"{app: {id: -1, key: k}}":                      "github.app.id: is missing",
		"{app: {id: 7}}":                               "github.app.key: is missing",
		"{token: ghp_1, api: github.example.com}":      "github.api: is no address",
		"{token: ghp_1, api: 'https://u:p@g.example'}": "github.api: is no address",
		"{token: ghp_1, host: 'https://g.example'}":    "github.host:",
		"{token: 'file:absent'}":                       "github.token: ",
	}
	for text, wanted := range cases {
		t.Run(wanted, func(t *testing.T) {
			_, err := Read(write(t, good+"github: "+text+"\n"))
			if err == nil || !strings.Contains(err.Error(), wanted) || strings.Contains(err.Error(), "ghp_1") || strings.Contains(err.Error(), "u:p@") {
				t.Errorf("got %v, want %s", err, wanted)
			}
		})
	}
}

func TestAnInstallationOnOneMachineTellsGitHubToo(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "config.yaml")
	if err := os.WriteFile(file, []byte("github: {token: ghp_1, api: 'https://g.example/api/v3'}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	local, err := ReadLocal(file)
	if err != nil {
		t.Fatal(err)
	}
	c := Config{GitHub: GitHub{Secret: "made"}}
	local.Apply(&c)
	if c.GitHub.Secret != "made" || c.GitHub.Token != "ghp_1" || c.GitHub.API != "https://g.example/api/v3" {
		t.Errorf("applied %#v, %s", c.GitHub, c.GitHub.API)
	}
}

// TestTheExamplesOfGitHubAreRead reads the page's examples as the program does.
func TestTheExamplesOfGitHubAreRead(t *testing.T) {
	page, err := os.ReadFile("../../docs/github.md")
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	t.Setenv("GITHUB_ACCESS", "ghp_1")
	for _, name := range []string{"webhook-secret", "app.pem"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte("a-secret-of-the-example"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	examples := regexp.MustCompile("(?s)```yaml\n(.*?)```").FindAllStringSubmatch(string(page), -1)
	if len(examples) != 2 {
		t.Fatalf("%d examples, want an App and a token", len(examples))
	}
	for _, example := range examples {
		file := filepath.Join(dir, "config.yaml")
		if err := os.WriteFile(file, []byte(strings.ReplaceAll(example[1], "/etc/skyisland/", dir+"/")), 0o600); err != nil {
			t.Fatal(err)
		}
		server := write(t, good+strings.ReplaceAll(example[1], "/etc/skyisland/", dir+"/"))
		if c, err := Read(server); err != nil || !c.GitHub.WritesBack() {
			t.Errorf("%s: %v", example[1], err)
		}
		if l, err := ReadLocal(file); err != nil || !l.GitHub.WritesBack() {
			t.Errorf("on one machine: %s: %v", example[1], err)
		}
	}
}
