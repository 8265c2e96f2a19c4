package githubtest

import (
	"net/http"
	"slices"
	"time"
	"unicode/utf8"
)

// Status is a commit status as it was posted; a newer one of its context stands for the commit.
type Status struct {
	ID          int64     `json:"id"`
	SHA         string    `json:"-"`
	State       string    `json:"state"`
	TargetURL   string    `json:"target_url"`
	Description string    `json:"description"`
	Context     string    `json:"context"`
	CreatedAt   time.Time `json:"created_at"`
}

// mostDescription is the most characters of a status' or deployment's description.
const mostDescription = 140

// Standing are the newest states of a commit by their context.
func (r *Repository) Standing(sha string) map[string]Status {
	out := map[string]Status{}
	for _, status := range r.Statuses {
		if status.SHA == sha {
			out[status.Context] = status
		}
	}
	return out
}

func (s *Server) createStatus(c *call) (answer, *problem) {
	sha := c.PathValue("sha")
	if wrong := c.commit(sha); wrong != nil {
		return answer{}, wrong
	}
	status := Status{Context: "default"}
	if wrong := c.decode(&status); wrong != nil {
		return answer{}, wrong
	}
	if !slices.Contains([]string{"pending", "success", "error", "failure"}, status.State) {
		return answer{}, invalid("Status", "state", "custom")
	}
	if utf8.RuneCountInString(status.Description) > mostDescription {
		return answer{}, invalid("Status", "description", "custom")
	}
	status.ID, status.SHA, status.CreatedAt = s.next(), sha, c.now.UTC()
	c.repo.Statuses = append(c.repo.Statuses, status)
	return answer{status: http.StatusCreated, body: status}, nil
}

// listStatuses are all of a commit, the newest first.
func (s *Server) listStatuses(c *call) (answer, *problem) {
	sha := c.PathValue("sha")
	if wrong := c.commit(sha); wrong != nil {
		return answer{}, wrong
	}
	var all []Status
	for _, status := range slices.Backward(c.repo.Statuses) {
		if status.SHA == sha {
			all = append(all, status)
		}
	}
	body, link := page(c, all)
	return answer{body: body, link: link}, nil
}

// CheckRun is a check run as it stands.
type CheckRun struct {
	ID          int64         `json:"id"`
	Name        string        `json:"name"`
	HeadSHA     string        `json:"head_sha"`
	Status      string        `json:"status"`
	Conclusion  string        `json:"conclusion,omitempty"`
	ExternalID  string        `json:"external_id"`
	DetailsURL  string        `json:"details_url"`
	StartedAt   *time.Time    `json:"started_at,omitempty"`
	CompletedAt *time.Time    `json:"completed_at,omitempty"`
	Output      CheckOutput   `json:"output"`
	Actions     []CheckAction `json:"actions,omitempty"`
	// Updates is how often it was changed.
	Updates int `json:"-"`
}

// CheckOutput is what a check run shows.
type CheckOutput struct {
	Title   string `json:"title"`
	Summary string `json:"summary"`
	Text    string `json:"text,omitempty"`
}

// CheckAction is a button of a check run.
type CheckAction struct {
	Label       string `json:"label"`
	Description string `json:"description"`
	Identifier  string `json:"identifier"`
}

// checkChange are the fields of a request; those left out stay as they are.
type checkChange struct {
	Name        string         `json:"name"`
	HeadSHA     string         `json:"head_sha"`
	Status      *string        `json:"status"`
	Conclusion  *string        `json:"conclusion"`
	ExternalID  *string        `json:"external_id"`
	DetailsURL  *string        `json:"details_url"`
	StartedAt   *time.Time     `json:"started_at"`
	CompletedAt *time.Time     `json:"completed_at"`
	Output      *CheckOutput   `json:"output"`
	Actions     *[]CheckAction `json:"actions"`
}

// The bounds of what a check run shows, in characters; GitHub shows three buttons.
const (
	mostSummary = 65535
	mostActions = 3
)

