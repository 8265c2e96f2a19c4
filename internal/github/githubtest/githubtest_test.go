package githubtest_test

import (
	"context"
	"crypto/rand"
	"crypto/rsa"
	"errors"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"
	"github.com/google/go-github/v60/github"

	"github.com/skyisland/skyisland/internal/github/githubtest"
)

const (
	sha   = "0d1a26e67d8f5eaf1f6ba5c57fc3c7d91ac0fd1c"
	older = "6113728f27ae82c7b1a177c8d03f9e96e0adf246"
)

// site is a server with a repository, and clients with a token and as an app.
type site struct {
	*githubtest.Server
	now   time.Time
	key   *rsa.PrivateKey
	token *github.Client
}

func open(t *testing.T, o githubtest.Options) *site {
	t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	s := &site{now: time.Now().UTC(), key: key}
	o.Now = func() time.Time { return s.now }
	o.Tokens, o.AppID, o.AppKey, o.Installed = []string{"ghp_1"}, 7, &key.PublicKey, []string{"acme"}
	s.Server = githubtest.New(o)
	t.Cleanup(s.Close)
	s.Add("acme/checkout", sha, older)
	s.Add("umbrella/other", sha)
	s.token = s.client(t, "ghp_1")
	return s
}

func (s *site) client(t *testing.T, token string) *github.Client {
	t.Helper()
	c := github.NewClient(nil).WithAuthToken(token)
	base, err := url.Parse(s.URL + "/")
	if err != nil {
		t.Fatal(err)
	}
	c.BaseURL = base
	return c
}

func (s *site) jwt(t *testing.T, issuer string, issued, expires time.Time) string {
	t.Helper()
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.RS256, Key: s.key}, nil)
	if err != nil {
		t.Fatal(err)
	}
	text, err := jwt.Signed(signer).Claims(jwt.Claims{Issuer: issuer, IssuedAt: jwt.NewNumericDate(issued), Expiry: jwt.NewNumericDate(expires)}).Serialize()
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// app is a client with an installation's token.
func (s *site) app(t *testing.T) *github.Client {
	t.Helper()
	c := s.client(t, s.jwt(t, "7", s.now.Add(-time.Minute), s.now.Add(9*time.Minute)))
	found, _, err := c.Apps.FindRepositoryInstallation(t.Context(), "acme", "checkout")
	if err != nil {
		t.Fatal(err)
	}
	token, _, err := c.Apps.CreateInstallationToken(t.Context(), found.GetID(), nil)
	if err != nil {
		t.Fatal(err)
	}
	if got := token.GetExpiresAt().Sub(s.now); got < 59*time.Minute || got > time.Hour {
		t.Errorf("the token lives for %s", got)
	}
	return s.client(t, token.GetToken())
}

func status(err error) int {
	var refused *github.ErrorResponse
	if errors.As(err, &refused) {
		return refused.Response.StatusCode
	}
	return 0
}

func want(t *testing.T, what string, err error, code int) {
	t.Helper()
	if status(err) != code {
		t.Errorf("%s: %v, want status %d", what, err, code)
	}
}

