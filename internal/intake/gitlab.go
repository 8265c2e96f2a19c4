package intake

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"time"
)

// NewGitLab is the webhook source for GitLab's events. Its secrets are the newest first, one or two, and not blank. One
// that begins with whsec_ is a signing token, with which GitLab signs as Standard Webhooks do; every other is a secret
// token, which it sends as it is.
func NewGitLab(secrets []string, inbox Inbox, router *Router, log *slog.Logger) (*Webhook, error) {
	keys, err := newGitLabKeys(secrets)
	if err != nil {
		return nil, err
	}
	return newWebhook(provider{
		source: SourceGitLab, limit: bodyLimit, prove: keys.prove, event: gitlabEvent,
		misfit: "the signature does not fit the body: check that both sides have the same signing token",
	}, inbox, router, log), nil
}

// gitlabKeys are the secrets of GitLab by their kind, each with its number among all.
type gitlabKeys struct {
	signing  [][]byte
	signers  []int
	plain    tokens
	bringers []int
}

func newGitLabKeys(secrets []string) (gitlabKeys, error) {
	raw, err := checked(SourceGitLab, "secret", secrets)
	if err != nil {
		return gitlabKeys{}, err
	}
	var keys gitlabKeys
	var plain [][]byte
	for i, secret := range secrets {
		if !strings.HasPrefix(secret, standardPrefix) {
			plain, keys.bringers = append(plain, raw[i]), append(keys.bringers, i+1)
			continue
		}
		key, err := StandardKey(secret)
		if err != nil {
			return keys, fmt.Errorf("the webhook of gitlab: secret %d is a signing token, and %w", i+1, err)
		}
		keys.signing, keys.signers = append(keys.signing, key), append(keys.signers, i+1)
	}
	keys.plain = newTokens(plain)
	return keys, nil
}

// prove takes a signature where there is one and a key for it: one that does not fit is not mended by a token.
func (k gitlabKeys) prove(header http.Header, now time.Time) (proof, error) {
	if len(k.signing) > 0 && (header.Get("webhook-signature") != "" || len(k.plain) == 0) {
		signed, err := standardProof(header, k.signing, now)
		if err != nil {
			return proof{}, err
		}
		return proof{delivery: signed.delivery, fits: func(body []byte) int { return numbered(k.signers, signed.fits(body)) }}, nil
	}
	number := numbered(k.bringers, k.plain.which(header.Get("X-Gitlab-Token")))
	if number == 0 {
		return proof{}, errors.New("the X-Gitlab-Token header is missing or wrong: check that both sides have the same secret token")
	}
	return already(number), nil
}

// numbered is the number among all secrets of the one that is n-th of its kind; 0 for none.
func numbered(numbers []int, n int) int {
	if n == 0 {
		return 0
	}
	return numbers[n-1]
}

// gitlabEvent makes an event of a delivery. What it is stands in its body, in the word that GitLab has for it.
func gitlabEvent(header http.Header, proof proof, body []byte) (event Event, err error) {
	if err := wantJSON(header); err != nil {
		return event, err
	}
	event.Body = body
	if event.Delivery, err = gitlabDelivery(header, proof, body); err != nil {
		return event, err
	}
	var of struct {
		ObjectKind string `json:"object_kind"`
		EventName  string `json:"event_name"`
	}
	if err := json.Unmarshal(body, &of); err != nil {
		return event, fmt.Errorf("the body is not JSON of GitLab's shape: %w", err)
	}
	event.Kind = of.ObjectKind
	if event.Kind == "" {
		event.Kind = of.EventName // of a system hook
	}
	if event.Kind == "" {
		return event, errors.New("the body has no object_kind, which says what the event is")
	}
	return event, nil
}

// gitlabDelivery names a delivery. Newer GitLabs have a name that each retry has again, older ones one of what happened,
// which goes along with all that follows from it: there the body tells the one from the other. The oldest have only that.
func gitlabDelivery(header http.Header, proof proof, body []byte) (string, error) {
	if proof.delivery != "" {
		return proof.delivery, nil
	}
	if header.Get("Idempotency-Key") != "" {
		return nameIn(header, "Idempotency-Key")
	}
	sum := sha256.Sum256(body)
	if header.Get("X-Gitlab-Event-UUID") == "" {
		return hex.EncodeToString(sum[:]), nil
	}
	uuid, err := nameIn(header, "X-Gitlab-Event-UUID")
	if len(uuid) > 64 {
		return "", errors.New("the X-Gitlab-Event-UUID header is longer than 64 characters")
	}
	return uuid + "/" + hex.EncodeToString(sum[:8]), err
}

// gitlabPush is what a release needs of a push of GitLab.
type gitlabPush struct {
	Ref    string `json:"ref"`
	Before string `json:"before"`
	After  string `json:"after"`
	// CheckoutSHA is the commit of a tag whose After is the tag itself; null for a ref that was deleted.
	CheckoutSHA  string `json:"checkout_sha"`
	UserUsername string `json:"user_username"`
	// Message is that of an annotated tag.
	Message string `json:"message"`
	Project struct {
		PathWithNamespace string `json:"path_with_namespace"`
		GitHTTPURL        string `json:"git_http_url"`
	} `json:"project"`
	Commits []struct {
		ID      string `json:"id"`
		Message string `json:"message"`
	} `json:"commits"`
}

// readGitLab is what an event of GitLab says.
func readGitLab(event Event) (meaning, error) {
	if event.Kind != "push" && event.Kind != "tag_push" {
		return meaning{nothing: fmt.Sprintf("a %s event of GitLab starts nothing", event.Kind)}, nil
	}
	var p gitlabPush
	if err := json.Unmarshal(event.Body, &p); err != nil {
		return meaning{}, unreadable(event.Kind, err)
	}
	c := change{
		Repository: p.Project.PathWithNamespace, CloneURL: p.Project.GitHTTPURL, Ref: p.Ref, Before: p.Before, After: p.After,
		Who: tidy(p.UserUsername, nameLimit),
	}
	if _, tag := c.tag(); tag && !c.gone() && commit.MatchString(p.CheckoutSHA) {
		c.After = p.CheckoutSHA
	}
	c.Message = tidy(p.Message, messageLimit)
	for _, one := range p.Commits {
		if one.ID == c.After {
			c.Message = tidy(one.Message, messageLimit)
		}
	}
	return meaning{change: &c}, c.check(named{event.Kind + " event", "ref", "before", "after", "project.path_with_namespace", "project.git_http_url"})
}
