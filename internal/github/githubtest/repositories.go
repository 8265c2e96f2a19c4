package githubtest

import (
	"encoding/json"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"time"
)

func (s *Server) repository(c *call) (answer, *problem) {
	full := c.repo.Owner + "/" + c.repo.Name
	return answer{body: map[string]any{
		"id": c.repo.ID, "name": c.repo.Name, "full_name": full, "default_branch": "main",
		"owner": map[string]string{"login": c.repo.Owner}, "clone_url": s.URL + "/" + full + ".git",
	}}, nil
}

func (s *Server) branches(c *call) (answer, *problem) {
	var all []map[string]any
	for _, name := range slices.Sorted(maps.Keys(c.repo.Branches)) {
		all = append(all, map[string]any{"name": name, "commit": map[string]string{"sha": c.repo.Branches[name]}, "protected": false})
	}
	body, link := page(c, all)
	return answer{body: body, link: link}, nil
}

func (s *Server) ref(c *call) (answer, *problem) {
	head, there := c.repo.Branches[c.PathValue("branch")]
	if !there {
		return answer{}, notFound()
	}
	return answer{body: map[string]any{"ref": "refs/heads/" + c.PathValue("branch"), "object": map[string]string{"type": "commit", "sha": head}}}, nil
}

// Delivery is a delivery of a webhook.
type Delivery struct {
	ID          int64     `json:"id"`
	GUID        string    `json:"guid"`
	DeliveredAt time.Time `json:"delivered_at"`
	Redelivery  bool      `json:"redelivery"`
	Duration    float64   `json:"duration"`
	Status      string    `json:"status"`
	StatusCode  int       `json:"status_code"`
	Event       string    `json:"event"`
	Action      *string   `json:"action"`
	// Headers and Payload are of the request; only the delivery itself shows them.
	Headers map[string]string `json:"-"`
	Payload json.RawMessage   `json:"-"`
}

// Deliver adds a delivery to a hook, as if it had been tried and answered with a status.
func (s *Server) Deliver(fullName string, hook int64, d Delivery) int64 {
	s.With(fullName, func(*Repository) {})
	id := int64(0)
	s.With(fullName, func(r *Repository) {
		d.ID = s.next()
		id = d.ID
		if d.DeliveredAt.IsZero() {
			d.DeliveredAt = s.options.Now().UTC()
		}
		if d.Status == "" {
			d.Status = http.StatusText(d.StatusCode)
		}
		r.Hooks[hook] = append(r.Hooks[hook], &d)
	})
	return id
}

// redeliverable is for how long a delivery can be had again.
const redeliverable = 3 * 24 * time.Hour

// AppDeliver adds a delivery to the App's own webhook, which is one for all repositories.
func (s *Server) AppDeliver(d Delivery) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if d.ID = s.next(); d.DeliveredAt.IsZero() {
		d.DeliveredAt = s.options.Now().UTC()
	}
	s.appDeliveries = append(s.appDeliveries, &d)
}

// listHooks are the webhooks of a repository.
func (s *Server) listHooks(c *call) (answer, *problem) {
	out := []map[string]any{}
	for _, id := range slices.Sorted(maps.Keys(c.repo.HookURLs)) {
		out = append(out, map[string]any{
			"id": id, "type": "Repository", "name": "web", "active": true, "events": []string{"push"},
			"config": map[string]string{"url": c.repo.HookURLs[id], "content_type": "json", "insecure_ssl": "0", "secret": "********"},
		})
	}
	return answer{body: out}, nil
}

// deliveriesOf are those of a repository's webhook, or of the App's.
func (s *Server) deliveriesOf(c *call) ([]*Delivery, bool) {
	if c.repo == nil {
		return s.appDeliveries, c.by != nil && c.by.kind == kindApp
	}
	all, there := c.repo.Hooks[c.id("hook")]
	_, made := c.repo.HookURLs[c.id("hook")]
	return all, there || made
}

// listDeliveries are those of a hook, the newest first, by cursor.
func (s *Server) listDeliveries(c *call) (answer, *problem) {
	all, there := s.deliveriesOf(c)
	if !there {
		return answer{}, notFound()
	}
	query := c.URL.Query()
	per, err := strconv.Atoi(query.Get("per_page"))
	if err != nil || per < 1 || per > 100 {
		per = 30
	}
	before := int64(1) << 62
	if cursor := query.Get("cursor"); cursor != "" {
		if before, err = strconv.ParseInt(cursor, 10, 64); err != nil {
			return answer{}, &problem{status: http.StatusUnprocessableEntity, message: "Invalid cursor"}
		}
	}
	out, link := []Delivery{}, ""
	for _, d := range slices.Backward(all) {
		if d.ID >= before {
			continue
		}
		if len(out) == per {
			link = url.Values{"per_page": {strconv.Itoa(per)}, "cursor": {strconv.FormatInt(out[per-1].ID, 10)}}.Encode()
			break
		}
		out = append(out, *d)
	}
	return answer{body: out, link: link}, nil
}

