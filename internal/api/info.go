package api

import "net/http"

// Info is what an installation says of itself.
type Info struct {
	Version string `json:"version"`
	// Units are where releases go, in the order they are deployed.
	Units []Unit `json:"units"`
	// TemporalUI, GitRemote and Webhook are addresses for people; empty when there is none.
	TemporalUI string `json:"temporal_ui,omitempty"`
	GitRemote  string `json:"git_remote,omitempty"`
	Webhook    string `json:"webhook,omitempty"`
}

// Unit is one independent deployment of everything.
type Unit struct {
	Name string `json:"name"`
	// Entry is where clients reach it.
	Entry string `json:"entry,omitempty"`
}

func (s *Server) showInfo(w http.ResponseWriter, _ *http.Request) { reply(w, http.StatusOK, s.info) }