func ok(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func TestAStatusIsReplacedByANewerOneOfItsContext(t *testing.T) {
	s, ctx := open(t, githubtest.Options{}), t.Context()
	for _, state := range []string{"pending", "failure", "success"} {
		_, _, err := s.token.Repositories.CreateStatus(ctx, "acme", "checkout", sha, &github.RepoStatus{State: &state, Context: github.String("a")})
		ok(t, err)
	}
	list, _, err := s.token.Repositories.ListStatuses(ctx, "acme", "checkout", sha, nil)
	ok(t, err)
	s.With("acme/checkout", func(r *githubtest.Repository) {
		if len(list) != 3 || list[0].GetState() != "success" || r.Standing(sha)["a"].State != "success" {
			t.Errorf("%d statuses, the newest %v", len(list), list[0])
		}
	})
	post := func(at string, st github.RepoStatus) error {
		_, _, err := s.token.Repositories.CreateStatus(ctx, "acme", "checkout", at, &st)
		return err
	}
	want(t, "an unknown state", post(sha, github.RepoStatus{State: github.String("done")}), 422)
	want(t, "a long description", post(sha, github.RepoStatus{State: github.String("error"), Description: github.String(strings.Repeat("x", 141))}), 422)
	want(t, "a short SHA", post(sha[:12], github.RepoStatus{State: github.String("error")}), 422)
	want(t, "a commit that is not there", post("f"+sha[1:], github.RepoStatus{State: github.String("error")}), 422)
}

func TestCheckRunsAreOfApps(t *testing.T) {
	s, ctx := open(t, githubtest.Options{}), t.Context()
	good := github.CreateCheckRunOptions{Name: "skyisland", HeadSHA: sha, ExternalID: github.String("x/1"), Status: github.String("in_progress")}
	_, _, err := s.token.Checks.CreateCheckRun(ctx, "acme", "checkout", good)
	want(t, "a check run by token", err, 403)
	app := s.app(t)
	run, _, err := app.Checks.CreateCheckRun(ctx, "acme", "checkout", good)
	ok(t, err)
	_, _, err = app.Checks.UpdateCheckRun(ctx, "acme", "checkout", run.GetID(), github.UpdateCheckRunOptions{
		Name: "skyisland", Status: github.String("completed"), Conclusion: github.String("failure"),
		Output: &github.CheckRunOutput{Title: github.String("t"), Summary: github.String("s")},
	})
	ok(t, err)
	list, _, err := app.Checks.ListCheckRunsForRef(ctx, "acme", "checkout", sha, &github.ListCheckRunsOptions{Filter: github.String("all")})
	ok(t, err)
	if list.GetTotal() != 1 || list.CheckRuns[0].GetConclusion() != "failure" || list.CheckRuns[0].GetExternalID() != "x/1" {
		t.Errorf("listed %v", list.CheckRuns)
	}
	for what, o := range map[string]github.CreateCheckRunOptions{
		"an unknown status":         {Name: "n", HeadSHA: sha, Status: github.String("going")},
		"an unknown conclusion":     {Name: "n", HeadSHA: sha, Conclusion: github.String("fine")},
		"an end without conclusion": {Name: "n", HeadSHA: sha, Status: github.String("completed")},
		"no name":                   {HeadSHA: sha},
		"a long label":              {Name: "n", HeadSHA: sha, Actions: []*github.CheckRunAction{{Label: strings.Repeat("x", 21), Description: "d", Identifier: "i"}}},
		"a long description":        {Name: "n", HeadSHA: sha, Actions: []*github.CheckRunAction{{Label: "l", Description: strings.Repeat("x", 41), Identifier: "i"}}},
		"a long identifier":         {Name: "n", HeadSHA: sha, Actions: []*github.CheckRunAction{{Label: "l", Description: "d", Identifier: strings.Repeat("x", 21)}}},
		"a long summary":            {Name: "n", HeadSHA: sha, Output: &github.CheckRunOutput{Title: github.String("t"), Summary: github.String(strings.Repeat("x", 65536))}},
	} {
		_, _, err := app.Checks.CreateCheckRun(ctx, "acme", "checkout", o)
		want(t, what, err, 422)
	}
	_, _, err = app.Checks.CreateCheckRun(ctx, "umbrella", "other", github.CreateCheckRunOptions{Name: "n", HeadSHA: sha})
	want(t, "a repository of an owner without the app", err, 404)
}

func TestDeployments(t *testing.T) {
	s, ctx := open(t, githubtest.Options{}), t.Context()
	create := func(o github.DeploymentRequest) (*github.Deployment, error) {
		d, _, err := s.token.Repositories.CreateDeployment(ctx, "acme", "checkout", &o)
		return d, err
	}
	plain := github.DeploymentRequest{Ref: github.String(sha), AutoMerge: github.Bool(false), RequiredContexts: &[]string{}, Payload: map[string]string{"release": "x/1"}}
	one, err := create(plain)
	ok(t, err)
	two, err := create(plain)
	ok(t, err)
	say := func(d *github.Deployment, state string, auto *bool) error {
		_, _, err := s.token.Repositories.CreateDeploymentStatus(ctx, "acme", "checkout", d.GetID(), &github.DeploymentStatusRequest{State: &state, AutoInactive: auto})
		return err
	}
	states := func() (out []string) {
		s.With("acme/checkout", func(r *githubtest.Repository) {
			for _, d := range r.Deployments {
				out = append(out, d.State())
			}
		})
		return out
	}
	ok(t, say(one, "success", nil))
	ok(t, say(two, "success", github.Bool(false)))
	if got := states(); got[0] != "success" || got[1] != "success" {
		t.Errorf("with auto_inactive false the states are %v", got)
	}
	ok(t, say(two, "success", nil))
	if got := states(); got[0] != "inactive" || got[1] != "success" {
		t.Errorf("after a success the states are %v", got)
	}
	want(t, "an unknown state", say(two, "done", nil), 422)
	list, _, err := s.token.Repositories.ListDeployments(ctx, "acme", "checkout", &github.DeploymentsListOptions{SHA: sha, Environment: "production", Task: "deploy"})
	ok(t, err)
	if len(list) != 2 || list[0].GetID() != two.GetID() || string(list[0].Payload) != `{"release":"x/1"}` {
		t.Errorf("listed %v", list)
	}
	if none, _, err := s.token.Repositories.ListDeployments(ctx, "acme", "checkout", &github.DeploymentsListOptions{SHA: sha, Environment: "staging"}); err != nil || len(none) != 0 {
		t.Errorf("listed %v, %v", none, err)
	}
	_, _, err = s.token.Repositories.CreateStatus(ctx, "acme", "checkout", sha, &github.RepoStatus{State: github.String("pending")})
	ok(t, err)
	_, err = create(github.DeploymentRequest{Ref: github.String(sha), AutoMerge: github.Bool(false)})
	want(t, "a commit whose statuses are pending", err, 409)
	s.With("acme/checkout", func(r *githubtest.Repository) { r.Branches["topic"] = older })
	_, err = create(github.DeploymentRequest{Ref: github.String("topic"), RequiredContexts: &[]string{}})
	var accepted *github.AcceptedError
	if !errors.As(err, &accepted) || !strings.Contains(string(accepted.Raw), "Auto-merged") {
		t.Errorf("a merge instead of a deployment is %v, want an AcceptedError", err)
	}
	if len(states()) != 2 {
		t.Error("what was refused or merged is there as a deployment")
	}
}

func TestComments(t *testing.T) {
	s, ctx := open(t, githubtest.Options{}), t.Context()
	s.With("acme/checkout", func(r *githubtest.Repository) { r.Pulls[sha] = []githubtest.Pull{{Number: 12, State: "closed"}} })
	pulls, _, err := s.token.PullRequests.ListPullRequestsWithCommit(ctx, "acme", "checkout", sha, nil)
	ok(t, err)
	if len(pulls) != 1 || pulls[0].GetNumber() != 12 {
		t.Fatalf("pulls %v", pulls)
	}
	made, _, err := s.token.Issues.CreateComment(ctx, "acme", "checkout", 12, &github.IssueComment{Body: github.String("a")})
	ok(t, err)
	_, _, err = s.token.Issues.EditComment(ctx, "acme", "checkout", made.GetID(), &github.IssueComment{Body: github.String("b")})
	ok(t, err)
	beside, _, err := s.token.Repositories.CreateComment(ctx, "acme", "checkout", sha, &github.RepositoryComment{Body: github.String("c")})
	ok(t, err)
	_, _, err = s.token.Issues.EditComment(ctx, "acme", "checkout", beside.GetID(), &github.IssueComment{Body: github.String("b")})
	want(t, "a commit's comment among the issues'", err, 404)
	list, _, err := s.token.Issues.ListComments(ctx, "acme", "checkout", 12, &github.IssueListCommentsOptions{Since: &s.now})
	if err != nil || len(list) != 1 || list[0].GetBody() != "b" {
		t.Errorf("listed %v, %v", list, err)
	}
	ofCommit, _, err := s.token.Repositories.ListCommitComments(ctx, "acme", "checkout", sha, nil)
	if err != nil || len(ofCommit) != 1 || ofCommit[0].GetBody() != "c" {
		t.Errorf("listed %v, %v", ofCommit, err)
	}
	_, _, err = s.token.Issues.CreateComment(ctx, "acme", "checkout", 13, &github.IssueComment{Body: github.String("a")})
	want(t, "an issue that is not there", err, 404)
}

func TestDeliveriesAreListedByCursorAndHadAgain(t *testing.T) {
	s, ctx := open(t, githubtest.Options{}), t.Context()
	var ids []int64
	for i := range 5 {
		ids = append(ids, s.Deliver("acme/checkout", 3, githubtest.Delivery{
			GUID: "guid-" + strconv.Itoa(i), StatusCode: 502, Event: "push", Payload: []byte(`{"after":"` + sha + `"}`),
		}))
	}
	var got []string
	cursor := ""
	for {
		page, response, err := s.token.Repositories.ListHookDeliveries(ctx, "acme", "checkout", 3, &github.ListCursorOptions{PerPage: 2, Cursor: cursor})
		ok(t, err)
		for _, d := range page {
			got = append(got, d.GetGUID())
		}
		if cursor = response.Cursor; cursor == "" {
			break
		}
	}
	if strings.Join(got, " ") != "guid-4 guid-3 guid-2 guid-1 guid-0" {
		t.Errorf("listed %v", got)
	}
	one, _, err := s.token.Repositories.GetHookDelivery(ctx, "acme", "checkout", 3, ids[0])
	if err != nil || !strings.Contains(string(one.Request.GetRawPayload()), sha) {
		t.Errorf("got %v, %v", one, err)
	}
	_, _, err = s.token.Repositories.RedeliverHookDelivery(ctx, "acme", "checkout", 3, ids[0])
	var accepted *github.AcceptedError
	if !errors.As(err, &accepted) {
		t.Errorf("a redelivery is %v, want an AcceptedError", err)
	}
	s.With("acme/checkout", func(r *githubtest.Repository) {
		if last := r.Hooks[3][len(r.Hooks[3])-1]; last.GUID != "guid-0" || !last.Redelivery {
			t.Errorf("delivered %+v", last)
		}
	})
	s.now = s.now.Add(73 * time.Hour)
	_, _, err = s.token.Repositories.RedeliverHookDelivery(ctx, "acme", "checkout", 3, ids[0])
	want(t, "a redelivery after three days", err, 404)
}

func TestAnAppShowsAJWTThatIsGoodForTenMinutes(t *testing.T) {
	s := open(t, githubtest.Options{})
	for what, text := range map[string]string{
		"another issuer":    s.jwt(t, "8", s.now, s.now.Add(time.Minute)),
		"from the future":   s.jwt(t, "7", s.now.Add(time.Minute), s.now.Add(2*time.Minute)),
		"expired":           s.jwt(t, "7", s.now.Add(-5*time.Minute), s.now.Add(-time.Second)),
		"for eleven":        s.jwt(t, "7", s.now, s.now.Add(11*time.Minute)),
		"no JWT":            "abc",
		"with another key":  open(t, githubtest.Options{}).jwt(t, "7", s.now, s.now.Add(time.Minute)),
		"of nobody (empty)": "",
	} {
		_, _, err := s.client(t, text).Apps.FindRepositoryInstallation(t.Context(), "acme", "checkout")
		want(t, what, err, 401)
	}
	good := s.client(t, s.jwt(t, "7", s.now, s.now.Add(9*time.Minute)))
	_, _, err := good.Apps.FindRepositoryInstallation(t.Context(), "umbrella", "other")
	want(t, "an owner without the app", err, 404)
	app := s.app(t)
	s.now = s.now.Add(time.Hour)
	_, _, err = app.Repositories.Get(t.Context(), "acme", "checkout")
	want(t, "a token of an hour ago", err, 401)
}

func TestFaults(t *testing.T) {
	s, ctx := open(t, githubtest.Options{Hourly: 9}), t.Context()
	read := func() error {
		_, _, err := s.client(t, "ghp_1").Repositories.Get(ctx, "acme", "checkout")
		return err
	}
	lift := s.Break(githubtest.PrimaryLimit(time.Hour))
	var limited *github.RateLimitError
	if err := read(); !errors.As(err, &limited) || limited.Rate.Reset.Sub(s.now) < 59*time.Minute {
		t.Errorf("a used-up hour is %v", err)
	}
	lift()
	lift = s.Break(githubtest.SecondaryLimit(403, time.Minute))
	var abuse *github.AbuseRateLimitError
	if err := read(); !errors.As(err, &abuse) || abuse.GetRetryAfter() != time.Minute {
		t.Errorf("a secondary limit is %v", err)
	}
	lift()
	lift = s.Break(githubtest.SecondaryLimit(429, time.Minute))
	want(t, "a secondary limit as 429", read(), 429)
	lift()
	lift = s.Break(githubtest.Outage())
	want(t, "an outage", read(), 502)
	lift()
	s.Break(githubtest.LostAnswer(http.MethodPost, "/statuses/"))
	post := func() error {
		_, _, err := s.token.Repositories.CreateStatus(ctx, "acme", "checkout", sha, &github.RepoStatus{State: github.String("error")})
		return err
	}
	if err := post(); err == nil || status(err) != 0 {
		t.Errorf("a lost answer is %v", err)
	}
	ok(t, post())
	s.With("acme/checkout", func(r *githubtest.Repository) {
		if len(r.Statuses) != 2 {
			t.Errorf("%d statuses, want what was lost and its repetition", len(r.Statuses))
		}
	})
	until := make(chan struct{})
	s.Break(githubtest.Fault{Times: 1, Until: until, Status: 500})
	waiting, cancel := context.WithTimeout(ctx, 50*time.Millisecond)
	defer cancel()
	if _, _, err := s.token.Repositories.Get(waiting, "acme", "checkout"); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("a slow answer is %v", err)
	}
	close(until)
	var err error
	for range 10 {
		if err = read(); err != nil {
			break
		}
	}
	if !errors.As(err, &limited) {
		t.Errorf("after nine requests in an hour: %v", err)
	}
	s.now = s.now.Add(time.Hour)
	ok(t, read())
	if n := s.Count(http.MethodPost, "/statuses/"+sha); n != 2 {
		t.Errorf("%d posts are recorded", n)
	}
}

