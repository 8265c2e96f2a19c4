package identity_test

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"testing"

	"github.com/skyisland/skyisland/internal/identity"
)

// The example of the documentation is a good directory, and means what the page says.
func TestTheExampleIsGood(t *testing.T) {
	page, err := os.ReadFile("../../docs/people.md")
	if err != nil {
		t.Fatal(err)
	}
	example := regexp.MustCompile("(?s)```yaml\n(.*?)```").FindSubmatch(page)
	if example == nil {
		t.Fatal("docs/people.md has no example")
	}
	file := filepath.Join(t.TempDir(), "people.yaml")
	write(t, file, string(example[1]))
	d, err := identity.New(identity.Options{File: file})
	if err != nil {
		t.Fatal(err)
	}
	olga, err := d.Person("api", "olga")
	if err != nil || olga.Person != "olga.ivanova" || !slices.Equal(olga.Groups, []string{"developers", "leads", "release-managers"}) {
		t.Errorf("olga is %+v, %v", olga, err)
	}
	_, err = d.Person("slack", "U999")
	if err == nil || !regexp.MustCompile(regexp.QuoteMeta(err.Error())).Match(page) {
		t.Errorf("docs/people.md lacks the refusal: %v", err)
	}
}
