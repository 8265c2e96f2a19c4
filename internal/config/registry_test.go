package config

import (
	"fmt"
	"reflect"
	"strings"
	"testing"
)

func TestRegistriesAreRead(t *testing.T) {
	c, err := Read(write(t, good+`
registry: {repository: registry.example/skyisland, user: ada, password: file:TOKEN}
images:
  - {prefix: registry.example/acme, token: file:TOKEN}
  - {prefix: "10.0.0.5:5000", insecure: true}
  - {prefix: ghcr.io, keychain: true}
github: {token: file:TOKEN, api: https://github.example/api/v3/}
`))
	if err != nil {
		t.Fatal(err)
	}
	const secret = "a-long-enough-token"
	if want := (Registry{Repository: "registry.example/skyisland", Access: Access{User: "ada", Password: secret}}); c.Registry != want {
		t.Errorf("registry %#v", c.Registry)
	}
	want := []ImageAccess{
		{Prefix: "registry.example/acme", Access: Access{Token: secret}}, {Prefix: "10.0.0.5:5000", Access: Access{Insecure: true}},
		{Prefix: "ghcr.io", Access: Access{Keychain: true}},
	}
	if !reflect.DeepEqual(c.Images, want) {
		t.Errorf("images %#v", c.Images)
	}
	if c.GitHub.Token.Reveal() != secret {
		t.Error("the token of GitHub was not read")
	}
	if text := fmt.Sprintf("%+v", c); strings.Contains(text, secret) {
		t.Errorf("a secret is printed: %s", text)
	}
}

func TestFaultsOfRegistriesAreNamed(t *testing.T) {
	_, err := Read(write(t, good+`
registry: {user: ada, token: x}
images:
  - {prefix: acme, keychain: true, token: x}
  - {prefix: registry.example}
  - {prefix: registry.example}
  - {prefix: "https://registry.example"}
github: {api: http://github.example}
`))
	if err == nil {
		t.Fatal("a wrong configuration was read")
	}
	for _, want := range []string{
		`registry.repository: "" is no repository`, "registry: user and password go together", "registry: user and password, token and keychain",
		`images[0].prefix: "acme" is no registry`, "images[0]: user and password, token", `images[2].prefix: "registry.example" stands twice`,
		`images[3].prefix: "https://registry.example" is no registry`, `github.api: "http://github.example" is no address`,
	} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("the error does not name %q:\n%v", want, err)
		}
	}
}

func TestAStandaloneInstallationIsToldOfRegistries(t *testing.T) {
	l, err := ReadLocal(write(t, `
registry: {repository: "127.0.0.1:5000/skyisland"}
images: [{prefix: registry.example, user: ada, password: file:TOKEN}]
`))
	if err != nil {
		t.Fatal(err)
	}
	var c Config
	l.Apply(&c)
	if c.Registry.Repository != "127.0.0.1:5000/skyisland" || len(c.Images) != 1 || c.Images[0].Password.Reveal() != "a-long-enough-token" {
		t.Errorf("%#v, %#v", c.Registry, c.Images)
	}
	if _, err := ReadLocal(write(t, "images: [{prefix: acme}]")); err == nil || !strings.Contains(err.Error(), "images[0].prefix") {
		t.Errorf("a wrong prefix: %v", err)
	}
}
