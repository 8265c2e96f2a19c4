package intake

import (
	"encoding/json"
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
	Forced     bool   `json:"forced"`
	HeadCommit *struct {
		ID      string `json:"id"`
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

// readPush decodes a push of GitHub, and says everything that is wrong with it.
func readPush(payload []byte) (change, error) {
	var p push
	if err := json.Unmarshal(payload, &p); err != nil {
		return change{}, unreadable("push", err)
	}
	c := change{
		Repository: p.Repository.FullName, CloneURL: p.Repository.CloneURL, Ref: p.Ref, Before: p.Before, After: p.After, Forced: p.Forced,
		Message: p.message(), Who: p.who(),
	}
	if seconds.Match(p.Repository.PushedAt) {
		c.Stamp = "pushed_at=" + string(p.Repository.PushedAt)
	}
	if p.Deleted && commit.MatchString(p.After) {
		c.After = strings.Repeat("0", len(p.After))
	}
	if _, tag := c.tag(); tag && !c.gone() && p.HeadCommit != nil && commit.MatchString(p.HeadCommit.ID) {
		c.After = p.HeadCommit.ID // of an annotated tag, After is the tag itself
	}
	return c, c.check(named{"push event", "ref", "before", "after", "repository.full_name", "repository.clone_url"})
}

// plain says whether a value is short enough and free of spaces and control characters. Git allows
// neither in a ref, and a NUL is more than some databases take.
func plain(value string, limit int) bool {
	return len(value) <= limit && !strings.ContainsFunc(value, func(r rune) bool { return unicode.IsSpace(r) || unicode.IsControl(r) })
}

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
