package policy_test

import (
	"context"
	"os"
	"path/filepath"
	"testing"
	"testing/synctest"
	"time"

	"github.com/skyisland/skyisland/internal/policy"
)

// lay writes the files of a bundle into a folder.
func lay(t *testing.T, dir string, files map[string]string) {
	t.Helper()
	for name, content := range files {
		file := filepath.Join(dir, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

func TestAFolderOfRulesIsFollowed(t *testing.T) {
	dir := t.TempDir()
	write := func(text string) { lay(t, dir, builtIn(t, text)) }
	write("")
	synctest.Test(t, func(t *testing.T) {
		e, err := policy.New(policy.Options{Dir: dir, Timeout: time.Hour})
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error)
		go func() { ended <- e.Run(ctx) }()
		for _, c := range []struct {
			text string
			want bool
		}{{"", true}, {noToAll, false}, {"package release\n\nbroken", false}, {"", true}} {
			write(c.text)
			pass(11 * time.Second)
			if got := admitted(t, e); got != c.want {
				t.Errorf("with %.30q it admits %t, want %t", c.text, got, c.want)
			}
		}
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
}

// inFolder is an engine that follows a folder in the bubble's time, until the test ends.
func inFolder(t *testing.T, dir string) *policy.Engine {
	t.Helper()
	return followed(t, nil, func(o *policy.Options) { o.Server, o.Dir = nil, dir })
}

func TestACopyUnderWayIsNotTaken(t *testing.T) {
	dir := t.TempDir()
	lay(t, dir, builtIn(t, noToAll))
	synctest.Test(t, func(t *testing.T) {
		e := inFolder(t, dir)
		before := e.Bundle(t.Context())
		// The folder is looked at after 5, 10, 15 and 20 seconds, and each time it is another.
		pass(4 * time.Second)
		for _, half := range []string{yesToAll, yesToAll + "# more\n", yesToAll + "# and more\n"} {
			lay(t, dir, builtIn(t, half))
			pass(5 * time.Second)
			if admitted(t, e) || e.Bundle(t.Context()) != before {
				t.Error("half a copy is in force")
			}
		}
		lay(t, dir, builtIn(t, ""))
		pass(5 * time.Second)
		if e.Bundle(t.Context()) != before {
			t.Error("it is in force after one look")
		}
		pass(5 * time.Second)
		if !admitted(t, e) || !e.State(t.Context()).Since.After(time.Now().Add(-5*time.Second)) {
			t.Errorf("it is not in force after two looks: %+v", e.State(t.Context()))
		}
		// What goes back before the second look was never there.
		since := e.State(t.Context()).Since
		lay(t, dir, builtIn(t, noToAll))
		pass(5 * time.Second)
		lay(t, dir, builtIn(t, ""))
		pass(20 * time.Second)
		if state := e.State(t.Context()); !admitted(t, e) || !state.Since.Equal(since) || state.Refused != nil {
			t.Errorf("after a change that was taken back %+v", state)
		}
	})
}

func TestAFolderIsReplacedByALink(t *testing.T) {
	root := t.TempDir()
	link := filepath.Join(root, "rules")
	for name, text := range map[string]string{"1": "", "2": noToAll} {
		lay(t, filepath.Join(root, name), builtIn(t, text))
		if err := os.Symlink(name, link+name); err != nil {
			t.Fatal(err)
		}
	}
	turn := func(to string) {
		if err := os.Rename(link+to, link); err != nil {
			t.Fatal(err)
		}
	}
	turn("1")
	synctest.Test(t, func(t *testing.T) {
		e := inFolder(t, link)
		if !admitted(t, e) {
			t.Error("the first rules deny")
		}
		turn("2")
		pass(11 * time.Second)
		if admitted(t, e) {
			t.Error("the rules behind the new link are not in force")
		}
	})
}
