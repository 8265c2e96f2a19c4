package intake

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"reflect"
	"regexp"
	"strconv"
	"strings"

	"github.com/skyisland/skyisland/internal/release"
)

// built is a build elsewhere that has ended, well or not.
type built struct {
	Repository, CloneURL string
	Commit               string
	// What is a few words for the outcome.
	What string
}

// pressed is a button that somebody pressed at the check run of a release.
type pressed struct {
	Repository, CloneURL string
	Release              release.ID
	Commit               string
	// What is pressedRerun or pressedAbort.
	What string
	Who  string
}

// The buttons of a check run: the identifiers of its actions, and GitHub's own Re-run.
const (
	pressedRerun = "rerun"
	pressedAbort = "abort"
)

// protection is a job that waits for our word before it deploys to an environment of GitHub.
type protection struct {
	Repository  string
	RunID       int64
	Environment string
	Commit      string
	CallbackURL string
}

// preview is a pull request with labels, of which one may ask for a preview.
type preview struct {
	Repository, CloneURL string
	Number               int
	HeadRef, HeadSHA     string
	// HeadRepository is where its commits are; another one than Repository for a fork, and empty for one that is gone.
	HeadRepository string
	Labels         []string
	Who            string
}

// repositoryJSON and accountJSON are what GitHub's events have in common.
type repositoryJSON struct {
	FullName string `json:"full_name"`
	CloneURL string `json:"clone_url"`
}

type accountJSON struct {
	Login string `json:"login"`
}

func (a accountJSON) name() string { return tidy(a.Login, nameLimit) }

// readGitHub is what an event of GitHub says.
func readGitHub(event Event) (meaning, error) {
	switch event.Kind {
	case "push":
		c, err := readPush(event.Body)
		return meaning{change: &c}, err
	case "release":
		return readReleased(event.Body)
	case "workflow_run":
		return readWorkflowRun(event.Body)
	case "check_run":
		return readCheckRun(event.Body)
	case "deployment_protection_rule":
		return readProtection(event.Body)
	case "pull_request":
		return readPullRequest(event.Body)
	}
	return meaning{nothing: fmt.Sprintf("a %s event starts nothing", event.Kind)}, nil
}

// faults gathers what is wrong with the fields of an event.
type faults struct {
	kind string
	errs []error
}

func (f *faults) field(name, value string, ok bool, want string) {
	if !ok {
		f.errs = append(f.errs, fmt.Errorf("the %s event's %s is %.80q: want %s", f.kind, name, value, want))
	}
}

func (f *faults) repository(r repositoryJSON) {
	f.field("repository.full_name", r.FullName, r.FullName != "" && plain(r.FullName, 512), "a name of at most 512 bytes")
	f.field("repository.clone_url", r.CloneURL, plain(r.CloneURL, 2048), "a URL of at most 2048 bytes, or nothing")
}

func (f *faults) commit(name, value string) {
	f.field(name, value, commit.MatchString(value), "a commit of 40 or 64 lower-case hexadecimal digits")
}

func (f *faults) err() error { return errors.Join(f.errs...) }

// unreadable is an error for an event that has not the shape it should have.
func unreadable(kind string, err error) error {
	return fmt.Errorf("the %s event cannot be read: %w", kind, misshapen(err))
}

// misshapen says of a value that is of another kind than it has to be where it is, in the sender's words for it: the
// decoder's own sentence names our types. Other errors stay as they are.
func misshapen(err error) error {
	var wrong *json.UnmarshalTypeError
	if !errors.As(err, &wrong) {
		return err
	}
	want := map[reflect.Kind]string{
		reflect.String: "text", reflect.Bool: "true or false", reflect.Struct: "an object", reflect.Map: "an object",
		reflect.Slice: "a list", reflect.Int: "a number", reflect.Int64: "a number",
	}[wrong.Type.Kind()]
	at := "it"
	if wrong.Field != "" {
		at = wrong.Field
	}
	if want == "" {
		return fmt.Errorf("%s cannot be of the kind %s", at, wrong.Value)
	}
	return fmt.Errorf("%s is of the kind %s: want %s", at, wrong.Value, want)
}

