package githubtest

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// call is one request as its handler sees it.
type call struct {
	*http.Request
	body []byte
	by   *credential
	repo *Repository
	now  time.Time
}

// decode reads the body; fields that GitHub does not know are a mistake of ours.
func (c *call) decode(into any) *problem {
	decoder := json.NewDecoder(bytes.NewReader(c.body))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(into); err != nil {
		return &problem{status: http.StatusBadRequest, message: "Problems parsing JSON: " + err.Error()}
	}
	return nil
}

func (c *call) id(name string) int64 {
	id, err := strconv.ParseInt(c.PathValue(name), 10, 64)
	if err != nil {
		return -1
	}
	return id
}

// bodyLimit is more than any body may have.
const bodyLimit = 8 << 20

// handler has all routes. Handlers run under the lock.
func (s *Server) handler() http.Handler {
	mux := http.NewServeMux()
	const repo = "/repos/{owner}/{repo}"
	for pattern, do := range map[string]func(*call) (answer, *problem){
		"GET " + repo:                                                    s.repository,
		"GET " + repo + "/branches":                                      s.branches,
		"GET " + repo + "/git/ref/heads/{branch...}":                     s.ref,
		"POST " + repo + "/statuses/{sha}":                               s.createStatus,
		"GET " + repo + "/commits/{sha}/statuses":                        s.listStatuses,
		"POST " + repo + "/check-runs":                                   s.createCheckRun,
		"PATCH " + repo + "/check-runs/{id}":                             s.updateCheckRun,
		"GET " + repo + "/commits/{sha}/check-runs":                      s.listCheckRuns,
		"POST " + repo + "/deployments":                                  s.createDeployment,
		"GET " + repo + "/deployments":                                   s.listDeployments,
		"POST " + repo + "/deployments/{id}/statuses":                    s.createDeploymentStatus,
		"GET " + repo + "/deployments/{id}/statuses":                     s.listDeploymentStatuses,
		"GET " + repo + "/commits/{sha}/pulls":                           s.listPulls,
		"GET " + repo + "/issues/{number}/comments":                      s.listIssueComments,
		"POST " + repo + "/issues/{number}/comments":                     s.createIssueComment,
		"PATCH " + repo + "/issues/comments/{id}":                        s.editComment,
		"GET " + repo + "/commits/{sha}/comments":                        s.listCommitComments,
		"POST " + repo + "/commits/{sha}/comments":                       s.createCommitComment,
		"PATCH " + repo + "/comments/{id}":                               s.editComment,
		"GET " + repo + "/hooks":                                         s.listHooks,
		"GET /app/hook/deliveries":                                       s.listDeliveries,
		"GET /app/hook/deliveries/{id}":                                  s.showDelivery,
		"GET " + repo + "/hooks/{hook}/deliveries":                       s.listDeliveries,
		"GET " + repo + "/hooks/{hook}/deliveries/{id}":                  s.showDelivery,
		"POST " + repo + "/hooks/{hook}/deliveries/{id}/attempts":        s.redeliver,
		"GET " + repo + "/actions/runs":                                  s.listRuns,
		"GET " + repo + "/actions/runs/{id}":                             s.showRun,
		"GET " + repo + "/actions/runs/{id}/artifacts":                   s.listArtifacts,
		"POST " + repo + "/actions/runs/{id}/deployment_protection_rule": s.answerProtection,
		"GET " + repo + "/installation":                                  s.installation,
		"POST /app/installations/{id}/access_tokens":                     s.installationToken,
		"GET /rate_limit":                                                s.rateLimit,
	} {
		mux.HandleFunc(pattern, func(w http.ResponseWriter, r *http.Request) { s.serve(w, r, do) })
	}
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		s.serve(w, r, func(*call) (answer, *problem) { return answer{}, notFound() })
	})
	return mux
}

