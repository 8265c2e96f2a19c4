package api_test

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/skyisland/skyisland/internal/api"
	"github.com/skyisland/skyisland/internal/api/apitest"
	"github.com/skyisland/skyisland/internal/api/client"
	"github.com/skyisland/skyisland/internal/release"
)

// shelf has statements about one artifact.
type shelf struct {
	statements []api.Statement
	broken     error
	asked      int
}

var shelved = release.Digest("sha256:" + strings.Repeat("a", 64))

func (s *shelf) Statements(_ context.Context, artifact release.Digest, _ []string, most int) ([]api.Statement, error) {
	s.asked = most
	if artifact != shelved {
		return nil, s.broken
	}
	return s.statements, s.broken
}

func (s *shelf) Built(context.Context, release.ID) ([]api.Artifact, error) {
	return []api.Artifact{{Component: "web", Artifact: shelved}}, s.broken
}

func (s *shelf) Keys(context.Context) ([]api.SigningKey, error) {
	return []api.SigningKey{{ID: "abc", PEM: "-----BEGIN PUBLIC KEY-----", Signing: true}}, s.broken
}

// asking is a client of an installation with such a shelf; nil has none.
func asking(t *testing.T, artifacts api.Artifacts, releases ...release.Status) *client.Client {
	t.Helper()
	i := apitest.New()
	i.KnowArtifacts(artifacts)
	for _, status := range releases {
		i.Put(status)
		if len(status.Moves) == 0 {
			i.Forget(status.ID)
		}
	}
	c, err := client.New(i.Start(t, api.Info{}), apitest.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func numbered(number int) release.ID {
	return release.ID{Lane: release.Lane{Tenant: "demo", Application: "hello", Environment: "production"}, Number: number}
}

// refusedWith fails the test unless an error is a problem of this status.
func refusedWith(t *testing.T, err error, status int, sentence string) {
	t.Helper()
	var refused *client.Error
	if !errors.As(err, &refused) || refused.Problem.Status != status || !strings.Contains(err.Error(), sentence) {
		t.Errorf("got %v, want status %d with %q", err, status, sentence)
	}
}

func TestWhatIsStatedAboutAnArtifactIsListed(t *testing.T) {
	want := api.Statement{
		Release: numbered(3), Component: "web", Made: time.Date(2026, 3, 2, 12, 0, 0, 0, time.UTC), Envelope: json.RawMessage(`{"payload":"eyJ9"}`),
	}
	s := &shelf{statements: []api.Statement{want}}
	c := asking(t, s)
	got, err := c.Statements(t.Context(), shelved)
	if err != nil || !reflect.DeepEqual(got, api.StatementList{Artifact: shelved, Statements: []api.Statement{want}}) {
		t.Errorf("got %+v, %v; want the statement", got, err)
	}
	if s.asked != 100 {
		t.Errorf("the client asked for %d, want as many as there may be", s.asked)
	}
	other := release.Digest("sha256:" + strings.Repeat("b", 64))
	if got, err := c.Statements(t.Context(), other); err != nil || got.Statements == nil || len(got.Statements) != 0 {
		t.Errorf("got %+v, %v; want an empty list", got, err)
	}
	_, err = c.Statements(t.Context(), "latest")
	refusedWith(t, err, http.StatusBadRequest, "is not a digest")
	keys, err := c.SigningKeys(t.Context())
	if err != nil || len(keys.Keys) != 1 || !keys.Keys[0].Signing {
		t.Errorf("got %+v, %v; want the key", keys, err)
	}
	s.broken = errors.New("the disk is gone")
	_, err = c.Statements(t.Context(), shelved)
	refusedWith(t, err, http.StatusInternalServerError, "")
	_, err = c.SigningKeys(t.Context())
	refusedWith(t, err, http.StatusInternalServerError, "")
}

func TestAServerWithoutStatementsSaysSo(t *testing.T) {
	c := asking(t, nil)
	_, err := c.Statements(t.Context(), shelved)
	refusedWith(t, err, http.StatusNotFound, "keeps no statements")
	_, err = c.SigningKeys(t.Context())
	refusedWith(t, err, http.StatusNotFound, "keeps no statements")
}

func TestWhatAReleaseIsMadeOfIsListed(t *testing.T) {
	underWay := release.Status{ID: numbered(2), Commit: "c2", Phase: release.Ramping, Requested: time.Date(2026, 3, 2, 12, 0, 0, 0, time.UTC), Moves: []release.Move{
		{Component: "api", Candidate: release.Revision{ID: "api-1", Artifact: "sha256:1"}},
		{Component: "web", Candidate: release.Revision{ID: "web-2", Artifact: "sha256:2"}},
	}}
	longAgo := release.Status{ID: numbered(1), Commit: "c1", Phase: release.Completed}
	s := &shelf{}
	c := asking(t, s, longAgo, underWay)
	for _, want := range []api.ArtifactList{
		{Release: numbered(2), Commit: "c2", Artifacts: []api.Artifact{{Component: "api", Artifact: "sha256:1", Revision: "api-1"}, {Component: "web", Artifact: "sha256:2", Revision: "web-2"}}},
		{Release: numbered(1), Commit: "c1", Artifacts: []api.Artifact{{Component: "web", Artifact: shelved}}},
	} {
		if got, err := c.Artifacts(t.Context(), want.Release); err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("got %+v, %v; want %+v", got, err, want)
		}
	}
	_, err := c.Artifacts(t.Context(), numbered(9))
	refusedWith(t, err, http.StatusNotFound, "the last one there is number 2")
	s.broken = errors.New("the disk is gone")
	_, err = c.Artifacts(t.Context(), numbered(1))
	refusedWith(t, err, http.StatusInternalServerError, "")
	got, err := asking(t, nil, longAgo).Artifacts(t.Context(), numbered(1))
	if err != nil || got.Artifacts == nil || len(got.Artifacts) != 0 {
		t.Errorf("got %+v, %v; want an empty list where nobody knows", got, err)
	}
}