// readReleased reads a release event. GitHub tells of a release several times; that it is published is told once.
func readReleased(body []byte) (meaning, error) {
	var e struct {
		Action  string `json:"action"`
		Release struct {
			TagName string `json:"tag_name"`
			Name    string `json:"name"`
			Draft   bool   `json:"draft"`
		} `json:"release"`
		Repository repositoryJSON `json:"repository"`
		Sender     accountJSON    `json:"sender"`
	}
	if err := json.Unmarshal(body, &e); err != nil {
		return meaning{}, unreadable("release", err)
	}
	if e.Action != "published" {
		return meaning{nothing: fmt.Sprintf("a release event that is %.40q starts nothing: want published", e.Action)}, nil
	}
	if e.Release.Draft {
		return meaning{nothing: "a draft of a release starts nothing"}, nil
	}
	f := faults{kind: "release"}
	f.field("release.tag_name", e.Release.TagName, e.Release.TagName != "" && plain(e.Release.TagName, 1000), "a tag of at most 1000 bytes")
	f.repository(e.Repository)
	// Which commit the tag has is not told. Of a tag it is asked of the repository anyway.
	return meaning{change: &change{
		Repository: e.Repository.FullName, CloneURL: e.Repository.CloneURL, Ref: "refs/tags/" + e.Release.TagName, Before: absent, After: absent,
		Who: e.Sender.name(), Message: tidy(e.Release.Name, messageLimit), Stamp: "tag",
	}}, f.err()
}

// readWorkflowRun reads a workflow_run event. Whoever waits for the run looks at what came of it.
func readWorkflowRun(body []byte) (meaning, error) {
	var e struct {
		Action string `json:"action"`
		Run    struct {
			Name       string          `json:"name"`
			HeadSHA    string          `json:"head_sha"`
			Conclusion string          `json:"conclusion"`
			Head       *repositoryJSON `json:"head_repository"`
		} `json:"workflow_run"`
		Repository repositoryJSON `json:"repository"`
	}
	if err := json.Unmarshal(body, &e); err != nil {
		return meaning{}, unreadable("workflow_run", err)
	}
	if e.Action != "completed" {
		return meaning{nothing: fmt.Sprintf("a workflow run that is %.40q tells nobody anything: want completed", e.Action)}, nil
	}
	if head := e.Run.Head; head != nil && !strings.EqualFold(head.FullName, e.Repository.FullName) {
		return meaning{nothing: fmt.Sprintf("a workflow run of the fork %.80s tells nobody anything", tidy(head.FullName, nameLimit))}, nil
	}
	f := faults{kind: "workflow_run"}
	f.commit("workflow_run.head_sha", e.Run.HeadSHA)
	f.repository(e.Repository)
	return meaning{built: &built{
		Repository: e.Repository.FullName, CloneURL: e.Repository.CloneURL, Commit: e.Run.HeadSHA,
		What: tidy(fmt.Sprintf("workflow run %q, %s,", e.Run.Name, e.Run.Conclusion), nameLimit),
	}}, f.err()
}

// readCheckRun reads a check_run event. The check runs of releases have the release as their external ID; those of others
// are none of our business, whatever is pressed there.
func readCheckRun(body []byte) (meaning, error) {
	var e struct {
		Action    string `json:"action"`
		Requested struct {
			Identifier string `json:"identifier"`
		} `json:"requested_action"`
		CheckRun struct {
			ExternalID string `json:"external_id"`
			HeadSHA    string `json:"head_sha"`
		} `json:"check_run"`
		Repository repositoryJSON `json:"repository"`
		Sender     accountJSON    `json:"sender"`
	}
	if err := json.Unmarshal(body, &e); err != nil {
		return meaning{}, unreadable("check_run", err)
	}
	var what string
	switch {
	case e.Action == "rerequested":
		what = pressedRerun
	case e.Action == "requested_action" && (e.Requested.Identifier == pressedRerun || e.Requested.Identifier == pressedAbort):
		what = e.Requested.Identifier
	case e.Action == "requested_action":
		return meaning{nothing: fmt.Sprintf("the action %.40q of a check run is none of ours: want %s or %s", e.Requested.Identifier, pressedRerun, pressedAbort)}, nil
	default:
		return meaning{nothing: fmt.Sprintf("a check run that is %.40q starts nothing", e.Action)}, nil
	}
	id, err := release.ParseID(e.CheckRun.ExternalID)
	if err != nil {
		return meaning{nothing: "the check run is none of ours: its external_id is no release"}, nil //nolint:nilerr // others name their check runs as they like
	}
	f := faults{kind: "check_run"}
	f.commit("check_run.head_sha", e.CheckRun.HeadSHA)
	f.repository(e.Repository)
	f.field("sender.login", e.Sender.Login, e.Sender.name() != "", "who pressed the button")
	return meaning{pressed: &pressed{
		Repository: e.Repository.FullName, CloneURL: e.Repository.CloneURL, Release: id, Commit: e.CheckRun.HeadSHA, What: what, Who: e.Sender.name(),
	}}, f.err()
}

// callback is the path at which GitHub waits for an answer to a protection rule. Enterprise Server has a prefix.
var callback = regexp.MustCompile(`^(?:/api/v3)?/repos/([^/]+/[^/]+)/actions/runs/([0-9]{1,18})/deployment_protection_rule$`)

