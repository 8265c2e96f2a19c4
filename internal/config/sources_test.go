package config

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

func TestSourcesHaveOneSecretOrTwo(t *testing.T) {
	t.Setenv("GITLAB_NEW", "a-new-gitlab-token")
	file := write(t, good+`
github: {secrets: ["file:TOKEN", older]}
gitlab: {secrets: ["env:GITLAB_NEW", whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw]}
gitea: {secret: s3cr3t}
standard: {secret: whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw}
registry-events: {tokens: [registry-token-new, registry-token-old]}
alertmanager: {tokens: [alertmanager-new, alertmanager-old]}
cloudevents: {token: cloudevents-token}
`)
	c, err := Read(file)
	if err != nil {
		t.Fatal(err)
	}
	for name, tt := range map[string]struct{ got, want []string }{
		"github":       {c.GitHub.Reveal(), []string{"a-long-enough-token", "older"}},
		"gitlab":       {c.GitLab.Reveal(), []string{"a-new-gitlab-token", "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"}},
		"gitea":        {c.Gitea.Reveal(), []string{"s3cr3t"}},
		"standard":     {c.Standard.Reveal(), []string{"whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"}},
		"registry":     {c.RegistryEvents.Reveal(), []string{"registry-token-new", "registry-token-old"}},
		"alertmanager": {c.Alertmanager.Reveal(), []string{"alertmanager-new", "alertmanager-old"}},
		"cloudevents":  {c.CloudEvents.Reveal(), []string{"cloudevents-token"}},
	} {
		if !slices.Equal(tt.got, tt.want) {
			t.Errorf("%s has %v, want %v", name, tt.got, tt.want)
		}
	}
	for _, text := range []string{fmt.Sprint(c), fmt.Sprintf("%+v", c), fmt.Sprintf("%#v %+v %#v", c, c.Gitea, c.RegistryEvents)} {
		for _, secret := range []string{"older", "s3cr3t", "whsec_", "registry-token", "alertmanager-new"} {
			if strings.Contains(text, secret) {
				t.Errorf("%s is printed: %s", secret, text)
			}
		}
	}
	without, err := Read(write(t, good))
	if err != nil {
		t.Fatal(err)
	}
	for name, got := range map[string][]string{
		"github": without.GitHub.Reveal(), "gitlab": without.GitLab.Reveal(), "gitea": without.Gitea.Reveal(), "standard": without.Standard.Reveal(),
		"registry": without.RegistryEvents.Reveal(), "alertmanager": without.Alertmanager.Reveal(),
	} {
		if got != nil {
			t.Errorf("%s has %v and is turned off", name, got)
		}
	}
}

func TestSourcesAreRefusedWithTheirPlace(t *testing.T) {
	empty := filepath.Join(t.TempDir(), "empty")
	if err := os.WriteFile(empty, []byte(" \n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct{ name, text, want string }{
		{"a source without a secret", "gitlab: {}", "gitlab.secret: is missing"},
		{"an empty secret", `gitea: {secret: ""}`, "gitea.secret: is missing"},
		{"an empty list", "standard: {secrets: []}", "standard.secret: is missing"},
		{"a blank secret", `gitea: {secret: "  "}`, "gitea.secret: is blank"},
		{"a blank one in a list", `registry-events: {tokens: [registry-token-new, ""]}`, "registry-events.tokens[1]: is blank"},
		{"a file that is empty", fmt.Sprintf("gitea: {secrets: [s3cr3t, \"file:%s\"]}", empty), "gitea.secrets[1]: " + empty + " is empty"},
		{"a variable that is not set", "registry-events: {token: env:SKYISLAND_NOT_SET}", "registry-events.token: the variable SKYISLAND_NOT_SET is not set"},
		{"both forms", "github: {secret: one, secrets: [two]}", "github: secret and secrets are both set"},
		{"three", "github: {secrets: [one, two, three]}", "github.secrets: there are 3: at most 2"},
		{"the same twice", "github: {secrets: [one, one]}", "github.secrets[1]: stands twice"},
		{"a token that can be guessed", "gitlab: {secret: short}", "gitlab.secret: is shorter than 16"},
		{"a token in a list that can be guessed", "alertmanager: {tokens: [alertmanager-new, short]}", "alertmanager.tokens[1]: is shorter than 16"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if _, err := Read(write(t, good+tt.text+"\n")); err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("error = %v, want %q", err, tt.want)
			}
		})
	}
}

