package identity

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"unicode"

	"github.com/skyisland/skyisland/internal/yamldoc"
)

// What happens to accounts that the directory does not have, chats apart, which always need it.
const (
	// Refuse refuses them, and is the default.
	Refuse = "refuse"
	// Accept takes them for who their source says.
	Accept = "accept"
)

// File is the directory as it is written.
type File struct {
	// Unknown is Refuse or Accept.
	Unknown string `json:"unknown"`
	// Ask says who maps people, for those who are not: a name, a channel, an address.
	Ask    string   `json:"ask"`
	People []Person `json:"people"`
	// Groups, where there are any, are all groups there are; a name that is none of them is then an error.
	Groups []Group `json:"groups"`
}

// Person is one person, or one program with a name of its own such as a build server.
type Person struct {
	// Name is what rules and messages call them.
	Name   string   `json:"name"`
	Groups []string `json:"groups"`
	// GitHub, GitLab and Gitea (and Forgejo) are logins, Standard what senders of Standard Webhooks call them, Email the addresses they write commits under, Slack member IDs, DingTalk staff or union
	// IDs, and API the names of tokens.
	GitHub   []string `json:"github"`
	GitLab   []string `json:"gitlab"`
	Gitea    []string `json:"gitea"`
	Standard []string `json:"standard"`
	Email    []string `json:"email"`
	Slack    []string `json:"slack"`
	DingTalk []string `json:"dingtalk"`
	API      []string `json:"api"`
}

// Group is a group that is in others: its members are theirs too.
type Group struct {
	Name string   `json:"name"`
	In   []string `json:"in"`
}

// keys are the keys of accounts, in the order people learn them.
func keys() []string {
	return []string{keyGitHub, keyGitLab, keyGitea, keyStandard, keyEmail, keySlack, keyDingTalk, keyAPI}
}

func (p Person) accounts(key string) []string {
	switch key {
	case keyGitHub:
		return p.GitHub
	case keyGitLab:
		return p.GitLab
	case keyGitea:
		return p.Gitea
	case keyStandard:
		return p.Standard
	case keyEmail:
		return p.Email
	case keySlack:
		return p.Slack
	case keyDingTalk:
		return p.DingTalk
	default:
		return p.API
	}
}

// Read reads a directory; name is its path as the person knows it. What is wrong is returned as [release.Problems],
// all of it, in the order of the file.
func Read(name string, data []byte) (File, error) {
	var f File
	shapes := []string{"people[].groups", "groups[].in"}
	for _, key := range keys() {
		shapes = append(shapes, "people[]."+key)
	}
	doc := yamldoc.Read(name, data, &f, shapes...)
	c := &checker{doc: doc, names: map[string]string{}, accounts: map[account]string{}}
	c.head(f)
	c.groups(f.Groups)
	for i, p := range f.People {
		c.name(fmt.Sprintf("people[%d]", i), p.Name)
	}
	for i, p := range f.People {
		c.person(fmt.Sprintf("people[%d]", i), p)
	}
	return f, doc.Err()
}

// checker finds what is wrong with values that could be read.
type checker struct {
	doc *yamldoc.Document
	// known are the names of the groups; none when the file leaves them open.
	known []string
	// names are the places of the people and groups so far, by their names in lower case; accounts are the
	// people of the accounts.
	names    map[string]string
	accounts map[account]string
}

func (c *checker) head(f File) {
	if c.doc.Has("unknown") && f.Unknown != Refuse && f.Unknown != Accept {
		c.doc.Report("unknown", fmt.Sprintf("%q is unknown", f.Unknown), yamldoc.Suggest(f.Unknown, []string{Refuse, Accept}))
	}
	if len(f.Ask) > maxText || strings.ContainsFunc(f.Ask, unicode.IsControl) {
		c.doc.Report("ask", "this is more than a line", fmt.Sprintf("say in at most %d bytes who maps people", maxText))
	}
	if c.doc.Sound("people") && len(f.People) == 0 {
		c.doc.Report("people", "nobody is in the directory", "add people: [{name: olga, groups: [release-managers], github: [olga-i]}]")
	}
}

// maxText bounds a name at a source, and who to ask, in bytes.
const maxText = 200

// maxGroups bounds all groups, and a list of them.
const maxGroups = 200

const nameFix = "use 1 to 63 letters, digits and . _ -, beginning with a letter or digit"

