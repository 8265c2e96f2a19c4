package config

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"path/filepath"

	"github.com/goccy/go-yaml"
)

// Local is what an installation on one machine can be told beside its flags: who people are, where they are spoken to, and
// what they hear of. Each field is that of [Config].
type Local struct {
	Tokens    []Token  `yaml:"tokens"`
	Directory string   `yaml:"directory"`
	Notify    Notify   `yaml:"notify"`
	Slack     Slack    `yaml:"slack"`
	DingTalk  DingTalk `yaml:"dingtalk"`
	Feishu    Feishu   `yaml:"feishu"`
	Alarms    []Alarm  `yaml:"alarms"`
	// GitHub is who we are there. Its secret is valid beside the one that is made, with which the git remote signs.
	GitHub GitHub `yaml:"github"`
	Events Events `yaml:"events"`

	Alertmanager AlarmSource `yaml:"alertmanager"`
	CloudEvents  AlarmSource `yaml:"cloudevents"`

	Retention Retention  `yaml:"retention"`
	GitLab    *Source    `yaml:"gitlab"`
	Gitea     *Source    `yaml:"gitea"`
	Standard  *Source    `yaml:"standard"`
	Schedules []Schedule `yaml:"schedules"`
	// RegistryEvents is a webhook; Registry and Images are as in [Config].
	RegistryEvents *RegistryEvents `yaml:"registry-events"`
	Registry       Registry        `yaml:"registry"`
	Images         []ImageAccess   `yaml:"images"`
}

// ReadLocal reads such a file. Its error names every fault with its path.
func ReadLocal(file string) (Local, error) {
	data, err := readLimited(file, fileLimit)
	if err != nil {
		return Local{}, fmt.Errorf("read the configuration: %w", err)
	}
	var l Local
	err = yaml.NewDecoder(bytes.NewReader(data), yaml.DisallowUnknownField()).Decode(&l)
	if err != nil && !errors.Is(err, io.EOF) {
		return Local{}, fmt.Errorf("%s: %s", file, withoutSource(err))
	}
	var c Config
	l.Apply(&c)
	dir := filepath.Dir(file)
	if c.Directory != "" && !filepath.IsAbs(c.Directory) {
		c.Directory = filepath.Join(dir, c.Directory)
	}
	if err := errors.Join(c.reveal(dir), c.checkTokens(), c.GitHub.check(), c.Retention.check(), errors.Join(c.checkRegistries()...)); err != nil {
		return Local{}, fmt.Errorf("%s: %w", file, err)
	}
	if len(c.GitHub.Secrets) > 0 {
		return Local{}, fmt.Errorf("%s: github.secrets: the secret in the file webhook-secret of the data folder is one of the two, since the git remote uses it: write the other as github.secret", file)
	}
	return Local{
		Tokens: c.Tokens, Directory: c.Directory, Notify: c.Notify, Slack: c.Slack, DingTalk: c.DingTalk, Feishu: c.Feishu, Alarms: c.Alarms,
		Alertmanager: c.Alertmanager, CloudEvents: c.CloudEvents, GitHub: c.GitHub, Events: c.Events, Retention: c.Retention,
		GitLab: c.GitLab, Gitea: c.Gitea, Standard: c.Standard, RegistryEvents: c.RegistryEvents, Schedules: c.Schedules,
		Registry: c.Registry, Images: c.Images,
	}, nil
}

// Apply puts it into a configuration, beside the tokens that are there.
func (l Local) Apply(c *Config) {
	c.Tokens = append(c.Tokens, l.Tokens...)
	c.Directory, c.Notify, c.Slack, c.DingTalk, c.Feishu, c.Alarms = l.Directory, l.Notify, l.Slack, l.DingTalk, l.Feishu, l.Alarms
	c.GitLab, c.Gitea, c.Standard, c.RegistryEvents, c.Schedules = l.GitLab, l.Gitea, l.Standard, l.RegistryEvents, l.Schedules
	c.Registry, c.Images = l.Registry, l.Images
	made := c.GitHub.Secret
	switch c.GitHub = l.GitHub; {
	case c.GitHub.Secret == "" && len(c.GitHub.Secrets) == 0:
		c.GitHub.Secret = made
	case c.GitHub.Secret != "" && made != "":
		// The git remote beside it signs with the one that was made.
		c.GitHub.Secret, c.GitHub.Secrets = "", []Secret{c.GitHub.Secret, made}
	}
	c.Alertmanager, c.CloudEvents, c.Events, c.Retention = l.Alertmanager, l.CloudEvents, l.Events, l.Retention
}
