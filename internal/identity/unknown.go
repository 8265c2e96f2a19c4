package identity

import (
	"fmt"
	"path/filepath"
	"strconv"
	"strings"
	"unicode"
)

// UnknownError is returned for an account that is nobody's. Its sentence is for whoever used it, and says how to be
// known.
type UnknownError struct {
	// Source and ID are the account.
	Source, ID string
	// Key is where it would stand in the file; empty for a source whose accounts have no place there.
	Key string
	// File is the directory's; empty when the installation has none.
	File string
	// Ask says who maps people; empty when the directory does not.
	Ask string
}

// Error says who is not known, and how to get mapped.
func (e *UnknownError) Error() string {
	who := fmt.Sprintf("%s %s", whatIs(e.Source), strconv.Quote(clean(e.ID)))
	ask := "whoever runs this installation"
	if e.Ask != "" {
		ask = e.Ask
	}
	switch {
	case e.Key == "":
		return fmt.Sprintf("%s is nobody here, and cannot be: accounts of this kind have no place in the directory of people; "+
			"use the command line, Slack or DingTalk", who)
	case e.File == "":
		return fmt.Sprintf("%s is nobody here: this installation has no directory of people, so it cannot tell who that is; "+
			"%s can make one: a file people.yaml with \"people: [{name: NAME, %s}]\", and \"directory: people.yaml\" in the server's configuration",
			who, ask, e.entry())
	default:
		// The name alone: where it lies is nobody's business in a chat.
		return who + " is nobody in the directory of people: add \"" + e.entry() + "\" to the person it belongs to in " + filepath.Base(e.File) +
			", or ask " + ask + " to"
	}
}

// entry is what to write into the file.
func (e *UnknownError) entry() string {
	id := clean(e.ID)
	if strings.ContainsFunc(id, func(r rune) bool {
		return !unicode.IsLetter(r) && !unicode.IsDigit(r) && !strings.ContainsRune("._-", r)
	}) || id == "" {
		id = strconv.Quote(id)
	}
	return fmt.Sprintf("%s: [%s]", e.Key, id)
}

// whatIs is what an account of a source is called.
func whatIs(source string) string {
	if words, ok := map[string]string{
		SourceGitHub: "the GitHub account", SourceGitLab: "the GitLab account", SourceGitea: "the Gitea account", SourceStandard: "the requester", SourceGit: "the git author", SourceSlack: "the Slack member", SourceDingTalk: "the DingTalk user",
		SourceFeishu: "the Feishu user", SourceAPI: "the token named", SourcePage: "the token named",
	}[source]; ok {
		return words
	}
	return "the " + clean(source) + " account"
}

// clean is what a stranger wrote, as it can stand in a sentence.
func clean(s string) string {
	s = strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) {
			return -1
		}
		return r
	}, strings.ToValidUTF8(s, ""))
	if len(s) > maxText {
		s = strings.ToValidUTF8(s[:maxText], "") + "…"
	}
	return s
}