var nameForm = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$`)

// name checks the name of a person or group. Both share one list, because rules take either.
func (c *checker) name(at, name string) {
	path := at + ".name"
	if name == "" {
		c.doc.Report(path, "the name is missing", "add name, as in name: olga")
		return
	}
	if !nameForm.MatchString(name) {
		c.doc.Report(path, fmt.Sprintf("%q is not a name", name), nameFix)
		return
	}
	if other, there := c.names[strings.ToLower(name)]; there {
		c.doc.Report(path, fmt.Sprintf("%q is the name of %s already, whatever the case", name, other),
			"call one of them otherwise, or make them one")
		return
	}
	c.names[strings.ToLower(name)] = fmt.Sprintf("%s in line %d", at, c.doc.Line(path))
}

func (c *checker) groups(all []Group) {
	if len(all) > maxGroups {
		c.doc.Report("groups", fmt.Sprintf("there are %d groups", len(all)), fmt.Sprintf("have at most %d", maxGroups))
		return
	}
	for i, g := range all {
		c.name(fmt.Sprintf("groups[%d]", i), g.Name)
		c.known = append(c.known, g.Name)
	}
	for i, g := range all {
		c.groupNames(fmt.Sprintf("groups[%d].in", i), g.In)
	}
	w := walk{checker: c, index: map[string]int{}, all: all, done: make([]bool, len(all))}
	for i, g := range all {
		w.index[g.Name] = i
	}
	for i := range all {
		w.visit(i)
	}
}

// walk finds groups that are in themselves, and goes along each membership once.
type walk struct {
	*checker
	all   []Group
	index map[string]int
	done  []bool
	// trail is the way to the group that is being visited.
	trail []string
}

func (w *walk) visit(i int) {
	name := w.all[i].Name
	if w.done[i] || slices.Contains(w.trail, name) {
		return
	}
	w.trail = append(w.trail, name)
	for j, next := range w.all[i].In {
		if at := slices.Index(w.trail, next); at >= 0 {
			way := append(slices.Clone(w.trail[at:]), next)
			w.doc.Report(fmt.Sprintf("groups[%d].in[%d]", i, j), "the group is in itself: "+strings.Join(way, " is in "), "take one of them out")
			continue
		}
		if to, there := w.index[next]; there {
			w.visit(to)
		}
	}
	w.trail = w.trail[:len(w.trail)-1]
	w.done[i] = true
}

// groupNames checks a list of groups.
func (c *checker) groupNames(at string, names []string) {
	if len(names) > maxGroups {
		c.doc.Report(at, fmt.Sprintf("there are %d groups in the list", len(names)), fmt.Sprintf("have at most %d", maxGroups))
		return
	}
	for i, name := range names {
		path := fmt.Sprintf("%s[%d]", at, i)
		switch {
		case !nameForm.MatchString(name):
			c.doc.Report(path, fmt.Sprintf("%q is not a name", name), nameFix)
		case slices.Contains(names[:i], name):
			c.doc.Report(path, fmt.Sprintf("%q is in the list twice", name), "keep one of them")
		case len(c.known) > 0 && !slices.Contains(c.known, name):
			c.doc.Report(path, fmt.Sprintf("there is no group %q under groups", name), yamldoc.Suggest(name, c.known))
		}
	}
}

func (c *checker) person(at string, p Person) {
	c.groupNames(at+".groups", p.Groups)
	for i, g := range p.Groups {
		if other, there := c.names[strings.ToLower(g)]; there && strings.HasPrefix(other, "people") {
			c.doc.Report(fmt.Sprintf("%s.groups[%d]", at, i), fmt.Sprintf("%q is the name of %s", g, other), "call the group otherwise: rules take either")
		}
	}
	for _, key := range keys() {
		for i, id := range p.accounts(key) {
			path := fmt.Sprintf("%s.%s[%d]", at, key, i)
			if message, fix := accountFault(key, id); message != "" {
				c.doc.Report(path, message, fix)
				continue
			}
			a := account{key, fold(key, id)}
			if other, there := c.accounts[a]; there {
				c.doc.Report(path, fmt.Sprintf("%s %q belongs to %s already", key, id, other), "leave it with the person who has it")
				continue
			}
			c.accounts[a] = fmt.Sprintf("%s in line %d", p.Name, c.doc.Line(path))
		}
	}
}

var slackMember = regexp.MustCompile(`^[UW][A-Z0-9]{2,30}$`)

// accountFault says what is wrong with an account; nothing when it may be one.
func accountFault(key, id string) (message, fix string) {
	switch {
	case strings.TrimSpace(id) == "":
		return "the account has no name", "write it, or remove it"
	case id != strings.TrimSpace(id) || strings.ContainsFunc(id, unicode.IsControl) || len(id) > maxText:
		return fmt.Sprintf("%.60q is not an account", id), fmt.Sprintf("write at most %d bytes, without blanks around them", maxText)
	case (key == keyGitHub || key == keyGitLab || key == keyGitea) && strings.HasPrefix(id, "@"):
		return fmt.Sprintf("%q is not a login", id), "write it without the @"
	case key == keyEmail && (strings.Count(id, "@") != 1 || strings.ContainsAny(id, "<> ")):
		return fmt.Sprintf("%q is not an address", id), "write it as in olga@example.com, without a name"
	case key == keySlack && !slackMember.MatchString(id):
		return fmt.Sprintf("%q is not a member ID", id), "write what Slack's profile gives under Copy member ID, such as U012ABCDEF; names there change"
	}
	return "", ""
}
