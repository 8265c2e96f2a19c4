package intake

import (
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"time"
)

// NewGitea is the webhook source for the events of Gitea and Forgejo. Its secrets are the newest first, one or two, and not
// blank.
func NewGitea(secrets []string, inbox Inbox, router *Router, log *slog.Logger) (*Webhook, error) {
	keys, err := checked(SourceGitea, "secret", secrets)
	if err != nil {
		return nil, err
	}
	return newWebhook(provider{
		source: SourceGitea, limit: bodyLimit, event: giteaEvent,
		misfit: "the signature does not fit the body: check that both sides have the same secret",
		prove: func(header http.Header, _ time.Time) (proof, error) {
			given, err := bareSignature(header, "X-Gitea-Signature", "X-Forgejo-Signature")
			if err != nil {
				return proof{}, err
			}
			return given.by(keys), nil
		},
	}, inbox, router, log), nil
}

// giteaEvent makes an event of a delivery. As with GitHub, its headers are not signed.
func giteaEvent(header http.Header, _ proof, body []byte) (event Event, err error) {
	if event.Delivery, err = nameIn(header, "X-Gitea-Delivery", "X-Forgejo-Delivery"); err != nil {
		return event, err
	}
	if event.Kind, err = nameIn(header, "X-Gitea-Event", "X-Forgejo-Event"); err != nil {
		return event, err
	}
	event.Body = body
	return event, wantJSON(header)
}

// giteaPush is what a release needs of a push of Gitea or Forgejo.
type giteaPush struct {
	Ref        string `json:"ref"`
	Before     string `json:"before"`
	After      string `json:"after"`
	HeadCommit *struct {
		ID      string `json:"id"`
		Message string `json:"message"`
	} `json:"head_commit"`
	Commits []struct {
		ID      string `json:"id"`
		Message string `json:"message"`
	} `json:"commits"`
	Pusher     giteaUser `json:"pusher"`
	Sender     giteaUser `json:"sender"`
	Repository struct {
		FullName string `json:"full_name"`
		CloneURL string `json:"clone_url"`
	} `json:"repository"`
}

// giteaUser has login in Gitea, and username besides in both.
type giteaUser struct {
	Login    string `json:"login"`
	Username string `json:"username"`
}

func (u giteaUser) name() string {
	if u.Login != "" {
		return u.Login
	}
	return u.Username
}

// readGitea is what an event of Gitea or Forgejo says. Both tell of a tag or branch that is created or deleted twice: by a
// push, which has the commits, and by an event of that name, which has not.
func readGitea(event Event) (meaning, error) {
	switch event.Kind {
	case "push":
	case "create", "delete":
		return meaning{nothing: fmt.Sprintf("a %s event starts nothing: the push event of the same ref does", event.Kind)}, nil
	default:
		return meaning{nothing: fmt.Sprintf("a %s event of Gitea starts nothing", event.Kind)}, nil
	}
	var p giteaPush
	if err := json.Unmarshal(event.Body, &p); err != nil {
		return meaning{}, unreadable("push", err)
	}
	c := change{Repository: p.Repository.FullName, CloneURL: p.Repository.CloneURL, Ref: p.Ref, Before: p.Before, After: p.After, Who: p.Sender.name()}
	if c.Who == "" {
		c.Who = p.Pusher.name()
	}
	c.Who = tidy(c.Who, nameLimit)
	if p.HeadCommit != nil {
		c.Message = tidy(p.HeadCommit.Message, messageLimit)
		if _, tag := c.tag(); tag && !c.gone() && commit.MatchString(p.HeadCommit.ID) {
			c.After = p.HeadCommit.ID // After may be the tag itself
		}
	}
	for _, one := range p.Commits {
		if c.Message == "" && one.ID == c.After {
			c.Message = tidy(one.Message, messageLimit)
		}
	}
	return meaning{change: &c}, c.check(named{"push event", "ref", "before", "after", "repository.full_name", "repository.clone_url"})
}
