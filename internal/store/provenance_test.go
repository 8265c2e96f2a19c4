package store_test

import (
	"encoding/json"
	"fmt"
	"reflect"
	"strings"
	"testing"

	"github.com/skyisland/skyisland/internal/release"
	"github.com/skyisland/skyisland/internal/store"
)

func artifact(digit string) release.Digest {
	return release.Digest("sha256:" + strings.Repeat(digit, 64))
}

func stated(number, second int, component, digit, envelope string) store.Statement {
	return store.Statement{
		Artifact: artifact(digit), Release: id(number), Component: component, Envelope: json.RawMessage(envelope), Made: at(second),
	}
}

// back is a statement as a store gives it back.
func back(s store.Statement) store.Statement {
	s.Made = kept(s.Made)
	return s
}

func TestAnArtifactHasAStatementForEachOfItsBuilds(t *testing.T) {
	onEach(t, func(t *testing.T, open database) {
		s := open(t)
		first := stated(1, 1, "web", "a", `{"payload": "<1>" ,"b":  2}`)
		second := stated(2, 2, "web", "a", `{"payload": "2"}`)
		other := stated(2, 3, "api", "b", `{"payload": "3"}`)
		for _, statement := range []store.Statement{second, first, other, first, second} {
			check(t, s.SaveStatement(t.Context(), statement))
		}
		for _, test := range []struct {
			name string
			most int
			want []store.Statement
		}{
			{"all, the newest first, each once and to the byte", 9, []store.Statement{back(second), back(first)}},
			{"no more than asked for", 1, []store.Statement{back(second)}},
		} {
			got, err := open(t).Statements(t.Context(), artifact("a"), nil, test.most)
			check(t, err)
			if !reflect.DeepEqual(got, test.want) {
				t.Errorf("%s: got %s, want %s", test.name, got, test.want)
			}
		}
		got, err := s.StatementsOf(t.Context(), id(2), 9)
		check(t, err)
		if want := []store.Statement{back(other), back(second)}; !reflect.DeepEqual(got, want) {
			t.Errorf("of the release: got %s, want %s", got, want)
		}
		for name, ask := range map[string]func() ([]store.Statement, error){
			"an artifact": func() ([]store.Statement, error) { return s.Statements(t.Context(), artifact("c"), nil, 9) },
			"a release":   func() ([]store.Statement, error) { return s.StatementsOf(t.Context(), id(3), 9) },
		} {
			if got, err := ask(); err != nil || len(got) != 0 {
				t.Errorf("%s of which nothing is stated: %v, %v", name, got, err)
			}
		}
	})
}

func TestStatementsOfOthersTakeNoPlaceOfATenants(t *testing.T) {
	onEach(t, func(t *testing.T, open database) {
		s := open(t)
		of := func(tenant string, second int) store.Statement {
			one := stated(1, second, "web", "a", fmt.Sprintf(`{"payload": %d}`, second))
			one.Release.Lane.Tenant = tenant
			check(t, s.SaveStatement(t.Context(), one))
			return back(one)
		}
		first, near := of("mine", 1), of("mine2", 2)
		second := of("mine", 3)
		for n := range 20 {
			of("other", 4+n)
		}
		for _, test := range []struct {
			name    string
			tenants []string
			want    []store.Statement
		}{
			{"one tenant, behind those of others", []string{"mine"}, []store.Statement{second, first}},
			{"no more than asked for", []string{"mine", "mine2"}, []store.Statement{second, near}},
			{"a tenant that has none", []string{"min"}, []store.Statement{}},
			{"no tenant", []string{}, []store.Statement{}},
		} {
			got, err := s.Statements(t.Context(), artifact("a"), test.tenants, 2)
			check(t, err)
			if !reflect.DeepEqual(got, test.want) {
				t.Errorf("%s: got %v, want %v", test.name, got, test.want)
			}
		}
	})
}

func TestWhatIsNoStatementIsNotStored(t *testing.T) {
	onEach(t, func(t *testing.T, open database) {
		s := open(t)
		for name, statement := range map[string]store.Statement{
			"no digest":   {Artifact: "latest", Release: id(1), Envelope: json.RawMessage(`{}`)},
			"no envelope": {Artifact: artifact("a"), Release: id(1)},
			"no JSON":     {Artifact: artifact("a"), Release: id(1), Envelope: json.RawMessage("{\"a\":\"\xff\"}")},
		} {
			if err := s.SaveStatement(t.Context(), statement); err == nil {
				t.Errorf("%s: it was stored", name)
			}
		}
		check(t, s.Close())
		if err := s.SaveStatement(t.Context(), stated(1, 1, "web", "a", `{}`)); err == nil {
			t.Error("a closed store keeps a statement")
		}
		if _, err := s.Statements(t.Context(), artifact("a"), nil, 1); err == nil {
			t.Error("a closed store knows what is stated")
		}
		if _, err := s.StatementsOf(t.Context(), id(1), 1); err == nil {
			t.Error("a closed store knows what is stated of a release")
		}
	})
}
