package config

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestLocal(t *testing.T) {
	t.Setenv("SKYISLAND_TEST_SECRET", "SEC0123456789")
	write := func(text string) string {
		file := filepath.Join(t.TempDir(), "local.yaml")
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return file
	}
	file := write(`
directory: people.yaml
tokens: [{name: ada, token: 0123456789abcdef}]
dingtalk: {robots: {ops: {token: t0ken, secret: "env:SKYISLAND_TEST_SECRET"}}}
notify: {rules: [{to: ["dingtalk:robot:ops"], severity: warning}]}
alarms: [{name: slow, metric: latency-p99, above: 500ms, for: 1m, stop: true}]
`)
	local, err := ReadLocal(file)
	if err != nil {
		t.Fatal(err)
	}
	c := Config{Tokens: []Token{{Name: "operator"}}}
	local.Apply(&c)
	if len(c.Tokens) != 2 || c.Directory != filepath.Join(filepath.Dir(file), "people.yaml") || c.DingTalk.Robots["ops"].Secret.Reveal() != "SEC0123456789" ||
		c.Notify.Rules[0].Severity != "warning" || !c.Alarms[0].Stop {
		t.Errorf("read %+v", c)
	}
	if _, err := ReadLocal(write("")); err != nil {
		t.Errorf("an empty file: %v", err)
	}
	for text, says := range map[string]string{
		"listen: here":                               "listen",
		"tokens: [{name: ada, token: short}]":        "tokens[0].token: is shorter",
		"slack: {bot-token: 'env:SKYISLAND_NOBODY'}": "slack.bot-token: the variable SKYISLAND_NOBODY is not set",
		"feishu: {bots: {ops: {url: 'file:none'}}}":  "feishu.bots.ops.url",
	} {
		if _, err := ReadLocal(write(text)); err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("%s: %v, want %q", text, err, says)
		}
	}
}
