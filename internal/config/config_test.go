package config

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

const good = `
data: state
temporal: {address: "127.0.0.1:7233"}
units:
  - {name: a, gateways: ["http://127.0.0.1:7790"]}
gateway-token: file:TOKEN
tokens:
  - {name: ops, groups: [release-managers], token: 0123456789abcdef}
`

func write(t *testing.T, text string) string {
	t.Helper()
	dir := t.TempDir()
	token := filepath.Join(dir, "token")
	if err := os.WriteFile(token, []byte("a-long-enough-token\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(dir, "skyisland-server.yaml")
	if err := os.WriteFile(file, []byte(strings.ReplaceAll(text, "TOKEN", filepath.Base(token))), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

func TestReadFillsInDefaultsAndSecrets(t *testing.T) {
	file := write(t, good)
	c, err := Read(file)
	if err != nil {
		t.Fatal(err)
	}
	if c.GatewayToken.Reveal() != "a-long-enough-token" || c.Listen != "127.0.0.1:7780" || c.Data != filepath.Join(filepath.Dir(file), "state") {
		t.Errorf("read %+v", c)
	}
	for _, text := range []string{fmt.Sprint(c), fmt.Sprintf("%+v", c), fmt.Sprintf("%#v", c)} {
		if strings.Contains(text, "a-long-enough-token") || strings.Contains(text, "0123456789abcdef") {
			t.Errorf("a secret is printed: %s", text)
		}
	}
}

func TestReadNamesEveryFault(t *testing.T) {
	_, err := Read(write(t, `
listen: nowhere
units:
  - {name: A, gateways: []}
  - {name: b, gateways: ["not a url"]}
  - {name: b, gateways: ["http://127.0.0.1:1"]}
gateway-token: short
alertmanager: {token: short}
cloudevents: {token: short}
page: {secret: short}
provenance: {builder: sky}
tokens: [{name: "", token: short}]
`))
	if err == nil {
		t.Fatal("a wrong configuration was read")
	}
	for _, want := range []string{
		"data: is missing", "listen: \"nowhere\"", "temporal.address:", "units[0].name:", "units[0].gateways:", "units[1].gateways[0]:",
		"units[2].name:", "gateway-token:", "alertmanager.token:", "cloudevents.token:", "page.secret:", "provenance.builder:", "tokens[0].name:", "tokens[0].token:",
	} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("the error lacks %q:\n%v", want, err)
		}
	}
}

func TestReadRefuses(t *testing.T) {
	for name, text := range map[string]string{
		"an unknown field":              good + "colour: red\n",
		"a secret in an unset variable": strings.Replace(good, "file:TOKEN", "env:SKYISLAND_TEST_UNSET", 1),
		"a secret in an absent file":    strings.Replace(good, "file:TOKEN", "file:/nonexistent/secret", 1),
	} {
		t.Run(name, func(t *testing.T) {
			if _, err := Read(write(t, text)); err == nil {
				t.Error("it was read")
			}
		})
	}
}

func TestAFileThatCannotBeReadQuotesNoSecret(t *testing.T) {
	for name, text := range map[string]string{
		"a field that is unknown":  good + "github: {secret: 0123456789abcdef}\ngrups: []\n",
		"a secret that is a list":  good + "store: [\"postgres://u:0123456789abcdef@db/sky\"]\n",
		"a secret without its end": good + "store: \"0123456789abcdef\n",
	} {
		t.Run(name, func(t *testing.T) {
			_, err := Read(write(t, text))
			if err == nil || strings.Contains(err.Error(), "0123456789abcdef") {
				t.Errorf("got %v", err)
			}
		})
	}
}

func TestAnEmptyFileIsCalledThat(t *testing.T) {
	if _, err := Read(write(t, "")); err == nil || !strings.Contains(err.Error(), "the file is empty") {
		t.Errorf("got %v", err)
	}
}

func TestTheServerOfRulesIsRead(t *testing.T) {
	c, err := Read(write(t, good+"policy: {server: {url: \"https://rules.example/b\", token: file:TOKEN, poll: 1m30s,"+
		" signature: {algorithm: HS256, key: file:TOKEN, scope: write}}}\n"))
	if err != nil {
		t.Fatal(err)
	}
	s := c.Policy.Server
	if s.Poll.Std() != 90*time.Second || s.Token.Reveal() != "a-long-enough-token" || filepath.Base(s.Cache) != "policy-bundle.tar.gz" {
		t.Errorf("read %+v", s)
	}
	if s.Signature == nil || s.Signature.Algorithm != "HS256" || s.Signature.Key.Reveal() != "a-long-enough-token" || s.Signature.Scope != "write" {
		t.Errorf("read the signature %+v", s.Signature)
	}
}