func TestRunsOfACommit(t *testing.T) {
	s, ctx := open(t, githubtest.Options{}), t.Context()
	s.With("acme/checkout", func(r *githubtest.Repository) {
		r.Runs = []githubtest.WorkflowRun{
			{ID: 41, HeadSHA: older, Status: "completed", Conclusion: github.String("success")}, {ID: 42, HeadSHA: sha, Status: "in_progress"},
		}
		r.Artifacts[42] = []githubtest.Artifact{{ID: 1, Name: "web", SizeBytes: 9}}
	})
	runs, _, err := s.token.Actions.ListRepositoryWorkflowRuns(ctx, "acme", "checkout", &github.ListWorkflowRunsOptions{HeadSHA: sha})
	if err != nil || runs.GetTotalCount() != 1 || runs.WorkflowRuns[0].GetID() != 42 {
		t.Errorf("runs %v, %v", runs, err)
	}
	artifacts, _, err := s.token.Actions.ListWorkflowRunArtifacts(ctx, "acme", "checkout", 42, nil)
	if err != nil || artifacts.GetTotalCount() != 1 || artifacts.Artifacts[0].GetName() != "web" {
		t.Errorf("artifacts %v, %v", artifacts, err)
	}
	_, _, err = s.token.Actions.GetWorkflowRunByID(ctx, "acme", "checkout", 43)
	want(t, "a run that is not there", err, 404)
	branches, _, err := s.token.Repositories.ListBranches(ctx, "acme", "checkout", nil)
	if err != nil || len(branches) != 1 || branches[0].GetCommit().GetSHA() != sha {
		t.Errorf("branches %v, %v", branches, err)
	}
	ref, _, err := s.token.Git.GetRef(ctx, "acme", "checkout", "heads/main")
	if err != nil || ref.GetObject().GetSHA() != sha {
		t.Errorf("ref %v, %v", ref, err)
	}
}