func (ch checkChange) check() *problem {
	conclusions := []string{"success", "failure", "neutral", "cancelled", "skipped", "timed_out", "action_required"}
	switch {
	case ch.Name == "":
		return invalid("CheckRun", "name", "missing_field")
	case ch.Status != nil && !slices.Contains([]string{"queued", "in_progress", "completed"}, *ch.Status):
		return invalid("CheckRun", "status", "invalid")
	case ch.Conclusion != nil && !slices.Contains(conclusions, *ch.Conclusion):
		return invalid("CheckRun", "conclusion", "invalid")
	case ch.Status != nil && *ch.Status == "completed" && ch.Conclusion == nil:
		return invalid("CheckRun", "conclusion", "missing_field")
	case ch.Output != nil && (ch.Output.Title == "" || ch.Output.Summary == ""):
		return invalid("CheckRun", "output", "missing_field")
	case ch.Output != nil && (utf8.RuneCountInString(ch.Output.Summary) > mostSummary || utf8.RuneCountInString(ch.Output.Text) > mostSummary):
		return invalid("CheckRun", "output", "too_long")
	case ch.Actions != nil && len(*ch.Actions) > mostActions:
		return invalid("CheckRun", "actions", "too_many")
	}
	if ch.Actions == nil {
		return nil
	}
	for _, action := range *ch.Actions {
		for _, part := range []struct {
			text string
			most int
		}{{action.Label, 20}, {action.Description, 40}, {action.Identifier, 20}} {
			if n := utf8.RuneCountInString(part.text); n == 0 || n > part.most {
				return invalid("CheckRun", "actions", "invalid")
			}
		}
	}
	return nil
}

func (ch checkChange) apply(run *CheckRun, now time.Time) {
	run.Name = ch.Name
	set(&run.Status, ch.Status)
	set(&run.Conclusion, ch.Conclusion)
	set(&run.ExternalID, ch.ExternalID)
	set(&run.DetailsURL, ch.DetailsURL)
	set(&run.Output, ch.Output)
	set(&run.Actions, ch.Actions)
	if ch.StartedAt != nil {
		run.StartedAt = ch.StartedAt
	}
	if ch.CompletedAt != nil {
		run.CompletedAt = ch.CompletedAt
	}
	if run.Conclusion != "" {
		// A conclusion completes a run, whatever its status says.
		run.Status = "completed"
		if run.CompletedAt == nil {
			run.CompletedAt = &now
		}
	}
}

func set[T any](to, value *T) {
	if value != nil {
		*to = *value
	}
}

// onlyApps refuses who is no app: check runs are theirs.
func onlyApps(c *call) *problem {
	if c.by.kind == kindInstallation {
		return nil
	}
	return &problem{status: http.StatusForbidden, message: "You must authenticate via a GitHub App."}
}

func (s *Server) createCheckRun(c *call) (answer, *problem) {
	if wrong := onlyApps(c); wrong != nil {
		return answer{}, wrong
	}
	var change checkChange
	wrong := c.decode(&change)
	if wrong == nil {
		wrong = change.check()
	}
	if wrong == nil {
		wrong = c.commit(change.HeadSHA)
	}
	if wrong != nil {
		return answer{}, wrong
	}
	run := &CheckRun{ID: s.next(), HeadSHA: change.HeadSHA, Status: "queued"}
	change.apply(run, c.now.UTC())
	c.repo.CheckRuns = append(c.repo.CheckRuns, run)
	return answer{status: http.StatusCreated, body: *run}, nil
}

func (s *Server) updateCheckRun(c *call) (answer, *problem) {
	if wrong := onlyApps(c); wrong != nil {
		return answer{}, wrong
	}
	for _, run := range c.repo.CheckRuns {
		if run.ID != c.id("id") {
			continue
		}
		change := checkChange{Name: run.Name}
		wrong := c.decode(&change)
		if wrong == nil {
			wrong = change.check()
		}
		if wrong != nil {
			return answer{}, wrong
		}
		change.apply(run, c.now.UTC())
		run.Updates++
		return answer{body: *run}, nil
	}
	return answer{}, notFound()
}

// listCheckRuns are those of a commit, the newest first; by default the newest of each name alone.
func (s *Server) listCheckRuns(c *call) (answer, *problem) {
	query := c.URL.Query()
	var all []CheckRun
	seen := map[string]bool{}
	for _, run := range slices.Backward(c.repo.CheckRuns) {
		if run.HeadSHA != c.PathValue("sha") || query.Get("check_name") != "" && query.Get("check_name") != run.Name {
			continue
		}
		if query.Get("filter") != "all" && seen[run.Name] {
			continue
		}
		seen[run.Name] = true
		all = append(all, *run)
	}
	body, link := page(c, all)
	return answer{body: map[string]any{"total_count": len(all), "check_runs": body}, link: link}, nil
}
