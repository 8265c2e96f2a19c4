package githubtest

import (
	"encoding/json"
	"net/http"
	"slices"
	"time"
	"unicode/utf8"
)

// Deployment is one, with its states in the order they came.
type Deployment struct {
	ID          int64              `json:"id"`
	SHA         string             `json:"sha"`
	Ref         string             `json:"ref"`
	Task        string             `json:"task"`
	Environment string             `json:"environment"`
	Description string             `json:"description"`
	Payload     json.RawMessage    `json:"payload"`
	Transient   bool               `json:"transient_environment"`
	Production  bool               `json:"production_environment"`
	CreatedAt   time.Time          `json:"created_at"`
	States      []DeploymentStatus `json:"-"`
}

// State is the newest state; empty without one.
func (d *Deployment) State() string {
	if len(d.States) == 0 {
		return ""
	}
	return d.States[len(d.States)-1].State
}

// DeploymentStatus is a state of a deployment.
type DeploymentStatus struct {
	ID             int64     `json:"id"`
	State          string    `json:"state"`
	LogURL         string    `json:"log_url"`
	Description    string    `json:"description"`
	Environment    string    `json:"environment,omitempty"`
	EnvironmentURL string    `json:"environment_url"`
	CreatedAt      time.Time `json:"created_at"`
}

func (s *Server) createDeployment(c *call) (answer, *problem) {
	in := struct {
		Ref              string          `json:"ref"`
		Task             string          `json:"task"`
		AutoMerge        *bool           `json:"auto_merge"`
		RequiredContexts *[]string       `json:"required_contexts"`
		Payload          json.RawMessage `json:"payload"`
		Environment      string          `json:"environment"`
		Description      string          `json:"description"`
		Transient        bool            `json:"transient_environment"`
		Production       *bool           `json:"production_environment"`
	}{Task: "deploy", Environment: "production", Payload: json.RawMessage(`""`)}
	if wrong := c.decode(&in); wrong != nil {
		return answer{}, wrong
	}
	if in.Ref == "" {
		return answer{}, invalid("Deployment", "ref", "missing_field")
	}
	if utf8.RuneCountInString(in.Description) > mostDescription {
		return answer{}, invalid("Deployment", "description", "too_long")
	}
	sha, branch := in.Ref, ""
	if head, there := c.repo.Branches[in.Ref]; there {
		sha, branch = head, in.Ref
	} else if !c.repo.Commits[in.Ref] {
		return answer{}, &problem{status: http.StatusUnprocessableEntity, message: "No ref found for: " + in.Ref}
	}
	if (in.AutoMerge == nil || *in.AutoMerge) && branch != "" && branch != "main" && sha != c.repo.Branches["main"] {
		// The default branch is merged into the ref instead, and nothing is deployed.
		return answer{status: http.StatusAccepted, body: map[string]string{"message": "Auto-merged main into " + branch + " on deployment."}}, nil
	}
	if wrong := requiredContexts(c.repo, sha, in.RequiredContexts); wrong != nil {
		return answer{}, wrong
	}
	d := &Deployment{
		ID: s.next(), SHA: sha, Ref: in.Ref, Task: in.Task, Environment: in.Environment, Description: in.Description, Payload: in.Payload,
		Transient: in.Transient, Production: in.Environment == "production", CreatedAt: c.now.UTC(),
	}
	if in.Production != nil {
		d.Production = *in.Production
	}
	c.repo.Deployments = append(c.repo.Deployments, d)
	return answer{status: http.StatusCreated, body: *d}, nil
}

// requiredContexts refuses a deployment of a commit whose statuses have not all succeeded; nil wants all of them to.
func requiredContexts(r *Repository, sha string, contexts *[]string) *problem {
	standing := r.Standing(sha)
	var wanted []string
	if contexts != nil {
		wanted = *contexts
	} else {
		for context := range standing {
			wanted = append(wanted, context)
		}
	}
	for _, context := range wanted {
		if standing[context].State != "success" {
			return &problem{status: http.StatusConflict, message: "Conflict: Commit status checks failed for " + sha + "."}
		}
	}
	return nil
}

// listDeployments are those that match, the newest first.
func (s *Server) listDeployments(c *call) (answer, *problem) {
	query := c.URL.Query()
	var all []Deployment
	for _, d := range slices.Backward(c.repo.Deployments) {
		if fits(query.Get("sha"), d.SHA) && fits(query.Get("environment"), d.Environment) && fits(query.Get("task"), d.Task) && fits(query.Get("ref"), d.Ref) {
			all = append(all, *d)
		}
	}
	body, link := page(c, all)
	return answer{body: body, link: link}, nil
}

func fits(wanted, is string) bool { return wanted == "" || wanted == "none" || wanted == is }

func (c *call) deployment() *Deployment {
	for _, d := range c.repo.Deployments {
		if d.ID == c.id("id") {
			return d
		}
	}
	return nil
}

func (s *Server) createDeploymentStatus(c *call) (answer, *problem) {
	d := c.deployment()
	if d == nil {
		return answer{}, notFound()
	}
	in := struct {
		DeploymentStatus

		AutoInactive *bool  `json:"auto_inactive"`
		TargetURL    string `json:"target_url"`
	}{}
	if wrong := c.decode(&in); wrong != nil {
		return answer{}, wrong
	}
	if !slices.Contains([]string{"error", "failure", "inactive", "in_progress", "queued", "pending", "success"}, in.State) {
		return answer{}, invalid("DeploymentStatus", "state", "custom")
	}
	if utf8.RuneCountInString(in.Description) > mostDescription {
		return answer{}, invalid("DeploymentStatus", "description", "too_long")
	}
	if in.Environment == "" {
		in.Environment = d.Environment
	}
	if in.State == "success" && (in.AutoInactive == nil || *in.AutoInactive) {
		s.retire(c, d, in.Environment)
	}
	in.ID, in.CreatedAt = s.next(), c.now.UTC()
	d.States = append(d.States, in.DeploymentStatus)
	return answer{status: http.StatusCreated, body: in.DeploymentStatus}, nil
}

// retire marks earlier deployments of an environment inactive that have succeeded.
func (s *Server) retire(c *call, now *Deployment, environment string) {
	for _, d := range c.repo.Deployments {
		if d == now {
			return
		}
		if d.Environment == environment && !d.Transient && d.State() == "success" {
			d.States = append(d.States, DeploymentStatus{ID: s.next(), State: "inactive", Environment: environment, CreatedAt: c.now.UTC()})
		}
	}
}

// listDeploymentStatuses are those of a deployment, the newest first.
func (s *Server) listDeploymentStatuses(c *call) (answer, *problem) {
	d := c.deployment()
	if d == nil {
		return answer{}, notFound()
	}
	all := slices.Clone(d.States)
	slices.Reverse(all)
	body, link := page(c, all)
	return answer{body: body, link: link}, nil
}
