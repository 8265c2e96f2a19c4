package intake

import (
	"reflect"
	"strings"
	"testing"

	"github.com/skyisland/skyisland/internal/release"
)

// tagCommit is what the tag itself is called in the samples; the commit that it marks is commitB.
const tagCommit = "7f3c1d2e4b5a69788796a5b4c3d2e1f00f1e2d3c"

func TestWhatTheSamplesSay(t *testing.T) {
	const (
		github = "https://github.com/acme/checkout.git"
		gitlab = "https://gitlab.example.com/acme/checkout.git"
		gitea  = "https://git.example.com/acme/checkout.git"
	)
	pushed := func(cloneURL, message, stamp string) meaning {
		return meaning{change: &change{
			Repository: "acme/checkout", CloneURL: cloneURL, Ref: "refs/heads/main", Before: commitA, After: commitB, Who: "mona", Message: message, Stamp: stamp,
		}}
	}
	tag := func(cloneURL, message, stamp string) meaning {
		return meaning{change: &change{
			Repository: "acme/checkout", CloneURL: cloneURL, Ref: "refs/tags/v1.2.0", Before: zero, After: commitB, Who: "mona", Message: message, Stamp: stamp,
		}}
	}
	button := func(what string) meaning {
		return meaning{pressed: &pressed{
			Repository: "acme/checkout", CloneURL: github, Commit: commitB, What: what, Who: "mona",
			Release: release.ID{Lane: release.Lane{Tenant: "acme", Application: "checkout", Environment: "production"}, Number: 7},
		}}
	}
	digest := "sha256:" + strings.Repeat("954b378c", 8)
	for _, tt := range []struct {
		source, kind, sample string
		want                 meaning
	}{
		{"github", "push", "github-push", pushed(github, "Fix the fare (#12)\n\nIt was a cent short.", "pushed_at=1764288000")},
		{"github", "push", "github-tag", tag(github, "Fix the fare (#12)", "pushed_at=1764288000")},
		{"github", "release", "github-release", meaning{change: &change{
			Repository: "acme/checkout", CloneURL: github, Ref: "refs/tags/v1.2.0", Before: zero, After: zero, Who: "mona", Message: "1.2.0: fares", Stamp: "tag",
		}}},
		{"github", "workflow_run", "github-workflow_run", meaning{built: &built{Repository: "acme/checkout", CloneURL: github, Commit: commitB, What: `workflow run "build", success,`}}},
		{"github", "check_run", "github-check_run-rerequested", button("rerun")},
		{"github", "check_run", "github-check_run-abort", button("abort")},
		{"github", "deployment_protection_rule", "github-deployment_protection_rule", meaning{protection: &protection{
			Repository: "acme/checkout", RunID: 16012345678, Environment: "production", Commit: commitB,
			CallbackURL: "https://api.github.com/repos/acme/checkout/actions/runs/16012345678/deployment_protection_rule",
		}}},
		{"github", "pull_request", "github-pull_request", meaning{preview: &preview{
			Repository: "acme/checkout", CloneURL: github, Number: 31, HeadRef: "round", HeadSHA: commitB, HeadRepository: "acme/checkout",
			Labels: []string{"preview", "bug"}, Who: "mona",
		}}},
		{"github", "ping", "github-ping", meaning{nothing: "a ping event starts nothing"}},
		{"gitlab", "push", "gitlab-push", pushed(gitlab, "Fix the fare\n", "")},
		{"gitlab", "tag_push", "gitlab-tag_push", tag(gitlab, "Fix the fare\n", "")},
		{"gitlab", "push", "gitlab-delete", meaning{change: &change{
			Repository: "acme/checkout", CloneURL: gitlab, Ref: "refs/heads/round", Before: commitB, After: zero, Who: "mona",
		}}},
		{"gitlab", "merge_request", "gitlab-merge_request", meaning{nothing: "a merge_request event of GitLab starts nothing"}},
		{"gitea", "push", "gitea-push", pushed(gitea, "Fix the fare\n", "")},
		{"gitea", "push", "forgejo-push", pushed(gitea, "Fix the fare\n", "")},
		{"gitea", "push", "gitea-tag", tag(gitea, "Fix the fare\n", "")},
		{"gitea", "create", "gitea-create", meaning{nothing: "a create event starts nothing: the push event of the same ref does"}},
		{"standard", "release.requested", "standard-release.requested", meaning{change: &change{
			Repository: "acme/checkout", CloneURL: gitea, Ref: "refs/heads/main", Before: zero, After: commitB, Who: "mona", Message: "Fix the fare",
		}}},
		{"standard", "release.requested", "standard-environment", meaning{asked: &asked{
			Repository: "acme/checkout", Ref: "refs/heads/main", Commit: commitB, Environment: "production", Who: "mona",
		}}},
		{"standard", "ref.updated", "standard-ref.updated", meaning{change: &change{
			Repository: "acme/checkout", Ref: "refs/heads/main", Before: commitA, After: commitB, Forced: true, Who: "mona",
		}}},
		{"registry", "harbor.artifact.pushed", "registry-harbor", meaning{image: &image{Repository: "registry.example.com/acme/checkout", Tag: commitB, Digest: digest, Commit: commitB}}},
		{"registry", "dev.skyisland.image.pushed.v1", "registry-image", meaning{image: &image{Repository: "registry.example.com/acme/checkout", Tag: "v1.2.0", Digest: digest, Commit: commitB}}},
	} {
		t.Run(tt.sample, func(t *testing.T) {
			body := sample(t, tt.sample)
			if strings.Contains(tt.sample, "tag") && !strings.Contains(body, tagCommit) {
				t.Fatal("the sample has no tag of its own")
			}
			got, err := read(Event{Source: tt.source, Kind: tt.kind, Body: []byte(body)})
			if err != nil || !reflect.DeepEqual(got, tt.want) {
				t.Errorf("read %+v, %v\nwant %+v", got, err, tt.want)
			}
		})
	}
}

