package identity

import (
	"slices"
	"strings"
)

// account is one account at one source, by the key of the file.
type account struct{ key, id string }

// fold is an account as it is compared: forges and mail take no notice of case.
func fold(key, id string) string {
	switch key {
	case keyGitHub, keyGitLab, keyGitea, keyEmail:
		return strings.ToLower(id)
	}
	return id
}

// people is a file made ready for questions. It does not change.
type people struct {
	list     []Person
	accounts map[account]Person
	// groups are all groups of each person, those that hold their groups among them, sorted.
	groups map[string][]string
	accept bool
	ask    string
}

// newPeople makes a file that [Read] found good ready.
func newPeople(f File) *people {
	out := &people{
		list: f.People, accounts: map[account]Person{}, groups: map[string][]string{},
		accept: f.Unknown == Accept, ask: f.Ask,
	}
	within := map[string][]string{}
	for _, g := range f.Groups {
		within[g.Name] = g.In
	}
	for _, p := range f.People {
		out.groups[p.Name] = closure(p.Groups, within)
		for _, key := range keys() {
			for _, id := range p.accounts(key) {
				out.accounts[account{key, fold(key, id)}] = p
			}
		}
	}
	return out
}

// closure are groups and all that hold them, sorted.
func closure(groups []string, within map[string][]string) []string {
	seen := map[string]bool{}
	todo := slices.Clone(groups)
	for len(todo) > 0 {
		next := todo[0]
		todo = todo[1:]
		if !seen[next] {
			seen[next] = true
			todo = append(todo, within[next]...)
		}
	}
	out := make([]string, 0, len(seen))
	for name := range seen {
		out = append(out, name)
	}
	slices.Sort(out)
	return out
}

// union are the groups of both, sorted, each once.
func union(a, b []string) []string {
	out := slices.Concat(a, b)
	slices.Sort(out)
	return slices.Compact(out)
}
