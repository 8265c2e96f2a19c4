package config

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"testing"
)

// TestTheExampleOfNotificationsIsRead reads the page's examples as the program does.
func TestTheExampleOfNotificationsIsRead(t *testing.T) {
	page, err := os.ReadFile("../../docs/notifications.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"SLACK_BOT_TOKEN", "SLACK_APP_TOKEN", "DING_TOKEN", "DING_SECRET", "FEISHU_URL", "FEISHU_SECRET"} {
		t.Setenv(name, "a-secret-of-the-example")
	}
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "dingtalk-secret"), []byte("s"), 0o600); err != nil {
		t.Fatal(err)
	}
	examples := regexp.MustCompile("(?s)```yaml\n(.*?)```").FindAllSubmatch(page, -1)
	if len(examples) != 2 {
		t.Fatalf("%d examples, want the configuration and the alarms", len(examples))
	}
	for _, example := range examples {
		file := filepath.Join(dir, "config.yaml")
		if err := os.WriteFile(file, example[1], 0o600); err != nil {
			t.Fatal(err)
		}
		local, err := ReadLocal(file)
		if err != nil {
			t.Error(err)
		}
		if len(local.Notify.Rules)+len(local.Alarms) == 0 {
			t.Errorf("nothing was read of %s", example[1])
		}
	}
}

// TestTheExamplesOfSourcesAreRead reads the page's examples as the program does.
func TestTheExamplesOfSourcesAreRead(t *testing.T) {
	page, err := os.ReadFile("../../docs/sources.md")
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	examples := regexp.MustCompile("(?s)```yaml\n(.*?)```").FindAllSubmatch(page, -1)
	if len(examples) != 3 {
		t.Fatalf("%d examples, want the sources, a schedule and a rotation", len(examples))
	}
	for i, name := range []string{"gitlab-token", "gitlab-token.new", "gitea-secret", "standard-secret", "registry-token"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(fmt.Sprintf("secret-of-sixteen-%d", i)), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	sources, schedules := 0, 0
	for _, example := range examples {
		file := filepath.Join(dir, "config.yaml")
		if err := os.WriteFile(file, bytes.ReplaceAll(example[1], []byte("/etc/skyisland/"), nil), 0o600); err != nil {
			t.Fatal(err)
		}
		local, err := ReadLocal(file)
		if err != nil {
			t.Errorf("%s: %v", example[1], err)
		}
		sources += len(local.GitLab.Reveal()) + len(local.Gitea.Reveal()) + len(local.Standard.Reveal()) + len(local.RegistryEvents.Reveal())
		schedules += len(local.Schedules)
	}
	if sources != 6 || schedules != 1 {
		t.Errorf("read %d secrets and %d schedules", sources, schedules)
	}
}