// changed is a sample with one text in place of another, which has to be there.
func changed(t *testing.T, name, from, to string) string {
	t.Helper()
	body := sample(t, name)
	if !strings.Contains(body, from) {
		t.Fatalf("%s has no %s", name, from)
	}
	return strings.Replace(body, from, to, 1)
}

func TestWhatMeansNothingSaysWhy(t *testing.T) {
	for _, tt := range []struct{ name, source, kind, sample, from, to, want string }{
		{"a release that is edited", "github", "release", "github-release", `"published"`, `"edited"`, `that is "edited"`},
		{"a draft", "github", "release", "github-release", `"draft": false`, `"draft": true`, "a draft"},
		{"a run that begins", "github", "workflow_run", "github-workflow_run", `"action": "completed"`, `"action": "requested"`, "want completed"},
		{"a run of a fork", "github", "workflow_run", "github-workflow_run", `"head_repository": {
   "id": 1,
   "full_name": "acme/checkout"`, `"head_repository": {
   "id": 1,
   "full_name": "eve/checkout"`, "of the fork eve/checkout"},
		{"a check run that is made", "github", "check_run", "github-check_run-rerequested", `"rerequested"`, `"created"`, `that is "created"`},
		{"a check run of others", "github", "check_run", "github-check_run-rerequested", `"acme/checkout/production/7"`, `"8d5f"`, "none of ours"},
		{"a button of others", "github", "check_run", "github-check_run-abort", `"abort"`, `"fix"`, "none of ours"},
		{"another action of a protection", "github", "deployment_protection_rule", "github-deployment_protection_rule", `"requested"`, `"done"`, "asks for nothing"},
		{"a pull request that is opened", "github", "pull_request", "github-pull_request", `"labeled"`, `"opened"`, `that is "opened"`},
		{"a pull request that is closed", "github", "pull_request", "github-pull_request", `"state": "open"`, `"state": "closed"`, "not open"},
		{"another type", "standard", "invoice.paid", "standard-release.requested", "release.requested", "invoice.paid", "want release.requested or ref.updated"},
		{"another event of a registry", "registry", "harbor.scanning.completed", "registry-harbor", "harbor.artifact.pushed", "harbor.scanning.completed", "want harbor.artifact.pushed"},
		{"another event of Gitea", "gitea", "issues", "gitea-create", "tag", "tag", "a issues event of Gitea"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got, err := read(Event{Source: tt.source, Kind: tt.kind, Body: []byte(changed(t, tt.sample, tt.from, tt.to))})
			if err != nil || !strings.Contains(got.nothing, tt.want) || !reflect.DeepEqual(got, meaning{nothing: got.nothing}) {
				t.Errorf("read %+v, %v; want nothing, because %q", got, err, tt.want)
			}
		})
	}
}

