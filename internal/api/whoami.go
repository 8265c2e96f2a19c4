package api

import (
	"net/http"

	"github.com/skyisland/skyisland/internal/release"
)

// WhoAmI is who the installation takes the holder of a token for, and what they may.
type WhoAmI struct {
	Name   string `json:"name"`
	Source string `json:"source"`
	// Person is who it is in the directory of people; empty without a directory, and for a name it accepts unknown.
	Person string   `json:"person,omitempty"`
	Groups []string `json:"groups,omitempty"`
	// Scopes are what the token lets its holder do.
	Scopes []release.Scope `json:"scopes"`
	// Unlimited says that the scopes are all because the configuration names none for the token.
	Unlimited bool `json:"unlimited,omitempty"`
	// Tenants are whose releases the token is for; empty is everybody's.
	Tenants []string `json:"tenants,omitempty"`
	// Problem says why the directory refuses the holder, and how to be known; nothing else can be done until then.
	Problem string `json:"problem,omitempty"`
}

// whoAmI also answers those who are nobody yet: it is how they learn what is missing.
func (s *Server) whoAmI(w http.ResponseWriter, r *http.Request) {
	who := holderOf(r.Context())
	reply(w, http.StatusOK, WhoAmI{
		Name: who.token, Source: source, Person: who.actor.Person, Groups: who.actor.Groups,
		Scopes: who.all(), Unlimited: len(who.scopes) == 0, Tenants: who.tenants, Problem: who.stranger,
	})
}
