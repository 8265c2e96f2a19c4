package config

import (
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