func TestSchedules(t *testing.T) {
	const one = "schedules:\n  - {name: nightly, application: acme/checkout, environment: production, branch: main, cron: \"0 3 * * 1-5\", zone: Asia/Shanghai}\n"
	c, err := Read(write(t, good+one))
	if err != nil {
		t.Fatal(err)
	}
	want := Schedule{Name: "nightly", Application: "acme/checkout", Environment: "production", Branch: "main", Cron: "0 3 * * 1-5", Zone: "Asia/Shanghai"}
	if len(c.Schedules) != 1 || c.Schedules[0] != want {
		t.Errorf("read %+v", c.Schedules)
	}
	if tenant, application := c.Schedules[0].Of(); tenant != "acme" || application != "checkout" {
		t.Errorf("it is of %s/%s", tenant, application)
	}
	_, err = Read(write(t, good+one+`  - {name: nightly, application: checkout, branch: refs/heads/main, cron: "0 3 * *"}
  - {name: "No Name", application: acme/check out, environment: "E!", branch: "a b", cron: "@every 1h"}
  - {name: never, application: acme/checkout, branch: main, cron: "0 0 30 2 *", zone: Mars}
`))
	if err == nil {
		t.Fatal("wrong schedules are read")
	}
	for _, want := range []string{
		"schedules[1].name: \"nightly\" stands twice", "schedules[1].application: \"checkout\" is not tenant/name", "schedules[1].branch: \"refs/heads/main\" is not a branch",
		"schedules[1].cron: \"0 3 * *\" is no cron expression", "schedules[2].name:", "schedules[2].application:", "schedules[2].environment:", "schedules[2].branch:",
		"schedules[2].cron: \"@every 1h\" counts from", "schedules[3].cron: zone \"Mars\" is unknown",
	} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("the error lacks %q:\n%v", want, err)
		}
	}
}

func TestAnInstallationOnOneMachineHasSourcesToo(t *testing.T) {
	file := filepath.Join(t.TempDir(), "config.yaml")
	text := `
gitlab: {secret: gitlab-token-of-16}
gitea: {secret: s3cr3t}
standard: {secret: whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw}
registry-events: {token: registry-token-1}
schedules: [{name: nightly, application: acme/checkout, branch: main, cron: "@daily"}]
`
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	local, err := ReadLocal(file)
	if err != nil {
		t.Fatal(err)
	}
	var c Config
	local.Apply(&c)
	if len(c.GitLab.Reveal())+len(c.Gitea.Reveal())+len(c.Standard.Reveal())+len(c.RegistryEvents.Reveal())+len(c.Schedules) != 5 {
		t.Errorf("read %+v", c)
	}
	if err := os.WriteFile(file, []byte("gitea: {}\nschedules: [{name: nightly}]\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := ReadLocal(file); err == nil || !strings.Contains(err.Error(), "gitea.secret") || !strings.Contains(err.Error(), "schedules[0].cron") {
		t.Errorf("error = %v", err)
	}
}

func TestTheGitRemoteOfOneMachineKeepsItsSecret(t *testing.T) {
	file := filepath.Join(t.TempDir(), "config.yaml")
	for text, want := range map[string][]string{
		"github: {}\n":                          {"made"},
		"github: {secret: of-github}\n":         {"of-github", "made"},
		"github: {secrets: [new, of-github]}\n": nil,
	} {
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		local, err := ReadLocal(file)
		if want == nil {
			if err == nil || !strings.Contains(err.Error(), "github.secrets: the secret in the file webhook-secret") {
				t.Errorf("%s: error = %v", text, err)
			}
			continue
		}
		if err != nil {
			t.Fatal(err)
		}
		c := Config{GitHub: GitHub{Secret: "made"}}
		local.Apply(&c)
		if got := c.GitHub.Reveal(); !slices.Equal(got, want) {
			t.Errorf("%s: %v, want %v", text, got, want)
		}
	}
}
