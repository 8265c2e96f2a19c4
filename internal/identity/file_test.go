package identity_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/skyisland/skyisland/internal/identity"
	"github.com/skyisland/skyisland/internal/release"
	"github.com/skyisland/skyisland/internal/yamldoc"
)

const good = `# who is who
ask: "#platform in Slack"
people:
  - name: olga
    groups: [leads]
    github: [Olga-I]
    email: [olga@example.com, olga@home.example]
    slack: [U012OLGA]
    dingtalk: [manager123]
    api: [olga]
  - name: petr
    groups: developers
    github: petr
    slack: [U012PETR, W012PETR]
  - name: build-server
    github: ["renovate[bot]"]
    api: ci
groups:
  - name: leads
    in: [release-managers, developers]
  - name: release-managers
    in: engineering
  - name: developers
  - name: engineering
`

func TestReadSaysEverythingThatIsWrong(t *testing.T) {
	for _, tt := range []struct {
		name, text string
		want       []string
	}{
		{
			"an unknown field is named with the one that was meant",
			"people:\n  - name: olga\n    gihub: [olga]\n",
			[]string{"people.yaml:3:5: people[0].gihub: unknown field gihub; did you mean github?"},
		},
		{
			"one account of two people is refused, whatever the case",
			"people:\n  - {name: olga, github: [Olga]}\n  - {name: petr, github: [olga]}\n",
			[]string{`people.yaml:3:27: people[1].github[0]: github "olga" belongs to olga in line 2 already`},
		},
		{
			"the same ID at two sources is two accounts",
			"people:\n  - {name: olga, api: [x]}\n  - {name: petr, github: [x]}\n", nil,
		},
		{
			"two people of one name are refused, whatever the case, because rules compare so",
			"people:\n  - {name: olga}\n  - {name: Olga}\n",
			[]string{`people[1].name: "Olga" is the name of people[0] in line 2 already`},
		},
		{
			"a person and a group share no name",
			"people:\n  - {name: petr, groups: [olga]}\n  - {name: olga}\n",
			[]string{`people[0].groups[0]: "olga" is the name of people[1] in line 3; call the group otherwise`},
		},
		{
			"a declared group and a person share no name",
			"people:\n  - {name: leads}\ngroups:\n  - {name: leads}\n",
			[]string{`people[0].name: "leads" is the name of groups[0] in line 4 already`},
		},
		{
			"names and accounts that are empty or none",
			"people:\n  - {groups: [a b]}\n  - {name: 'a/b', github: ['']}\n  - {name: x, github: ['@x'], email: ['X <x@y>'], slack: [olga], api: [' a']}\n",
			[]string{
				"people[0].name: the name is missing", `people[0].groups[0]: "a b" is not a name`, `people[1].name: "a/b" is not a name`,
				"people[1].github[0]: the account has no name", "people[2].github[0]: \"@x\" is not a login; write it without the @",
				"people[2].email[0]: \"X <x@y>\" is not an address", `people[2].slack[0]: "olga" is not a member ID`, "people[2].api[0]: \" a\" is not an account",
			},
		},
		{
			"a group that is in itself is shown with its way",
			"people: [{name: olga}]\ngroups:\n  - {name: a, in: [b]}\n  - {name: b, in: [c]}\n  - {name: c, in: [a]}\n  - {name: d, in: [d]}\n",
			[]string{"people.yaml:5:20: groups[2].in[0]: the group is in itself: a is in b is in c is in a", "groups[3].in[0]: the group is in itself: d is in d"},
		},
		{
			"where groups are listed, a mistyped one is found",
			"people: [{name: olga, groups: [releese-managers]}]\ngroups: [{name: release-managers}]\n",
			[]string{`people[0].groups[0]: there is no group "releese-managers" under groups; did you mean release-managers?`},
		},
		{
			"a group in a list twice",
			"people: [{name: olga, groups: [a, a]}]\n", []string{`people[0].groups[1]: "a" is in the list twice`},
		},
		{
			"an unknown word for unknown accounts",
			"unknown: acept\npeople: [{name: olga}]\n", []string{`people.yaml:1:10: unknown: "acept" is unknown; did you mean accept?`},
		},
		{"nobody at all", "people: []\n", []string{"nobody is in the directory"}},
		{"an empty file", "", []string{"the file is empty"}},
		{"text that is no YAML", "people: [\n", []string{"not YAML"}},
		{"a file that is too large", strings.Repeat("#", yamldoc.MaxSize+1), []string{"the file has 262145 bytes; keep it under 262144"}},
		{
			"too many groups",
			"people: [{name: olga}]\ngroups:\n" + lines(201, "  - {name: g%d}\n"), []string{"groups: there are 201 groups; have at most 200"},
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, err := identity.Read("people.yaml", []byte(tt.text))
			if tt.want == nil {
				if err != nil {
					t.Fatalf("a good file is refused: %v", err)
				}
				return
			}
			var problems release.Problems
			if !errors.As(err, &problems) {
				t.Fatalf("got %v, want problems", err)
			}
			for _, want := range tt.want {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("the error lacks %q:\n%v", want, err)
				}
			}
			if len(problems) != len(tt.want) {
				t.Errorf("%d problems, want %d:\n%v", len(problems), len(tt.want), err)
			}
			for _, p := range problems {
				if p.File != "people.yaml" || p.Line < 1 || p.Fix == "" {
					t.Errorf("a problem without its place or remedy: %v", p)
				}
			}
		})
	}
}

func lines(n int, format string) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, format, i)
	}
	return b.String()
}

func FuzzRead(f *testing.F) {
	f.Add([]byte(good))
	f.Add([]byte("people: &a [{name: *a}]\ngroups: [{name: a, in: [a, a]}]"))
	f.Fuzz(func(t *testing.T, data []byte) {
		file, err := identity.Read("people.yaml", data)
		if err == nil && len(file.People) == 0 {
			t.Error("a directory of nobody was found good")
		}
	})
}