// serve asks the faults, then who it is, then what it wants.
func (s *Server) serve(w http.ResponseWriter, r *http.Request, do func(*call) (answer, *problem)) {
	body, err := io.ReadAll(io.LimitReader(r.Body, bodyLimit))
	if err != nil {
		return
	}
	// A base URL of Enterprise Server has a path before everything; here there is none.
	fault := s.fault(r)
	if fault != nil && fault.Until != nil {
		select {
		case <-fault.Until:
		case <-r.Context().Done():
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	c := &call{Request: r, body: body, now: s.options.Now()}
	c.by = s.whoIs(c)
	record := Request{Method: r.Method, Path: r.URL.Path, Query: r.URL.RawQuery, Body: body, By: c.by.name()}
	defer func() { s.requests = append(s.requests, record) }()
	if fault != nil && !fault.After {
		record.Status = fault.fail(w, c.now)
		return
	}
	out, wrong := s.handle(w, c, do)
	if fault != nil {
		// It took effect, and nobody hears of it.
		record.Status = fault.fail(w, c.now)
		return
	}
	if wrong != nil {
		record.Status = wrong.status
		refuse(w, wrong)
		return
	}
	record.Status = out.status
	if out.link != "" {
		w.Header().Set("Link", "<"+s.URL+r.URL.Path+"?"+out.link+`>; rel="next"`)
	}
	write(w, out.status, out.body)
}

func (s *Server) handle(w http.ResponseWriter, c *call, do func(*call) (answer, *problem)) (answer, *problem) {
	if wrong := s.mayAsk(w, c); wrong != nil {
		return answer{}, wrong
	}
	out, wrong := do(c)
	if out.status == 0 {
		out.status = http.StatusOK
	}
	return out, wrong
}

func refuse(w http.ResponseWriter, p *problem) {
	body := map[string]any{"message": p.message, "documentation_url": "https://docs.github.com/rest"}
	if p.errors != nil {
		body["errors"] = p.errors
	}
	write(w, p.status, body)
}

// mayAsk says who may not ask, counts requests, and finds the repository.
func (s *Server) mayAsk(w http.ResponseWriter, c *call) *problem {
	if c.by == nil {
		return &problem{status: http.StatusUnauthorized, message: "Bad credentials"}
	}
	if wrong := s.count(w, c); wrong != nil {
		return wrong
	}
	if c.PathValue("repo") == "" {
		return nil
	}
	c.repo = s.repositories[strings.ToLower(c.PathValue("owner")+"/"+c.PathValue("repo"))]
	switch {
	case c.repo == nil:
		return notFound()
	case c.by.kind == kindApp:
		if !strings.HasSuffix(c.URL.Path, "/installation") {
			return &problem{status: http.StatusForbidden, message: "Resource not accessible by integration"}
		}
	case c.by.kind == kindInstallation && !strings.EqualFold(c.by.owner, c.repo.Owner):
		// GitHub does not say that there is something one may not see.
		return notFound()
	}
	return nil
}

// commit wants a whole SHA-1 of a commit that is there.
func (c *call) commit(sha string) *problem {
	if len(sha) != 40 || strings.Trim(sha, "0123456789abcdef") != "" {
		return &problem{status: http.StatusUnprocessableEntity, message: "The sha parameter must be exactly 40 characters and contain only [0-9a-f]."}
	}
	if !c.repo.Commits[sha] {
		return &problem{status: http.StatusUnprocessableEntity, message: "No commit found for SHA: " + sha}
	}
	return nil
}

// page cuts a list as per_page and page say.
func page[T any](c *call, all []T) ([]T, string) {
	query := c.URL.Query()
	per, err := strconv.Atoi(query.Get("per_page"))
	if err != nil || per < 1 {
		per = 30
	}
	per = min(per, 100)
	number, err := strconv.Atoi(query.Get("page"))
	if err != nil || number < 1 {
		number = 1
	}
	from, to := min((number-1)*per, len(all)), min(number*per, len(all))
	link := ""
	if to < len(all) {
		query.Set("page", strconv.Itoa(number+1))
		link = query.Encode()
	}
	return append([]T{}, all[from:to]...), link
}

// drop ends the connection without an answer.
func drop(w http.ResponseWriter) error {
	hijacker, ok := w.(http.Hijacker)
	if !ok {
		return errors.New("the connection cannot be taken")
	}
	conn, _, err := hijacker.Hijack()
	if err != nil {
		return err
	}
	return conn.Close()
}