func (s *Server) delivery(c *call) *Delivery {
	all, _ := s.deliveriesOf(c)
	for _, d := range all {
		if d.ID == c.id("id") {
			return d
		}
	}
	return nil
}

func (s *Server) showDelivery(c *call) (answer, *problem) {
	d := s.delivery(c)
	if d == nil {
		return answer{}, notFound()
	}
	return answer{body: struct {
		Delivery

		Request map[string]any `json:"request"`
	}{*d, map[string]any{"headers": d.Headers, "payload": d.Payload}}}, nil
}

// redeliver answers 202, and keeps what is to be sent again; it has the GUID it had.
func (s *Server) redeliver(c *call) (answer, *problem) {
	d := s.delivery(c)
	if d == nil || c.now.Sub(d.DeliveredAt) > redeliverable {
		return answer{}, notFound()
	}
	again := *d
	again.ID, again.Redelivery, again.DeliveredAt = s.next(), true, c.now.UTC()
	hook := c.id("hook")
	c.repo.Hooks[hook] = append(c.repo.Hooks[hook], &again)
	c.repo.Redelivered = append(c.repo.Redelivered, d.ID)
	return answer{status: http.StatusAccepted, body: map[string]any{}}, nil
}

// WorkflowRun is a run of GitHub Actions.
type WorkflowRun struct {
	ID         int64     `json:"id"`
	Name       string    `json:"name"`
	HeadSHA    string    `json:"head_sha"`
	HeadBranch string    `json:"head_branch"`
	Event      string    `json:"event"`
	Status     string    `json:"status"`
	Conclusion *string   `json:"conclusion"`
	Path       string    `json:"path"`
	RunAttempt int       `json:"run_attempt"`
	CreatedAt  time.Time `json:"created_at"`
}

// Artifact is what a run uploaded.
type Artifact struct {
	ID        int64  `json:"id"`
	Name      string `json:"name"`
	SizeBytes int64  `json:"size_in_bytes"`
	Expired   bool   `json:"expired"`
	Digest    string `json:"digest,omitempty"`
	// Download is where it can be had.
	Download string `json:"archive_download_url"`
}

// ProtectionAnswer is what a waiting deployment was told; an empty State only tells how it stands.
type ProtectionAnswer struct {
	Run         int64  `json:"-"`
	Environment string `json:"environment_name"`
	State       string `json:"state"`
	Comment     string `json:"comment"`
}

func (s *Server) listRuns(c *call) (answer, *problem) {
	query := c.URL.Query()
	var all []WorkflowRun
	for _, run := range slices.Backward(c.repo.Runs) {
		conclusion := ""
		if run.Conclusion != nil {
			conclusion = *run.Conclusion
		}
		status := query.Get("status")
		if fits(query.Get("head_sha"), run.HeadSHA) && fits(query.Get("branch"), run.HeadBranch) && fits(query.Get("event"), run.Event) &&
			(status == "" || status == run.Status || status == conclusion) {
			all = append(all, run)
		}
	}
	body, link := page(c, all)
	return answer{body: map[string]any{"total_count": len(all), "workflow_runs": body}, link: link}, nil
}

func (s *Server) showRun(c *call) (answer, *problem) {
	for _, run := range c.repo.Runs {
		if run.ID == c.id("id") {
			return answer{body: run}, nil
		}
	}
	return answer{}, notFound()
}

func (s *Server) listArtifacts(c *call) (answer, *problem) {
	if _, wrong := s.showRun(c); wrong != nil {
		return answer{}, wrong
	}
	var all []Artifact
	for _, artifact := range c.repo.Artifacts[c.id("id")] {
		if fits(c.URL.Query().Get("name"), artifact.Name) {
			all = append(all, artifact)
		}
	}
	body, link := page(c, all)
	return answer{body: map[string]any{"total_count": len(all), "artifacts": body}, link: link}, nil
}

// answerProtection takes an app's word on a deployment that waits. What is decided cannot be decided again.
func (s *Server) answerProtection(c *call) (answer, *problem) {
	if wrong := onlyApps(c); wrong != nil {
		return answer{}, wrong
	}
	if _, wrong := s.showRun(c); wrong != nil {
		return answer{}, wrong
	}
	in := ProtectionAnswer{Run: c.id("id")}
	if wrong := c.decode(&in); wrong != nil {
		return answer{}, wrong
	}
	if in.Environment == "" || !slices.Contains([]string{"", "approved", "rejected"}, in.State) || in.State == "" && in.Comment == "" {
		return answer{}, invalid("DeploymentProtectionRule", "state", "custom")
	}
	for _, before := range c.repo.Answers {
		if before.Run == in.Run && before.Environment == in.Environment && before.State != "" {
			return answer{}, &problem{status: http.StatusUnprocessableEntity, message: "No pending deployment requests to approve or reject"}
		}
	}
	c.repo.Answers = append(c.repo.Answers, in)
	return answer{status: http.StatusNoContent}, nil
}
