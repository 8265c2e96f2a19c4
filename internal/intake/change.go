package intake

import (
	"errors"
	"fmt"
	"net/url"
	"strings"
)

// change is what happened to a ref of a repository, whoever tells it.
type change struct {
	// Repository is its full name, such as acme/checkout; CloneURL may be empty.
	Repository string
	CloneURL   string
	// Ref begins with refs/. Before and After are commits of 40 or 64 lower-case hexadecimal digits, zeros for none:
	// a ref that was created had none before, one that was deleted has none after.
	Ref    string
	Before string
	After  string
	// Forced says that what the ref had before is no longer in it; a source that does not tell leaves it.
	Forced bool
	// Message is the commit's, Who is who pushed, as the source knows them; both can be empty, and both are tidied.
	Message string
	Who     string
	// Stamp tells this change from another of the same ref and commits, and is the same however often and by whichever
	// hook the change is told. It is empty where the source has nothing of the kind: then each delivery is another change.
	Stamp string
}

// branch is the branch that was changed; false for a tag or another ref.
func (c change) branch() (string, bool) { return strings.CutPrefix(c.Ref, "refs/heads/") }

// tag is the tag that was changed; false for a branch or another ref.
func (c change) tag() (string, bool) { return strings.CutPrefix(c.Ref, "refs/tags/") }

// gone says whether the change deleted the ref.
func (c change) gone() bool { return none(c.After) }

// none says whether a commit is the zeros that stand for none.
func none(commit string) bool { return strings.Trim(commit, "0") == "" }

// line names the changes that have to be handed on in their order: those of one branch, and those of all tags, because
// which of two tags is the newer matters.
func (c change) line() string {
	ref := c.Ref
	if _, ok := c.tag(); ok {
		ref = "tags"
	}
	return repositoryPath(c.Repository) + " " + ref
}

// repositoryPath is a repository's name without its host, however it is written: sources name it, and a backfill has its
// address.
func repositoryPath(repository string) string {
	if u, err := url.Parse(repository); err == nil && u.Host != "" {
		repository = u.Path
	} else if before, after, found := strings.Cut(repository, ":"); found && !strings.Contains(before, "/") {
		repository = after
	}
	return strings.TrimSuffix(strings.ToLower(strings.Trim(repository, "/")), ".git")
}

// happening tells this change from every other, so that the same change is released once however it
// arrives: twice, because a repository has two hooks, or because somebody who saw a delivery sends
// it again under another name. The commits alone would not do: after A→B, B→A, A→B the third push
// has to be released although it has the commits of the first. GitHub's pushed_at, in the part that
// is signed, tells these apart and is the same for all hooks. Where it differs between two hooks, as
// when another branch was pushed in between, the commit that is known of the ref tells that it was
// released. A sender without a stamp is believed that each delivery is another push; our own git
// remote has one name for each push and says so.
func (c change) happening(delivery string) string {
	which := "delivery=" + delivery
	if c.Stamp != "" {
		which = c.Stamp
	}
	return strings.Join([]string{c.Repository, c.Ref, c.Before, c.After, which}, " ")
}

// named are the names that a source has for the fields of a change, for its errors: they say where to look.
type named struct{ event, ref, before, after, repository, cloneURL string }

// check says everything that is wrong with a change, in the order of the fields here.
func (c change) check(names named) error {
	var faults []error
	for _, field := range []struct {
		name, value string
		ok          bool
		want        string
	}{
		{names.ref, c.Ref, strings.HasPrefix(c.Ref, "refs/") && plain(c.Ref, 1024), "a name of at most 1024 bytes that begins with refs/"},
		{names.before, c.Before, commit.MatchString(c.Before), "a commit of 40 or 64 lower-case hexadecimal digits"},
		{names.after, c.After, commit.MatchString(c.After), "a commit of 40 or 64 lower-case hexadecimal digits"},
		{names.repository, c.Repository, c.Repository != "" && plain(c.Repository, 512), "a name of at most 512 bytes"},
		{names.cloneURL, c.CloneURL, plain(c.CloneURL, 2048), "a URL of at most 2048 bytes, or nothing"},
	} {
		if !field.ok {
			faults = append(faults, fmt.Errorf("the %s's %s is %.80q: want %s", names.event, field.name, field.value, field.want))
		}
	}
	return errors.Join(faults...)
}
