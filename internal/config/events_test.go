package config

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// TestTheExampleOfEventsIsRead reads the page's example as the program does.
func TestTheExampleOfEventsIsRead(t *testing.T) {
	page, err := os.ReadFile("../../docs/events.md")
	if err != nil {
		t.Fatal(err)
	}
	example := regexp.MustCompile("(?s)```yaml\n(.*?)```").FindSubmatch(page)
	if example == nil {
		t.Fatal("docs/events.md has no example")
	}
	dir := t.TempDir()
	for name, text := range map[string]string{"config.yaml": string(example[1]), "ci-secret": "whsec_new\n"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	t.Setenv("CI_SECRET_OLD", "whsec_old")
	t.Setenv("CI_TOKEN", "Bearer hidden")
	t.Setenv("AUDIT_SECRET", "whsec_audit")
	local, err := ReadLocal(filepath.Join(dir, "config.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	var c Config
	local.Apply(&c)
	all := c.Events.Subscribers
	if len(all) != 2 || len(all[0].Secret) != 2 || all[0].Secret[0].Reveal() != "whsec_new" || all[0].Secret[1].Reveal() != "whsec_old" ||
		all[0].Headers["Authorization"].Reveal() != "Bearer hidden" || len(all[1].Secret) != 1 || all[1].Secret[0].Reveal() != "whsec_audit" {
		t.Errorf("subscribers %d: %q", len(all), fmt.Sprintf("%+v", all))
	}
	if text := fmt.Sprintf("%v %+v %#v", c.Events, c.Events, c.Events); strings.Contains(text, "hidden") || strings.Contains(text, "whsec_new") {
		t.Errorf("a secret is printed: %s", text)
	}
}

func TestASubscribersSecretThatCannotBeReadIsNamed(t *testing.T) {
	for text, want := range map[string]string{
		`events: {subscribers: [{name: ci, secret: "env:NOT_SET"}]}`:                          "events.subscribers[0].secret[0]: the variable NOT_SET is not set",
		`events: {subscribers: [{name: ci, headers: {X-Key: "file:none"}}]}`:                  "events.subscribers[0].headers.X-Key: ",
		`events: {subscribers: [{name: ci, secret: {hidden: a}}]}`:                            "is neither a secret nor a list of secrets",
		`events: {subscribers: [{name: ci}, {name: cd, url: "file:" , secret: "file:none"}]}`: "events.subscribers[1].secret[0]: ",
	} {
		file := filepath.Join(t.TempDir(), "config.yaml")
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		_, err := ReadLocal(file)
		if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "hidden") {
			t.Errorf("%s: %v, want %s", text, err, want)
		}
	}
}
