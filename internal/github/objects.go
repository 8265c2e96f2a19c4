package github

import (
	"context"
	"encoding/json"
	"fmt"
	"strconv"
	"time"

	"github.com/google/go-github/v60/github"
)

// The bounds of a search for what an attempt has made: GitHub gives a hundred a page.
const (
	pageSize  = 100
	mostPages = 10
)

// statusThing is a commit status. Each state is posted anew, and the newest of a context stands.
type statusThing struct{ commitStatus }

func (t statusThing) name() string { return "status/" + t.Context }
func (t statusThing) says() any    { return t.commitStatus }

func (t statusThing) find(ctx context.Context, p *pass, _ Object) (string, bool, error) {
	options := &github.ListOptions{PerPage: pageSize}
	for range mostPages {
		list, response, err := p.client.Repositories.ListStatuses(ctx, p.repo.Owner, p.repo.Name, p.work.Commit, options)
		if err != nil {
			return "", false, err
		}
		for _, one := range list {
			if one.GetContext() == t.Context {
				same := one.GetState() == t.State && one.GetDescription() == t.Description && one.GetTargetURL() == t.Target
				return strconv.FormatInt(one.GetID(), 10), same, nil
			}
		}
		if options.Page = response.NextPage; options.Page == 0 {
			break
		}
	}
	return "", false, nil
}

func (t statusThing) send(ctx context.Context, p *pass, _ Object) (string, error) {
	made, _, err := p.client.Repositories.CreateStatus(ctx, p.repo.Owner, p.repo.Name, p.work.Commit, &github.RepoStatus{
		State: &t.State, Description: &t.Description, Context: &t.Context, TargetURL: some(t.Target),
	})
	if err != nil {
		return "", err
	}
	return strconv.FormatInt(made.GetID(), 10), nil
}

// some is nil for nothing, which GitHub then is not told.
func some(text string) *string {
	if text == "" {
		return nil
	}
	return &text
}

func stamp(seconds int64) *github.Timestamp {
	if seconds == 0 {
		return nil
	}
	return &github.Timestamp{Time: time.Unix(seconds, 0).UTC()}
}

// checkThing is a check run, made once and changed from then on.
type checkThing struct{ check }

func (t checkThing) name() string { return "check" }
func (t checkThing) says() any    { return t.check }

func (t checkThing) find(ctx context.Context, p *pass, o Object) (string, bool, error) {
	if o.Remote != "" {
		// Changing it twice is changing it once.
		return o.Remote, false, nil
	}
	options := &github.ListCheckRunsOptions{CheckName: &t.Name, Filter: github.String("all"), ListOptions: github.ListOptions{PerPage: pageSize}}
	if app := p.Connection.app; app != nil {
		options.AppID = &app.id
	}
	for range mostPages {
		list, response, err := p.client.Checks.ListCheckRunsForRef(ctx, p.repo.Owner, p.repo.Name, p.work.Commit, options)
		if err != nil {
			return "", false, err
		}
		for _, one := range list.CheckRuns {
			if one.GetExternalID() == t.External {
				return strconv.FormatInt(one.GetID(), 10), false, nil
			}
		}
		if options.Page = response.NextPage; options.Page == 0 {
			break
		}
	}
	return "", false, nil
}

func (t checkThing) send(ctx context.Context, p *pass, o Object) (string, error) {
	output := &github.CheckRunOutput{Title: &t.Title, Summary: &t.Summary, Text: some(t.Text)}
	var actions []*github.CheckRunAction
	for _, a := range t.Actions {
		actions = append(actions, &github.CheckRunAction{Label: a.Label, Description: a.Description, Identifier: a.Identifier})
	}
	if o.Remote != "" {
		id, err := number(o.Remote)
		if err != nil {
			return "", err
		}
		_, _, err = p.client.Checks.UpdateCheckRun(ctx, p.repo.Owner, p.repo.Name, id, github.UpdateCheckRunOptions{
			Name: t.Name, DetailsURL: some(t.Details), ExternalID: &t.External, Status: &t.Status, Conclusion: some(t.Conclusion),
			CompletedAt: stamp(t.Completed), Output: output, Actions: actions,
		})
		return o.Remote, err
	}
	made, _, err := p.client.Checks.CreateCheckRun(ctx, p.repo.Owner, p.repo.Name, github.CreateCheckRunOptions{
		Name: t.Name, HeadSHA: p.work.Commit, DetailsURL: some(t.Details), ExternalID: &t.External, Status: &t.Status, Conclusion: some(t.Conclusion),
		StartedAt: stamp(t.Started), CompletedAt: stamp(t.Completed), Output: output, Actions: actions,
	})
	if err != nil {
		return "", err
	}
	return strconv.FormatInt(made.GetID(), 10), nil
}

