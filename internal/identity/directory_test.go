package identity_test

import (
	"bytes"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/skyisland/skyisland/internal/identity"
	"github.com/skyisland/skyisland/internal/release"
)

func open(t *testing.T, text string) (d *identity.Directory, file string, log *bytes.Buffer) {
	t.Helper()
	file, log = filepath.Join(t.TempDir(), "people.yaml"), &bytes.Buffer{}
	write(t, file, text)
	d, err := identity.New(identity.Options{
		File: file, Tokens: map[string][]string{"olga": {"console"}, "ci": nil}, Log: slog.New(slog.NewTextHandler(log, nil)),
	})
	if err != nil {
		t.Fatal(err)
	}
	return d, file, log
}

func write(t *testing.T, file, text string) {
	t.Helper()
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

func TestPerson(t *testing.T) {
	all := []string{"developers", "engineering", "leads", "release-managers"}
	accepting := "unknown: accept\n" + good
	const forges = "people: [{name: mona, gitlab: mona, gitea: [mona.l], standard: Mona Lisa}]\n"
	for _, tt := range []struct {
		name, text, source, id string
		person                 string
		groups                 []string
		says                   []string // set for one who is refused
	}{
		{"a GitHub login, whatever the case, with the groups its group is in", good, "github", "olga-i", "olga", all, nil},
		{"an address of a git author, whatever the case", good, "git", "Olga@Example.com", "olga", all, nil},
		{"a Slack member", good, "slack", "U012OLGA", "olga", all, nil},
		{"a Slack member in another case is another", good, "slack", "u012olga", "", nil, []string{"Slack member"}},
		{"a DingTalk user", good, "dingtalk", "manager123", "olga", all, nil},
		{"a token keeps the groups of the configuration", good, "api", "olga", "olga", append([]string{"console"}, all...), nil},
		{"the page knows people by their tokens", good, "page", "olga", "olga", append([]string{"console"}, all...), nil},
		{"the login of one is not the token of the other", good, "api", "Olga-I", "", nil, []string{`the token named "Olga-I"`}},
		{"a program with a name", good, "github", "renovate[bot]", "build-server", nil, nil},
		{"a GitLab login, whatever the case", forges, "gitlab", "Mona", "mona", nil, nil},
		{"a Gitea login", forges, "gitea", "mona.l", "mona", nil, nil},
		{"who a standard webhook names", forges, "standard", "Mona Lisa", "mona", nil, nil},
		{"a login of one forge is none of another", forges, "gitea", "mona", "", nil, []string{`the Gitea account "mona"`, `"gitea: [mona]"`}},
		{"who a standard webhook names, whom nobody knows", forges, "standard", "eve", "", nil, []string{`the requester "eve"`, `"standard: [eve]"`}},
		{"a schedule is who it says", good, "cron", "nightly", "", nil, nil},
		{"an alarm is who it says", good, "alarm", "p99", "", nil, nil},
		{
			"an unknown GitHub account is told how to get mapped", good, "github", "mona", "", nil,
			[]string{`the GitHub account "mona" is nobody in the directory of people: add "github: [mona]" to the person it belongs to in people.yaml, or ask #platform in Slack to`},
		},
		{
			"a name that could break the sentence is quoted", good, "github", "a: [b]\n\x1b[31m", "", nil,
			[]string{`add "github: ["a: [b][31m"]"`},
		},
		{"an unknown account is accepted where the directory says so", accepting, "github", "mona", "", nil, nil},
		{"an unknown token is accepted with its groups", strings.ReplaceAll(accepting, "    api: [olga]\n", ""), "api", "olga", "", []string{"console"}, nil},
		{"an unknown member of a chat is never accepted", accepting, "slack", "U999", "", nil, []string{`add "slack: [U999]"`}},
		{"a chat that has no place in the file is refused", accepting, "feishu", "ou_1", "", nil, []string{"cannot be", "Slack or DingTalk"}},
		{"a source that nobody has heard of is refused", good, "bitbucket", "x", "", nil, []string{`the bitbucket account "x"`}},
		{"nobody without a name", good, "github", "", "", nil, []string{`""`}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			d, _, _ := open(t, tt.text)
			got, err := d.Person(tt.source, tt.id)
			if tt.says != nil {
				var unknown *identity.UnknownError
				if !errors.As(err, &unknown) || unknown.ID != tt.id || got.Name != "" {
					t.Fatalf("got %+v, %v", got, err)
				}
				for _, want := range tt.says {
					if !strings.Contains(err.Error(), want) {
						t.Errorf("%q lacks %q", err, want)
					}
				}
				if strings.Contains(err.Error(), "/people.yaml") || strings.ContainsAny(err.Error(), "\n\x1b") {
					t.Errorf("the sentence tells where the file lies, or has what a terminal obeys: %q", err)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if got.Name != tt.id || got.Source != tt.source || got.Person != tt.person || !slices.Equal(got.Groups, tt.groups) {
				t.Errorf("got %+v, want person %q in %v", got, tt.person, tt.groups)
			}
		})
	}
}

func TestOnePersonUnderTwoNamesIsTheSame(t *testing.T) {
	d, _, _ := open(t, good)
	pushed, err := d.Person("github", "olga-i")
	if err != nil {
		t.Fatal(err)
	}
	answered, err := d.Person("slack", "U012OLGA")
	if err != nil {
		t.Fatal(err)
	}
	other, err := d.Person("slack", "U012PETR")
	if err != nil {
		t.Fatal(err)
	}
	if !pushed.Same(answered) || pushed.Same(other) {
		t.Errorf("%+v, %+v and %+v", pushed, answered, other)
	}
}

func TestWithoutADirectory(t *testing.T) {
	d, err := identity.New(identity.Options{Tokens: map[string][]string{"olga": {"release-managers"}}})
	if err != nil {
		t.Fatal(err)
	}
	for _, source := range []string{"github", "api", "page", "git", "system"} {
		got, err := d.Person(source, "olga")
		if err != nil || got.Name != "olga" || got.Source != source || got.Person != "" {
			t.Errorf("%s: got %+v, %v", source, got, err)
		}
		if token := source == "api" || source == "page"; token != slices.Equal(got.Groups, []string{"release-managers"}) {
			t.Errorf("%s: the groups are %v", source, got.Groups)
		}
	}
	_, err = d.Person("slack", "U012OLGA")
	if err == nil || !strings.Contains(err.Error(), `a file people.yaml with "people: [{name: NAME, slack: [U012OLGA]}]", and "directory: people.yaml" in the server's configuration`) {
		t.Errorf("a member of a chat got %v", err)
	}
	if d.Configured() || d.Members("olga", "slack") != nil || d.Member("olga", "slack") != "" {
		t.Error("it knows somebody")
	}
}

func TestMembers(t *testing.T) {
	d, _, _ := open(t, good)
	for _, tt := range []struct {
		name, source string
		want         []string
		one          string
	}{
		{"olga", "slack", []string{"U012OLGA"}, "U012OLGA"},
		{"petr", "slack", []string{"U012PETR"}, "U012PETR"},
		{"developers", "slack", []string{"U012OLGA", "U012PETR"}, ""},
		{"engineering", "slack", []string{"U012OLGA"}, ""},
		{"developers", "dingtalk", []string{"manager123"}, ""},
		{"build-server", "slack", nil, ""},
		{"nobody", "slack", nil, ""},
		{"olga", "carrier-pigeon", nil, ""},
	} {
		if got, one := d.Members(tt.name, tt.source), d.Member(tt.name, tt.source); !slices.Equal(got, tt.want) || one != tt.one {
			t.Errorf("%s at %s: got %v and %q, want %v and %q", tt.name, tt.source, got, one, tt.want, tt.one)
		}
	}
}

func TestTheFileIsReadAgainWhenItChanges(t *testing.T) {
	d, file, log := open(t, good)
	known := func(id string) bool { _, err := d.Person("github", id); return err == nil }
	if known("mona") {
		t.Fatal("mona is known before she is in the file")
	}
	write(t, file, "people: [{name: mona, github: [mona]}]\n")
	if !known("mona") || known("olga-i") {
		t.Error("the new file does not count")
	}
	write(t, file, "people: [{name: mona, github: [mona]}, {name: mona}]\n")
	for range 3 {
		if !known("mona") {
			t.Error("the last good one does not count while the file is wrong")
		}
	}
	if err := os.Remove(file); err != nil {
		t.Fatal(err)
	}
	for range 3 {
		if !known("mona") {
			t.Error("the last good one does not count while the file is away")
		}
	}
	if n := strings.Count(log.String(), "level=ERROR"); n != 2 {
		t.Errorf("two faults were logged %d times:\n%s", n, log)
	}
	write(t, file, good)
	if !known("olga-i") || known("mona") {
		t.Error("the file that is good again does not count")
	}
	if n := strings.Count(log.String(), "in force"); n != 2 {
		t.Errorf("two changes were logged %d times:\n%s", n, log)
	}
}

func TestADirectoryThatIsWrongAtFirst(t *testing.T) {
	file := filepath.Join(t.TempDir(), "people.yaml")
	if _, err := identity.New(identity.Options{File: file}); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a file that is not there: %v", err)
	}
	write(t, file, "people: [{name: a}, {name: a}]\n")
	var problems release.Problems
	if _, err := identity.New(identity.Options{File: file}); !errors.As(err, &problems) || len(problems) != 1 {
		t.Errorf("a wrong file: %v", err)
	}
}

func TestManyAskAtOnce(t *testing.T) {
	d, file, _ := open(t, good)
	var all sync.WaitGroup
	for i := range 8 {
		all.Go(func() {
			for range 20 {
				if i == 0 {
					_ = os.WriteFile(file, []byte(good+"#\n"), 0o600)
				}
				if _, err := d.Person("slack", "U012OLGA"); err != nil {
					t.Error(err)
				}
			}
		})
	}
	all.Wait()
}
