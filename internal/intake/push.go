package intake

import (
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"strings"
	"unicode"
)

// push is what a release needs of a push event. Only these fields are decoded: others vary in type
// from sender to sender.
type push struct {
	Ref        string `json:"ref"`
	Before     string `json:"before"`
	After      string `json:"after"`
	Deleted    bool   `json:"deleted"`
	HeadCommit *struct {
		Message string `json:"message"`
	} `json:"head_commit"`
	Pusher struct {
		Name string `json:"name"`
	} `json:"pusher"`
	Sender struct {
		Login string `json:"login"`
	} `json:"sender"`
	Repository struct {
		FullName string `json:"full_name"`
		CloneURL string `json:"clone_url"`
		// PushedAt is a number of seconds in GitHub's pushes. Other events and other senders have
		// a string there, or nothing.
		PushedAt json.RawMessage `json:"pushed_at"`
	} `json:"repository"`
}

var (
	commit  = regexp.MustCompile(`^([0-9a-f]{40}|[0-9a-f]{64})$`)
	seconds = regexp.MustCompile(`^[0-9]{1,19}$`)
)

const (
	// messageLimit and nameLimit bound how much of a commit's message and of a person's name goes
	// along, in bytes.
	messageLimit = 500
	nameLimit    = 200
)

// readPush decodes a push and says everything that is wrong with it, in the order of the fields here.
func readPush(payload []byte) (push, error) {
	var p push
	if err := json.Unmarshal(payload, &p); err != nil {
		return p, fmt.Errorf("the push event cannot be read: %w", err)
	}
	var faults []error
	for _, field := range []struct {
		name, value string
		ok          bool
		want        string
	}{
		{"ref", p.Ref, strings.HasPrefix(p.Ref, "refs/") && plain(p.Ref, 1024), "a name of at most 1024 bytes that begins with refs/"},
		{"before", p.Before, commit.MatchString(p.Before), "a commit of 40 or 64 lower-case hexadecimal digits"},
		{"after", p.After, commit.MatchString(p.After), "a commit of 40 or 64 lower-case hexadecimal digits"},
		{"repository.full_name", p.Repository.FullName, p.Repository.FullName != "" && plain(p.Repository.FullName, 512), "a name of at most 512 bytes"},
		{"repository.clone_url", p.Repository.CloneURL, plain(p.Repository.CloneURL, 2048), "a URL of at most 2048 bytes, or nothing"},
	} {
		if !field.ok {
			faults = append(faults, fmt.Errorf("the push event's %s is %.80q: want %s", field.name, field.value, field.want))
		}
	}
	return p, errors.Join(faults...)
}

// plain says whether a value is short enough and free of spaces and control characters. Git allows
// neither in a ref, and a NUL is more than some databases take.
func plain(value string, limit int) bool {
	return len(value) <= limit && !strings.ContainsFunc(value, func(r rune) bool { return unicode.IsSpace(r) || unicode.IsControl(r) })
}

// branch is the branch that was pushed; false for a tag or another ref.
func (p push) branch() (string, bool) { return strings.CutPrefix(p.Ref, "refs/heads/") }

// gone says whether the push deleted the branch.
func (p push) gone() bool { return p.Deleted || strings.Trim(p.After, "0") == "" }

// who is who pushed, as the sender knows them; empty when it does not say.
func (p push) who() string {
	if p.Sender.Login != "" {
		return tidy(p.Sender.Login, nameLimit)
	}
	return tidy(p.Pusher.Name, nameLimit)
}

func (p push) message() string {
	if p.HeadCommit == nil {
		return ""
	}
	return tidy(p.HeadCommit.Message, messageLimit)
}

// happening tells this push from every other, so that the same push is released once however it
// arrives: twice, because a repository has two hooks, or because somebody who saw a delivery sends
// it again under another name. The commits alone would not do: after A→B, B→A, A→B the third push
// has to be released although it has the commits of the first. GitHub's pushed_at, in the part that
// is signed, tells these apart and is the same for all hooks. Where it differs between two hooks, as
// when another branch was pushed in between, there is a release too many, which costs less than a
// push that is lost. For that reason, too, a sender without pushed_at is believed that each delivery
// is another push; our own git remote has one name for each push and says so.
func (p push) happening(delivery string) string {
	which := "delivery=" + delivery
	if seconds.Match(p.Repository.PushedAt) {
		which = "pushed_at=" + string(p.Repository.PushedAt)
	}
	return strings.Join([]string{p.Repository.FullName, p.Ref, p.Before, p.After, which}, " ")
}

// tidy is a text without what terminals and databases do not take, cut to a length in bytes.
func tidy(text string, limit int) string {
	text = strings.Map(func(r rune) rune {
		if unicode.IsControl(r) && r != '\n' && r != '\t' {
			return -1
		}
		return r
	}, text)
	if len(text) > limit {
		text = strings.ToValidUTF8(text[:limit], "")
	}
	return text
}