func TestFaultsAreNamedAsTheSourceNamesTheField(t *testing.T) {
	for _, tt := range []struct{ source, kind, sample, from, to, want string }{
		{"gitlab", "push", "gitlab-push", `"ref": "refs/heads/main"`, `"ref": "main"`, `the push event's ref is "main"`},
		{"gitlab", "push", "gitlab-push", `"after": "0d1a`, `"after": "0D1A`, "the push event's after is"},
		{"gitlab", "tag_push", "gitlab-tag_push", `"path_with_namespace": "acme/checkout"`, `"path_with_namespace": ""`, "the tag_push event's project.path_with_namespace is"},
		{"gitlab", "push", "gitlab-push", `"git_http_url": "https`, `"git_http_url": "a b https`, "project.git_http_url is"},
		{"gitlab", "push", "gitlab-push", `"user_username": "mona"`, `"user_username": 7`, "user_username"},
		{"gitea", "push", "gitea-push", `"full_name": "acme/checkout"`, `"full_name": ""`, "repository.full_name is"},
		{"gitea", "push", "gitea-push", `"before": "6113`, `"before": "x`, "before is"},
		{"standard", "release.requested", "standard-release.requested", `"commit": "0d1a`, `"commit": "HEAD`, "the release.requested event's data.commit is"},
		{"standard", "release.requested", "standard-release.requested", `"ref": "refs/heads/main"`, `"ref": 1`, "data.ref"},
		{"standard", "release.requested", "standard-environment", `"production"`, `"Production!"`, "data.environment"},
		{"standard", "ref.updated", "standard-ref.updated", `"before": "6113`, `"before": "6113g`, "data.before is"},
		{"standard", "ref.updated", "standard-ref.updated", `"data"`, `"date"`, "has no data"},
		{"registry", "harbor.artifact.pushed", "registry-harbor", `"digest": "sha256:954b`, `"digest": "sha1:954b`, "digest is"},
		{"registry", "harbor.artifact.pushed", "registry-harbor", `"resources"`, `"resource"`, "data.resources is empty"},
		{"registry", "dev.skyisland.image.pushed.v1", "registry-image", `"tag": "v1.2.0"`, `"tag": "v 1"`, "tag is"},
		{"registry", "dev.skyisland.image.pushed.v1", "registry-image", `"repository": "registry`, `"repository": "\u0000registry`, "repository is"},
		{"github", "release", "github-release", `"tag_name": "v1.2.0"`, `"tag_name": "v 1"`, "release.tag_name is"},
		{"github", "release", "github-release", `"tag_name": "v1.2.0"`, `"tag_name": 1.2`, "tag_name"},
		{"github", "workflow_run", "github-workflow_run", `"head_sha": "0d1a`, `"head_sha": "main`, "workflow_run.head_sha is"},
		{"github", "check_run", "github-check_run-abort", `"login": "mona"`, `"login": ""`, "sender.login is"},
		{"github", "check_run", "github-check_run-abort", `"external_id": "acme/checkout/production/7"`, `"external_id": 7`, "external_id"},
		{"github", "deployment_protection_rule", "github-deployment_protection_rule", `"sha": "0d1a`, `"sha": "0d1`, "deployment.sha is"},
		{"github", "deployment_protection_rule", "github-deployment_protection_rule", `https://api.github.com/repos/acme/checkout/actions/runs`, `http://169.254.169.254/repos/acme/checkout/actions/runs`, "deployment_callback_url is"},
		{"github", "deployment_protection_rule", "github-deployment_protection_rule", `repos/acme/checkout/actions/runs`, `repos/acme/search/actions/runs`, "of the event's repository"},
		{"github", "deployment_protection_rule", "github-deployment_protection_rule", `runs/16012345678`, `runs/99999999999999999999`, "deployment_callback_url is"},
		{"github", "pull_request", "github-pull_request", `"number": 31`, `"number": 1e99`, "number"},
		{"github", "pull_request", "github-pull_request", `"number": 31`, `"number": -31`, "number is"},
		{"github", "pull_request", "github-pull_request", `"ref": "round"`, `"ref": "ro\u0007und"`, "pull_request.head.ref is"},
	} {
		t.Run(tt.kind+" with "+tt.to, func(t *testing.T) {
			_, err := read(Event{Source: tt.source, Kind: tt.kind, Body: []byte(changed(t, tt.sample, tt.from, tt.to))})
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("error = %v, want %q", err, tt.want)
			}
		})
	}
}

