package gateway

import (
	"errors"
	"testing"

	"github.com/skyisland/skyisland/internal/gateway/authn"
	"github.com/skyisland/skyisland/internal/release"
)

// TestAGatewayThatLostItsCredentialsStillTakesWeightBack restarts a gateway without the credentials that its routes name.
func TestAGatewayThatLostItsCredentialsStillTakesWeightBack(t *testing.T) {
	dir := t.TempDir()
	at := func(version int64, w release.Weight) release.Route {
		return testRoute(version, weight(w), func(r *release.Route) {
			r.Ingress.Authentication = &release.Authentication{APIKey: &release.APIKeyAuth{Keys: "partners"}}
		})
	}
	credentials, err := authn.OpenCredentials(authn.CredentialOptions{Dir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	mustApply(t, newTestGateway(t, Options{StateDir: dir, Credentials: credentials}), at(1, 2000))
	g := newTestGateway(t, Options{StateDir: dir})
	for _, test := range []struct {
		name    string
		route   release.Route
		refused bool
	}{
		{"what is in force is said again", at(1, 2000), false},
		{"more weight is refused", at(2, 5000), true},
		{"a step back is taken", at(2, 500), false},
		{"a rollback is taken", at(3, 0), false},
		{"a new ramp is refused", at(4, 500), true},
	} {
		if _, err := g.Apply([]release.Route{test.route}); errors.Is(err, ErrInvalid) != test.refused {
			t.Errorf("%s: %v", test.name, err)
		}
	}
}
