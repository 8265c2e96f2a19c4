package app

import (
	"context"
	"errors"
	"fmt"

	"github.com/skyisland/skyisland/internal/config"
	"github.com/skyisland/skyisland/internal/notify"
	"github.com/skyisland/skyisland/internal/page"
	"github.com/skyisland/skyisland/internal/release"
)

// pageKey is the file of the secret that signs the approval page's links, in the data folder.
const pageKey = "page-key"

// newPage is the approval page, whose answers go to a desk.
func (a *App) newPage(desk notify.Desk) (*page.Page, error) {
	secret, err := a.pageSecret()
	if err != nil {
		return nil, err
	}
	return page.New(page.Options{
		Secret: secret, PublicURL: a.config.PublicURL, Tokens: pageTokens(a.config.Tokens), People: a.people,
		Questions: questions{a.dispatch, a.store}, Desk: desk, Log: a.log,
	})
}

// links makes links to the approval page, for who tells people of a question.
func (a *App) links() (*page.Links, error) {
	secret, err := a.pageSecret()
	if err != nil {
		return nil, err
	}
	return page.NewLinks(secret, a.config.PublicURL)
}

// AnswerLink is a link by which a question can be answered in a browser, by whoever may and signs in.
func (a *App) AnswerLink(id release.ID, ask release.Ask) (string, error) {
	links, err := a.links()
	if err != nil {
		return "", err
	}
	return links.Sign(id, ask.Number, ask.PlanHash, ask.Until)
}

// pageSecret is the configured one, or else one that is made on the first start.
func (a *App) pageSecret() (string, error) {
	if secret := a.config.Page.Secret.Reveal(); secret != "" {
		return secret, nil
	}
	return Secret(a.path(pageKey))
}

func pageTokens(tokens []config.Token) []page.Token {
	out := make([]page.Token, len(tokens))
	for i, token := range tokens {
		out[i] = page.Token{Name: token.Name, Token: token.Token.Reveal()}
	}
	return out
}

// questions are releases in the words of the approval page.
type questions struct {
	releases interface {
		Status(ctx context.Context, id release.ID) (release.Status, error)
	}
	records interface {
		Release(ctx context.Context, id release.ID) (release.Summary, error)
	}
}

// Ask tells a release that ended so long ago that Temporal has forgotten it from one that never was.
func (q questions) Ask(ctx context.Context, id release.ID) (release.Status, error) {
	status, err := q.releases.Status(ctx, id)
	if !errors.Is(err, release.ErrNotFound) {
		return status, err
	}
	if _, recorded := q.records.Release(ctx, id); recorded == nil {
		return release.Status{}, fmt.Errorf("release %s: %w", id, release.ErrFinished)
	}
	return release.Status{}, err
}
