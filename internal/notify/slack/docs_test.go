package slack_test

import (
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/goccy/go-yaml"
)

// TestTheManifestInTheDocumentation keeps what people paste in step with what the code calls.
func TestTheManifestInTheDocumentation(t *testing.T) {
	page, err := os.ReadFile("../../../docs/chat-slack.md")
	if err != nil {
		t.Fatal(err)
	}
	_, rest, found := strings.Cut(string(page), "```yaml\n")
	text, _, ended := strings.Cut(rest, "```")
	if !found || !ended {
		t.Fatal("the page has no manifest")
	}
	var manifest struct {
		Features struct {
			Commands []struct{ Command string } `yaml:"slash_commands"`
		}
		OAuth struct {
			Scopes struct{ Bot []string }
		} `yaml:"oauth_config"`
		Settings struct {
			Interactivity struct {
				Enabled bool `yaml:"is_enabled"`
			}
			SocketMode bool `yaml:"socket_mode_enabled"`
		}
	}
	if err := yaml.Unmarshal([]byte(text), &manifest); err != nil {
		t.Fatal(err)
	}
	if len(manifest.Features.Commands) != 1 || manifest.Features.Commands[0].Command != "/skyisland" {
		t.Errorf("commands %+v", manifest.Features.Commands)
	}
	for _, scope := range []string{"chat:write", "commands", "channels:history", "groups:history", "im:history"} {
		if !slices.Contains(manifest.OAuth.Scopes.Bot, scope) {
			t.Errorf("the scope %s is missing", scope)
		}
	}
	if !manifest.Settings.SocketMode || !manifest.Settings.Interactivity.Enabled {
		t.Errorf("settings %+v", manifest.Settings)
	}
}
