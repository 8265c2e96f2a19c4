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
	// GitHub is who we are there. Its secret is made: the git remote of the machine signs with it too.
	GitHub GitHub `yaml:"github"`

	Alertmanager AlarmSource `yaml:"alertmanager"`
	CloudEvents  AlarmSource `yaml:"cloudevents"`
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
	if l.GitHub.Secret != "" {
		return Local{}, fmt.Errorf("%s: github.secret: is made, and stands in webhook-secret in the data folder: leave it out here, and tell it to GitHub", file)
	}
	var c Config
	l.Apply(&c)
	dir := filepath.Dir(file)
	if c.Directory != "" && !filepath.IsAbs(c.Directory) {
		c.Directory = filepath.Join(dir, c.Directory)
	}
	if err := errors.Join(c.reveal(dir), c.checkTokens(), c.GitHub.check()); err != nil {
		return Local{}, fmt.Errorf("%s: %w", file, err)
	}
	return Local{
		Tokens: c.Tokens, Directory: c.Directory, Notify: c.Notify, Slack: c.Slack, DingTalk: c.DingTalk, Feishu: c.Feishu, Alarms: c.Alarms,
		Alertmanager: c.Alertmanager, CloudEvents: c.CloudEvents, GitHub: c.GitHub,
	}, nil
}

// Apply puts it into a configuration, beside the tokens that are there.
func (l Local) Apply(c *Config) {
	c.Tokens = append(c.Tokens, l.Tokens...)
	c.Directory, c.Notify, c.Slack, c.DingTalk, c.Feishu, c.Alarms = l.Directory, l.Notify, l.Slack, l.DingTalk, l.Feishu, l.Alarms
	c.Alertmanager, c.CloudEvents = l.Alertmanager, l.CloudEvents
	made := c.GitHub.Secret
	c.GitHub = l.GitHub
	c.GitHub.Secret = made
}
