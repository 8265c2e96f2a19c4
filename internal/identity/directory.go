// Package identity knows who people are: one file says which accounts of GitHub, Slack, DingTalk and the API are
// one person, and which groups that person is in. Rules then judge people and not accounts, so that nobody approves
// under one name what they asked for under another.
package identity

import (
	"bytes"
	"fmt"
	"io"
	"log/slog"
	"os"
	"slices"
	"sync"

	"github.com/skyisland/skyisland/internal/release"
	"github.com/skyisland/skyisland/internal/yamldoc"
)

// The sources of identities, as an actor names them.
const (
	SourceGitHub   = "github"
	SourceGitLab   = "gitlab"
	SourceGitea    = "gitea"
	SourceStandard = "standard"
	SourceGit      = "git"
	SourceSlack    = "slack"
	SourceDingTalk = "dingtalk"
	SourceFeishu   = "feishu"
	SourceAPI      = "api"
	// SourcePage is the approval page, where people sign in with a token of the API.
	SourcePage = "page"
)

// The keys of a person in the file under which accounts stand.
const (
	keyGitHub   = "github"
	keyGitLab   = "gitlab"
	keyGitea    = "gitea"
	keyStandard = "standard"
	keyEmail    = "email"
	keySlack    = "slack"
	keyDingTalk = "dingtalk"
	keyAPI      = "api"
)

// keyOf is the key for the accounts of a source; false for a source whose accounts cannot stand in the file.
func keyOf(source string) (string, bool) {
	key, ok := map[string]string{
		SourceGitHub: keyGitHub, SourceGitLab: keyGitLab, SourceGitea: keyGitea, SourceStandard: keyStandard, SourceGit: keyEmail, SourceSlack: keySlack, SourceDingTalk: keyDingTalk,
		SourceAPI: keyAPI, SourcePage: keyAPI,
	}[source]
	return key, ok
}

// isChat says whether anybody may speak there whom the installation never heard of.
func isChat(source string) bool {
	return source == SourceSlack || source == SourceDingTalk || source == SourceFeishu
}

// isProgram says whether the source is no person's: alarms, schedules, and the installation itself.
func isProgram(source string) bool {
	return source == "alarm" || source == "cron" || source == "system"
}

// Options are what a directory is made of.
type Options struct {
	// File is the directory's YAML file; empty is an installation without one.
	File string
	// Tokens are the groups that the configuration gives to the holder of each API token, by the token's name.
	Tokens map[string][]string
	// Log takes changes of the file; nil discards them.
	Log *slog.Logger
}

// Directory answers who somebody is. The file is read again whenever it has changed; while it is wrong, the last
// good one counts. It is safe for concurrent use.
type Directory struct {
	file   string
	tokens map[string][]string
	log    *slog.Logger

	mu sync.Mutex
	// judged is what was last read, or the error that came instead: each is judged, and told, once.
	judged []byte
	people *people
}

// New reads the directory. Its error says everything that is wrong with the file, as [release.Problems].
func New(o Options) (*Directory, error) {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	d := &Directory{file: o.File, tokens: o.Tokens, log: o.Log, people: &people{}}
	if o.File == "" {
		return d, nil
	}
	content, err := slurp(o.File)
	if err != nil {
		return nil, fmt.Errorf("read the directory of people: %w", err)
	}
	read, err := Read(o.File, content)
	if err != nil {
		return nil, err
	}
	d.judged, d.people = content, newPeople(read)
	return d, nil
}

// Configured says whether the installation has a directory.
func (d *Directory) Configured() bool { return d.file != "" }

// Person is who an account belongs to, as an actor with all groups. The error is an [*UnknownError] for an account
// that is nobody's.
//
// Accounts of chats have to be in the directory. Those of other sources have to be, unless it accepts unknown ones or
// there is no directory; they are then who their source says, without a person. Programs are who they say.
func (d *Directory) Person(source, id string) (release.Actor, error) {
	actor := release.Actor{Name: id, Source: source}
	if source == SourceAPI || source == SourcePage {
		actor.Groups = slices.Clone(d.tokens[id])
	}
	if isProgram(source) {
		return actor, nil
	}
	now := d.current()
	key, ok := keyOf(source)
	if who, found := now.accounts[account{key, fold(key, id)}]; ok && found {
		actor.Person = who.Name
		actor.Groups = union(actor.Groups, now.groups[who.Name])
		return actor, nil
	}
	if isChat(source) || d.Configured() && !now.accept {
		return release.Actor{}, &UnknownError{Source: source, ID: id, Key: key, File: d.file, Ask: now.ask}
	}
	return actor, nil
}

// Members are the accounts that a person or the members of a group have at a source, in the order of the file: for a
// person the first of each source, since one mention is enough. Empty when nobody is called so or has one.
func (d *Directory) Members(name, source string) []string {
	key, ok := keyOf(source)
	if !ok {
		return nil
	}
	now := d.current()
	var out []string
	for _, p := range now.list {
		if p.Name != name && !slices.Contains(now.groups[p.Name], name) {
			continue
		}
		if ids := p.accounts(key); len(ids) > 0 {
			out = append(out, ids[0])
		}
	}
	return out
}

// Member is the account that a person has at a source; empty when they have none, and for a group.
func (d *Directory) Member(name, source string) string {
	now := d.current()
	if _, person := now.groups[name]; !person {
		return ""
	}
	if found := d.Members(name, source); len(found) > 0 {
		return found[0]
	}
	return ""
}

// current is the directory as its file says now. Comparing the content, and not only its time and size, costs some
// microseconds and misses no change.
func (d *Directory) current() *people {
	if !d.Configured() {
		return d.people
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	content, err := slurp(d.file)
	judged := content
	if err != nil {
		// The error stands for the content, so that it is told once, and what was good is read anew when it is back.
		judged = []byte("unreadable: " + err.Error())
	}
	if bytes.Equal(judged, d.judged) {
		return d.people
	}
	d.judged = judged
	var read File
	if err == nil {
		read, err = Read(d.file, content)
	}
	if err != nil {
		d.log.Error("directory of people is wrong, so the last good one counts", "file", d.file, "error", err)
		return d.people
	}
	d.people = newPeople(read)
	d.log.Info("directory of people in force", "file", d.file, "people", len(read.People))
	return d.people
}

// slurp reads a file, one byte more than it may have at most: what is too large is said by whoever judges it.
func slurp(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return io.ReadAll(io.LimitReader(f, yamldoc.MaxSize+1))
}