func TestRepositoriesAreNamedByTheirAddressToo(t *testing.T) {
	for _, tt := range []struct{ text, name, url string }{
		{"acme/checkout", "acme/checkout", ""},
		{"https://git.example.com/acme/checkout.git", "acme/checkout", "https://git.example.com/acme/checkout.git"},
		{"ssh://git@git.example.com:22/acme/checkout", "acme/checkout", "ssh://git@git.example.com:22/acme/checkout"},
		{"git@github.com:acme/checkout.git", "acme/checkout", "git@github.com:acme/checkout.git"},
		{"group/sub/checkout", "group/sub/checkout", ""},
	} {
		if name, url := repositoryNamed(tt.text); name != tt.name || url != tt.url {
			t.Errorf("%s is %s at %s, want %s at %s", tt.text, name, url, tt.name, tt.url)
		}
	}
}

func TestACloudEventIsTheSameInEitherMode(t *testing.T) {
	f := forges()[6]
	body := sample(t, "registry-image")
	h, box := f.to(t, discard(), f.secrets[0])
	if status, answer := deliver(t, h, f.headers(f.secrets[0], body), strings.NewReader(body)); status != 202 {
		t.Fatalf("structured: %d %+v", status, answer)
	}
	binary := map[string]string{
		"Content-Type": "application/json", "Authorization": "Bearer " + f.secrets[0], "Ce-Specversion": "1.0", "Ce-Id": "build-77",
		"Ce-Source": "https://ci.example.com/acme/checkout", "Ce-Type": "dev.skyisland.image.pushed.v1",
	}
	data := `{"repository":"registry.example.com/acme/checkout","digest":"sha256:` + strings.Repeat("954b378c", 8) + `","commit":"` + commitB + `"}`
	if status, answer := deliver(t, h, binary, strings.NewReader(data)); status != 202 || !answer.Duplicate || box.count() != 1 {
		t.Errorf("binary: %d %+v: the same source and ID are the same event", status, answer)
	}
	binary["Ce-Id"] = "build-78"
	if status, answer := deliver(t, h, binary, strings.NewReader(data)); status != 202 || answer.Duplicate {
		t.Errorf("binary: %d %+v", status, answer)
	}
	m, err := read(box.events[2])
	if err != nil || m.image == nil || m.image.Commit != commitB || m.image.Tag != "" {
		t.Errorf("read %+v, %v", m, err)
	}
	for name, tt := range map[string]struct {
		edit map[string]string
		body string
		want int
	}{
		"a batch":               {map[string]string{"Content-Type": "application/cloudevents-batch+json"}, "[" + body + "]", 415},
		"no event at all":       {map[string]string{"Ce-Specversion": ""}, data, 415},
		"an event without ID":   {map[string]string{"Ce-Id": ""}, data, 400},
		"another version":       {map[string]string{"Ce-Specversion": "0.1"}, data, 400},
		"an older version":      {map[string]string{"Ce-Specversion": "0.3"}, data, 400},
		"data that is no JSON":  {map[string]string{"Content-Type": "text/plain"}, "hello", 400},
		"data of a wrong type":  {nil, `{"repository":7}`, 400},
		"a type that is a line": {map[string]string{"Ce-Type": "a b"}, data, 400},
	} {
		headers := map[string]string{}
		for key, value := range binary {
			headers[key] = value
		}
		headers["Ce-Id"] = "other"
		for key, value := range tt.edit {
			headers[key] = value
		}
		if status, answer := deliver(t, h, headers, strings.NewReader(tt.body)); status != tt.want || box.count() != 2 {
			t.Errorf("%s: %d %+v, %d events; want %d", name, status, answer, box.count(), tt.want)
		}
	}
}