// readProtection reads a deployment_protection_rule event.
func readProtection(body []byte) (meaning, error) {
	var e struct {
		Action      string `json:"action"`
		Environment string `json:"environment"`
		Callback    string `json:"deployment_callback_url"`
		Deployment  struct {
			SHA string `json:"sha"`
		} `json:"deployment"`
		Repository repositoryJSON `json:"repository"`
	}
	if err := json.Unmarshal(body, &e); err != nil {
		return meaning{}, unreadable("deployment_protection_rule", err)
	}
	if e.Action != "requested" {
		return meaning{nothing: fmt.Sprintf("a protection rule that is %.40q asks for nothing", e.Action)}, nil
	}
	f := faults{kind: "deployment_protection_rule"}
	f.field("environment", e.Environment, e.Environment != "" && len(e.Environment) <= 255 && e.Environment == tidy(e.Environment, 255), "a name of at most 255 bytes")
	f.commit("deployment.sha", e.Deployment.SHA)
	f.repository(e.Repository)
	run, ok := runOf(e.Callback, e.Repository.FullName)
	f.field("deployment_callback_url", e.Callback, ok, "https://…/repos/OWNER/NAME/actions/runs/ID/deployment_protection_rule of the event's repository")
	return meaning{protection: &protection{
		Repository: e.Repository.FullName, RunID: run, Environment: e.Environment, Commit: e.Deployment.SHA, CallbackURL: e.Callback,
	}}, f.err()
}

// runOf is the workflow run in the address of a callback, if it is one of the repository.
func runOf(address, repository string) (int64, bool) {
	u, err := url.Parse(address)
	if err != nil || u.Scheme != "https" || u.Host == "" || u.User != nil || u.RawQuery != "" || len(address) > 2048 {
		return 0, false
	}
	parts := callback.FindStringSubmatch(u.Path)
	if len(parts) != 3 || !strings.EqualFold(parts[1], repository) {
		return 0, false
	}
	run, err := strconv.ParseInt(parts[2], 10, 64)
	return run, err == nil && run > 0
}

// mostPullLabels bounds how many labels of a pull request are looked at; GitHub has at most 100.
const mostPullLabels = 100

// readPullRequest reads a pull_request event: one that got a label, or got commits while it has labels.
func readPullRequest(body []byte) (meaning, error) {
	var e struct {
		Action string `json:"action"`
		Number int    `json:"number"`
		Pull   struct {
			State string `json:"state"`
			Head  struct {
				Ref        string          `json:"ref"`
				SHA        string          `json:"sha"`
				Repository *repositoryJSON `json:"repo"`
			} `json:"head"`
			Labels []struct {
				Name string `json:"name"`
			} `json:"labels"`
		} `json:"pull_request"`
		Repository repositoryJSON `json:"repository"`
		Sender     accountJSON    `json:"sender"`
	}
	if err := json.Unmarshal(body, &e); err != nil {
		return meaning{}, unreadable("pull_request", err)
	}
	switch {
	case e.Action != "labeled" && e.Action != "synchronize" && e.Action != "reopened":
		return meaning{nothing: fmt.Sprintf("a pull request that is %.40q starts nothing", e.Action)}, nil
	case e.Pull.State != "" && e.Pull.State != "open":
		return meaning{nothing: "a pull request that is not open starts nothing"}, nil
	case len(e.Pull.Labels) == 0:
		return meaning{nothing: "a pull request without a label has no preview"}, nil
	}
	p := preview{
		Repository: e.Repository.FullName, CloneURL: e.Repository.CloneURL, Number: e.Number,
		HeadRef: e.Pull.Head.Ref, HeadSHA: e.Pull.Head.SHA, Who: e.Sender.name(),
	}
	if e.Pull.Head.Repository != nil {
		p.HeadRepository = e.Pull.Head.Repository.FullName
	}
	for _, label := range e.Pull.Labels[:min(len(e.Pull.Labels), mostPullLabels)] {
		p.Labels = append(p.Labels, tidy(label.Name, nameLimit))
	}
	f := faults{kind: "pull_request"}
	f.field("number", strconv.Itoa(e.Number), e.Number > 0, "the number of a pull request")
	f.field("pull_request.head.ref", p.HeadRef, p.HeadRef != "" && plain(p.HeadRef, 1000), "a branch of at most 1000 bytes")
	f.commit("pull_request.head.sha", p.HeadSHA)
	f.repository(e.Repository)
	return meaning{preview: &p}, f.err()
}

// foreign says whether the commits of a pull request are in another repository than it asks to go to.
func (p preview) foreign() bool { return !strings.EqualFold(p.HeadRepository, p.Repository) }
