package api

import (
	"context"
	"net/http"
	"time"
)

// Info is what an installation says of itself.
type Info struct {
	Version string `json:"version"`
	// Units are where releases go, in the order they are deployed.
	Units []Unit `json:"units"`
	// TemporalUI, GitRemote and Webhook are addresses for people; empty when there is none.
	TemporalUI string `json:"temporal_ui,omitempty"`
	GitRemote  string `json:"git_remote,omitempty"`
	Webhook    string `json:"webhook,omitempty"`
	// Rules are the policies that are asked now.
	Rules *Rules `json:"rules,omitempty"`
}

// Rules are the policies that are asked now, and what keeps others out.
type Rules struct {
	// From is the folder or the server that they are of; empty is the program itself.
	From string `json:"from,omitempty"`
	// Bundle names rules and data, as in decisions. Since is when the rules came into force on this server.
	// Revision is what the bundle of rules calls itself.
	Bundle   string    `json:"bundle"`
	Revision string    `json:"revision,omitempty"`
	Since    time.Time `json:"since"`
	// Broken says why the data of the rules denies everything; empty when it does not.
	Broken string `json:"broken,omitempty"`
	// Refused are rules that are there now and not in force.
	Refused *RefusedRules `json:"refused,omitempty"`
	// Unreached says why the place of the rules cannot be looked at; empty when it can.
	Unreached      string     `json:"unreached,omitempty"`
	UnreachedSince *time.Time `json:"unreached_since,omitempty"`
}

// RefusedRules are rules that are not taken, the ETag that a server gives them, what they call themselves, and why.
type RefusedRules struct {
	Tag      string    `json:"tag,omitempty"`
	Revision string    `json:"revision,omitempty"`
	Why      string    `json:"why"`
	Since    time.Time `json:"since"`
}

// Policies know which rules are in force.
type Policies interface {
	Rules(ctx context.Context) Rules
}

// Unit is one independent deployment of everything.
type Unit struct {
	Name string `json:"name"`
	// Entry is where clients reach it.
	Entry string `json:"entry,omitempty"`
}

func (s *Server) showInfo(w http.ResponseWriter, r *http.Request) {
	info := s.info
	if info.Units == nil {
		info.Units = []Unit{}
	}
	if s.policies != nil {
		rules := s.policies.Rules(r.Context())
		info.Rules = &rules
	}
	reply(w, http.StatusOK, info)
}