// number reads an ID that was stored.
func number(remote string) (int64, error) {
	id, err := strconv.ParseInt(remote, 10, 64)
	if err != nil {
		return 0, fmt.Errorf("the stored ID %q is no number", remote)
	}
	return id, nil
}

// deploymentThing is a deployment. It is made once; how it goes is said by its states.
type deploymentThing struct{ deployment }

func (t deploymentThing) name() string { return "deployment" }
func (t deploymentThing) says() any    { return t.deployment }

// deploymentPayload says whose a deployment is, to us and to whoever hears of it.
type deploymentPayload struct {
	Release string `json:"skyisland_release"`
}

func (t deploymentThing) find(ctx context.Context, p *pass, _ Object) (string, bool, error) {
	options := &github.DeploymentsListOptions{SHA: t.Commit, Environment: t.Environment, Task: t.Task, ListOptions: github.ListOptions{PerPage: pageSize}}
	for range mostPages {
		list, response, err := p.client.Repositories.ListDeployments(ctx, p.repo.Owner, p.repo.Name, options)
		if err != nil {
			return "", false, err
		}
		for _, one := range list {
			var payload deploymentPayload
			// A payload that is something else is another program's deployment.
			if json.Unmarshal(one.Payload, &payload) == nil && payload.Release == t.Release {
				return strconv.FormatInt(one.GetID(), 10), true, nil
			}
		}
		if options.Page = response.NextPage; options.Page == 0 {
			break
		}
	}
	return "", false, nil
}

func (t deploymentThing) send(ctx context.Context, p *pass, o Object) (string, error) {
	if o.Remote != "" {
		// Nothing of a deployment can be changed.
		return o.Remote, nil
	}
	made, _, err := p.client.Repositories.CreateDeployment(ctx, p.repo.Owner, p.repo.Name, &github.DeploymentRequest{
		Ref: &t.Commit, Task: &t.Task, AutoMerge: github.Bool(false), RequiredContexts: &[]string{}, Payload: deploymentPayload{t.Release},
		Environment: &t.Environment, Description: &t.Description,
	})
	if err != nil {
		return "", err
	}
	return strconv.FormatInt(made.GetID(), 10), nil
}

// stateThing is the newest state of the deployment.
type stateThing struct {
	deploymentState

	environment string
}

func (t stateThing) name() string { return "deployment-status" }
func (t stateThing) says() any    { return t.deploymentState }

// of is the deployment; 0 when there is none, because GitHub refused it.
func (t stateThing) of(p *pass) (int64, error) {
	o := p.objects["deployment"]
	if o.State != Sent {
		return 0, nil
	}
	return number(o.Remote)
}

func (t stateThing) find(ctx context.Context, p *pass, _ Object) (string, bool, error) {
	id, err := t.of(p)
	if err != nil || id == 0 {
		return "", false, err
	}
	list, _, err := p.client.Repositories.ListDeploymentStatuses(ctx, p.repo.Owner, p.repo.Name, id, &github.ListOptions{PerPage: pageSize})
	if err != nil || len(list) == 0 {
		return "", false, err
	}
	newest := list[0]
	return strconv.FormatInt(newest.GetID(), 10), newest.GetState() == t.State && newest.GetDescription() == t.Description, nil
}

func (t stateThing) send(ctx context.Context, p *pass, _ Object) (string, error) {
	id, err := t.of(p)
	if err != nil {
		return "", err
	}
	if id == 0 {
		return "", &failure{error: fmt.Errorf("there is no deployment to give a state"), refused: p.objects["deployment"].State == Dead}
	}
	made, _, err := p.client.Repositories.CreateDeploymentStatus(ctx, p.repo.Owner, p.repo.Name, id, &github.DeploymentStatusRequest{
		State: &t.State, Description: &t.Description, LogURL: some(t.Log), Environment: &t.environment, AutoInactive: &t.Retires,
	})
	if err != nil {
		return "", err
	}
	return strconv.FormatInt(made.GetID(), 10), nil
}
