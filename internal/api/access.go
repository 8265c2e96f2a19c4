package api

import (
	"context"
	"net/http"
	"slices"
	"strings"

	"github.com/skyisland/skyisland/internal/release"
)

// holder is who holds a token, and what it lets them do.
type holder struct {
	actor release.Actor
	// token is the token's name, whoever the directory says that its holder is.
	token string
	// scopes are what they may do, tenants whose releases it is about; nil is everything.
	scopes  []release.Scope
	tenants []string
	// stranger says why the directory of people does not know them; empty when it does.
	stranger string
}

// holderOf is who sent an authenticated request.
func holderOf(ctx context.Context) holder {
	who, _ := ctx.Value(holderKey).(holder)
	return who
}

// may says whether the token has a scope.
func (h holder) may(scope release.Scope) bool {
	return scope == "" || len(h.scopes) == 0 || slices.Contains(h.scopes, scope)
}

// limited says whether the token is for some tenants only.
func (h holder) limited() bool { return len(h.tenants) > 0 }

// sees says whether the token is for a tenant.
func (h holder) sees(tenant string) bool { return !h.limited() || slices.Contains(h.tenants, tenant) }

// all are the scopes that the token has.
func (h holder) all() []release.Scope {
	if len(h.scopes) == 0 {
		return release.Scopes()
	}
	return h.scopes
}

// admit refuses a request that the token does not allow, before anything is read of it.
func (o Operation) admit(r *http.Request, who holder) error {
	if !who.may(o.Scope) {
		have := make([]string, len(who.scopes))
		for i, scope := range who.scopes {
			have[i] = string(scope)
		}
		return &fault{http.StatusForbidden, CodeScope, "this needs a token with the scope " + string(o.Scope) + "; yours has " + strings.Join(have, ", ")}
	}
	if !who.limited() {
		return nil
	}
	switch {
	case o.Tenants == TenantPath && !who.sees(r.PathValue("tenant")):
		// In the same words for a tenant that is there and for one that is not: nobody learns which there are.
		return missing("there is no tenant %q for this token: it is for %s", r.PathValue("tenant"), strings.Join(who.tenants, ", "))
	case o.Tenants == TenantAll:
		return foreign(who, "this is of all tenants together")
	}
	return nil
}

// foreign refuses what a token for some tenants may not do.
func foreign(who holder, what string) error {
	return &fault{http.StatusForbidden, CodeTenant, what + ", and this token is for " + strings.Join(who.tenants, ", ")}
}
