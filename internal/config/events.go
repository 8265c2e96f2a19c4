package config

import (
	"errors"
	"fmt"
)

// Events says who is sent what happens.
type Events struct {
	Subscribers []Subscriber `yaml:"subscribers"`
}

// Subscriber is somebody who is sent events.
type Subscriber struct {
	Name string `yaml:"name"`
	// URL is where events are posted to. Its path and query may be secret.
	URL Secret `yaml:"url"`
	// Secret signs what is sent: one, or a list of two while one is replaced by the other.
	Secret Secrets `yaml:"secret"`
	// Types are globs of event types.
	Types        []string `yaml:"types"`
	Tenants      []string `yaml:"tenants"`
	Applications []string `yaml:"applications"`
	Environments []string `yaml:"environments"`
	// Headers are sent along.
	Headers map[string]Secret `yaml:"headers"`
	// AllowPrivate lets the address be one of this machine or of a private network.
	AllowPrivate bool `yaml:"allow-private"`
}

// Secrets is one secret or several. In a file it is a text or a list of texts.
type Secrets []Secret

// UnmarshalYAML reads either.
func (s *Secrets) UnmarshalYAML(unmarshal func(any) error) error {
	var one Secret
	if unmarshal(&one) == nil {
		*s = Secrets{one}
		return nil
	}
	var several []Secret
	if err := unmarshal(&several); err != nil {
		return errors.New("is neither a secret nor a list of secrets")
	}
	*s = several
	return nil
}

// eventSecrets are the secrets of the subscribers. done puts the headers back, which cannot be pointed into.
func (c *Config) eventSecrets() (places []place, done func()) {
	var back []func()
	for i := range c.Events.Subscribers {
		one := &c.Events.Subscribers[i]
		at := fmt.Sprintf("events.subscribers[%d]", i)
		places = append(places, place{at + ".url", &one.URL})
		for j := range one.Secret {
			places = append(places, place{fmt.Sprintf("%s.secret[%d]", at, j), &one.Secret[j]})
		}
		for name, value := range one.Headers {
			places = append(places, place{at + ".headers." + name, &value})
			back = append(back, func() { one.Headers[name] = value })
		}
	}
	return places, func() {
		for _, one := range back {
			one()
		}
	}
}
