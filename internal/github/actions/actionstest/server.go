// Package actionstest stands for the part of GitHub that knows of workflow runs.
package actionstest

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync"
)

// Run is a run as GitHub tells it, in the fields that are read.
type Run struct {
	ID         int64      `json:"id"`
	HeadSHA    string     `json:"head_sha"`
	RunNumber  int        `json:"run_number"`
	RunAttempt int        `json:"run_attempt"`
	Event      string     `json:"event"`
	Status     string     `json:"status"`
	Conclusion string     `json:"conclusion,omitempty"`
	HTMLURL    string     `json:"html_url"`
	Repository Repository `json:"repository"`
	// HeadRepository is empty for that of the run.
	HeadRepository Repository `json:"head_repository"`

	// Workflow is the name of the workflow's file.
	Workflow string `json:"-"`
}

// Repository is a repository's full name.
type Repository struct {
	FullName string `json:"full_name"`
}

// Artifact is an artifact of a run.
type Artifact struct {
	ID      int64  `json:"id"`
	Name    string `json:"name"`
	Size    int64  `json:"size_in_bytes"`
	Expired bool   `json:"expired"`
	Digest  string `json:"digest,omitempty"`

	Run     int64  `json:"-"`
	Content []byte `json:"-"`
}

// Server is GitHub with one repository, and where it keeps files. Its methods are safe for concurrent use.
type Server struct {
	// API is GitHub's, Files where artifacts are downloaded.
	API, Files *httptest.Server
	repository string
	token      string

	mu        sync.Mutex
	runs      []Run
	artifacts []Artifact
	refuse    func(w http.ResponseWriter, r *http.Request) bool
	asked     []string
	shown     []string
}

// New serves a repository, such as acme/api, to whoever has the token. It is the caller's to close.
func New(repository, token string) *Server {
	s := &Server{repository: repository, token: token}
	mux := http.NewServeMux()
	base := "GET /repos/" + repository + "/actions/"
	mux.HandleFunc(base+"workflows/{file}/runs", s.listRuns)
	mux.HandleFunc(base+"runs/{run}/artifacts", s.listArtifacts)
	mux.HandleFunc(base+"artifacts/{id}/zip", s.locate)
	s.API = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.mu.Lock()
		refuse := s.refuse
		s.asked = append(s.asked, r.URL.String())
		s.mu.Unlock()
		switch {
		case refuse != nil && refuse(w, r):
		case r.Header.Get("Authorization") != "Bearer "+s.token:
			http.Error(w, `{"message": "Bad credentials"}`, http.StatusUnauthorized)
		default:
			mux.ServeHTTP(w, r)
		}
	}))
	s.Files = httptest.NewServer(http.HandlerFunc(s.serveFile))
	return s
}

// Close ends both servers.
func (s *Server) Close() {
	s.API.Close()
	s.Files.Close()
}

// Put adds runs, each in the place of one with its ID.
func (s *Server) Put(runs ...Run) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, run := range runs {
		run.Repository = Repository{s.repository}
		if run.HeadRepository.FullName == "" {
			run.HeadRepository = run.Repository
		}
		if run.HTMLURL == "" {
			run.HTMLURL = fmt.Sprintf("https://github.com/%s/actions/runs/%d", s.repository, run.ID)
		}
		s.runs = append(remove(s.runs, func(r Run) bool { return r.ID == run.ID }), run)
	}
}

// Upload adds artifacts, each in the place of one with its ID.
func (s *Server) Upload(artifacts ...Artifact) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, one := range artifacts {
		if one.Size == 0 {
			one.Size = int64(len(one.Content))
		}
		s.artifacts = append(remove(s.artifacts, func(a Artifact) bool { return a.ID == one.ID }), one)
	}
}

func remove[T any](all []T, which func(T) bool) (out []T) {
	for _, one := range all {
		if !which(one) {
			out = append(out, one)
		}
	}
	return out
}

// Refuse answers in the API's place where it returns true; nil ends that.
func (s *Server) Refuse(refuse func(w http.ResponseWriter, r *http.Request) bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.refuse = refuse
}

// Asked are the questions to the API so far.
func (s *Server) Asked() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]string(nil), s.asked...)
}

// Shown are the credentials that were shown where files are, in order.
func (s *Server) Shown() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]string(nil), s.shown...)
}

func (s *Server) listRuns(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	known := false
	runs := []Run{}
	for _, run := range s.runs {
		if run.Workflow == r.PathValue("file") {
			known = true
			if head := r.URL.Query().Get("head_sha"); head == "" || head == run.HeadSHA {
				runs = append(runs, run)
			}
		}
	}
	if !known {
		http.Error(w, `{"message": "Not Found"}`, http.StatusNotFound)
		return
	}
	answer(w, map[string]any{"total_count": len(runs), "workflow_runs": runs})
}

func (s *Server) listArtifacts(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	artifacts := []Artifact{}
	for _, one := range s.artifacts {
		if strconv.FormatInt(one.Run, 10) == r.PathValue("run") {
			artifacts = append(artifacts, one)
		}
	}
	answer(w, map[string]any{"total_count": len(artifacts), "artifacts": artifacts})
}

func (s *Server) locate(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Location", s.Files.URL+"/"+r.PathValue("id")+"?sig=a-secret")
	w.WriteHeader(http.StatusFound)
}

func (s *Server) serveFile(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.shown = append(s.shown, r.Header.Get("Authorization"))
	for _, one := range s.artifacts {
		if strconv.FormatInt(one.ID, 10) == strings.TrimPrefix(r.URL.Path, "/") && r.URL.Query().Get("sig") == "a-secret" {
			_, _ = w.Write(one.Content)
			return
		}
	}
	http.NotFound(w, r)
}

func answer(w http.ResponseWriter, body any) {
	w.Header().Set("Content-Type", "application/json")
	// What these are made of always encodes.
	_ = json.NewEncoder(w).Encode(body)
}
