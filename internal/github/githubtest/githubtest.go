// Package githubtest is a stand-in for GitHub's REST API as far as releases are told there and built from there: commit
// statuses, check runs, deployments, comments, webhook deliveries, branches, workflow runs and their artifacts, and GitHub
// Apps with their tokens. It refuses what GitHub refuses, and fails on demand the ways GitHub does.
package githubtest

import (
	"crypto/rsa"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"time"
)

// Options say what the server knows.
type Options struct {
	// Now is the server's clock; nil is the system's.
	Now func() time.Time
	// Tokens are those of people and machines, which see every repository and may do everything but check runs.
	Tokens []string
	// AppID and AppKey are of the app that there is; 0 is none.
	AppID  int64
	AppKey *rsa.PublicKey
	// Installed are the owners that have installed the app.
	Installed []string
	// Hourly is how many requests each token has in an hour; 0 is 5000.
	Hourly int
}

// Server answers as api.github.com does.
type Server struct {
	*httptest.Server
	options Options

	mu           sync.Mutex
	serial       int64
	repositories map[string]*Repository
	// appDeliveries are those of the App's own webhook.
	appDeliveries []*Delivery
	tokens        map[string]*credential
	faults        []*Fault
	requests      []Request
	used          map[string]int
}

// Request is one that came, whatever was answered.
type Request struct {
	Method, Path, Query string
	Body                json.RawMessage
	// By is who asked: token, installation, app, or nobody.
	By string
	// Status is what was answered; 0 when the connection was dropped.
	Status int
}

// Repository is what there is in a repository.
type Repository struct {
	Owner, Name string
	ID          int64
	// Branches are heads by name, Commits those that exist beside them, Pulls the pull requests of a commit.
	Branches map[string]string
	Commits  map[string]bool
	Pulls    map[string][]Pull
	// Statuses, CheckRuns, Deployments and Comments are in the order they came.
	Statuses    []Status
	CheckRuns   []*CheckRun
	Deployments []*Deployment
	Comments    []*Comment
	// HookURLs are where webhooks deliver, Hooks what they have delivered.
	HookURLs    map[int64]string
	Hooks       map[int64][]*Delivery
	Redelivered []int64
	Runs        []WorkflowRun
	Artifacts   map[int64][]Artifact
	Answers     []ProtectionAnswer
}

// New starts a server; close it after use.
func New(o Options) *Server {
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Hourly == 0 {
		o.Hourly = 5000
	}
	s := &Server{options: o, repositories: map[string]*Repository{}, tokens: map[string]*credential{}, used: map[string]int{}}
	for _, token := range o.Tokens {
		s.tokens[token] = &credential{kind: "token"}
	}
	s.Server = httptest.NewServer(s.handler())
	return s
}

// Add makes a repository owner/name with commits, of which the first is the head of main.
func (s *Server) Add(fullName string, commits ...string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	owner, name, _ := strings.Cut(fullName, "/")
	r := &Repository{
		Owner: owner, Name: name, ID: s.next(), Branches: map[string]string{}, Commits: map[string]bool{}, Pulls: map[string][]Pull{},
		HookURLs: map[int64]string{}, Hooks: map[int64][]*Delivery{}, Artifacts: map[int64][]Artifact{},
	}
	for i, commit := range commits {
		if i == 0 {
			r.Branches["main"] = commit
		}
		r.Commits[commit] = true
	}
	s.repositories[strings.ToLower(fullName)] = r
}

// With looks at a repository, or changes it, while nobody else does. One that is not there is added.
func (s *Server) With(fullName string, do func(r *Repository)) {
	s.mu.Lock()
	r := s.repositories[strings.ToLower(fullName)]
	s.mu.Unlock()
	if r == nil {
		s.Add(fullName)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	do(s.repositories[strings.ToLower(fullName)])
}

// Requests are those that came so far, in order.
func (s *Server) Requests() []Request {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.requests)
}

// Count is how many requests of a method came for paths that end so.
func (s *Server) Count(method, suffix string) int {
	n := 0
	for _, r := range s.Requests() {
		if r.Method == method && strings.HasSuffix(r.Path, suffix) {
			n++
		}
	}
	return n
}

// Forget forgets the requests that came so far.
func (s *Server) Forget() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.requests = nil
}

// next is a new ID. The caller holds the lock.
func (s *Server) next() int64 {
	s.serial++
	return 1000 + s.serial
}

// problem is an answer that refuses.
type problem struct {
	status  int
	message string
	// errors are GitHub's list of what is wrong with fields.
	errors []map[string]string
}

func (p *problem) Error() string { return fmt.Sprintf("%d %s", p.status, p.message) }

func notFound() *problem { return &problem{status: http.StatusNotFound, message: "Not Found"} }

func invalid(resource, field, code string) *problem {
	return &problem{
		status: http.StatusUnprocessableEntity, message: "Validation Failed",
		errors: []map[string]string{{"resource": resource, "field": field, "code": code}},
	}
}

// answer is what a handler answers with.
type answer struct {
	status int
	body   any
	// next is the cursor of the page after this one, and link its parameters; empty without one.
	link string
}

func write(w http.ResponseWriter, status int, body any) {
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	w.WriteHeader(status)
	if body != nil {
		_ = json.NewEncoder(w).Encode(body)
	}
}
