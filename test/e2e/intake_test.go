package e2e

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha1"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"hash"
	"io"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"

	"github.com/skyisland/skyisland/internal/intake"
	"github.com/skyisland/skyisland/internal/release"
	"github.com/skyisland/skyisland/test/island"
)

// refused pushes what cannot be released. Git shows why, the refusal is a release like any other, and
// what serves goes on serving.
func refused(t *testing.T, i *island.Island) {
	repo, load := live(t, i, "refused", in(island.Version("v1")))
	good := in(island.Version("v2")).In(repo.Lane)
	for _, test := range []struct {
		name, manifest string
		kind           release.CauseKind
		says           []string
		// inPush are said by git push already.
		inPush []string
	}{
		{
			"every error of a manifest at once", strings.NewReplacer("watch: 0s", "watch: soon", "drain: 2s", "dran: 2s").Replace(good),
			release.CauseManifest, []string{"skyisland.yaml:", "watch", "dran"}, []string{"refused", "skyisland.yaml:", "watch", "dran"},
		},
		{
			"a unit that is not there", strings.Replace(good, "units: [a]", "units: [mars]", 1),
			release.CauseManifest, []string{"mars", "a, b"}, nil,
		},
		{
			"a folder that is not there", strings.Replace(good, "- name: web", "- name: web\n    path: functions/nowhere", 1),
			release.CauseManifest, []string{"functions/nowhere"}, nil,
		},
		{
			"all traffic at once, where another version serves", strings.Replace(good, "ramp: "+island.QuickRamp, "ramp: {steps: []}", 1),
			release.CausePolicy, []string{"has no steps"}, nil,
		},
	} {
		t.Run(test.name, func(t *testing.T) {
			repo := repo.For(t)
			repo.Write("skyisland.yaml", test.manifest)
			commit, output := repo.Push(test.name)

			for _, text := range test.inPush {
				if !strings.Contains(output, text) {
					t.Errorf("git push does not say %q:\n%s", text, output)
				}
			}
			caused(t, repo.Find(commit).WaitEnd(release.Refused), test.kind, test.says...)
			island.Serves(t, repo.Entry("", "web"), "v1")
		})
	}
	t.Run("a branch that goes nowhere", func(t *testing.T) {
		repo := repo.For(t)
		repo.Write("skyisland.yaml", good)
		repo.Commit("On a branch")
		output := repo.PushTo("experiment")
		for _, text := range []string{"experiment", "main to production"} {
			if !strings.Contains(output, text) {
				t.Errorf("git push does not say %q:\n%s", text, output)
			}
		}
	})
	t.Run("then what can be released", func(t *testing.T) {
		repo := repo.For(t)
		commit, _ := repo.Push("Good again")
		repo.Find(commit).WaitEnd(release.Completed)
		island.Serves(t, repo.Entry("", "web"), "v2")
		noneBad(t, load.Stop())
	})
}

// unchanged pushes the same content again: nothing moves, and it is said.
func unchanged(t *testing.T, i *island.Island) {
	repo, load := live(t, i, "unchanged", in(island.Version("v1")))
	pid := i.Instances(repo.Lane)[0].PID
	commit, _ := repo.Push("Nothing new")

	wantTold(t, repo.Find(commit).WaitEnd(release.Completed), "nothing changed")

	if after := i.Instances(repo.Lane); len(after) != 1 || after[0].PID != pid {
		t.Errorf("instances %v run, want process %d", after, pid)
	}
	noneBad(t, load.Stop())
}

// delivery is a webhook delivery of GitHub's.
type delivery struct {
	id, fullName, cloneURL, commit string
	// signature is the header and its value.
	signature func(body, secret []byte) (header, value string)
}

func signed(header, prefix string, sum func() hash.Hash) func(body, secret []byte) (string, string) {
	return func(body, secret []byte) (string, string) {
		mac := hmac.New(sum, secret)
		mac.Write(body)
		return header, prefix + hex.EncodeToString(mac.Sum(nil))
	}
}

func sha256Signed() func(body, secret []byte) (string, string) {
	return signed("X-Hub-Signature-256", "sha256=", sha256.New)
}

// send tells of a push.
func (d delivery) send(t *testing.T, i *island.Island) (int, intake.Answer) {
	t.Helper()
	return d.post(t, i, "push", map[string]any{
		"ref": "refs/heads/main", "before": strings.Repeat("0", 40), "after": d.commit,
		"head_commit": map[string]any{"message": "by webhook"},
	})
}

// post sends an event of a kind.
func (d delivery) post(t *testing.T, i *island.Island, kind string, event map[string]any) (int, intake.Answer) {
	t.Helper()
	event["sender"] = map[string]any{"login": "octocat"}
	event["repository"] = map[string]any{"full_name": d.fullName, "clone_url": d.cloneURL}
	body, err := json.Marshal(event)
	if err != nil {
		t.Fatal(err)
	}
	header, value := d.signature(body, i.WebhookSecret())
	return deliver(t, i, "github", body, map[string]string{header: value, "X-GitHub-Event": kind, "X-GitHub-Delivery": d.id})
}

// gitlabToken is what GitLab shows to the shared island.
const gitlabToken = "of-gitlab-0123456789"

// tell tells of a push as GitLab does.
func (d delivery) tell(t *testing.T, i *island.Island) (int, intake.Answer) {
	t.Helper()
	body, err := json.Marshal(map[string]any{
		"object_kind": "push", "ref": "refs/heads/main", "before": strings.Repeat("0", 40), "after": d.commit, "user_username": "mona",
		"project": map[string]any{"path_with_namespace": d.fullName, "git_http_url": d.cloneURL},
	})
	if err != nil {
		t.Fatal(err)
	}
	return deliver(t, i, "gitlab", body, map[string]string{"X-Gitlab-Token": gitlabToken, "X-Gitlab-Event": "Push Hook", "X-Gitlab-Event-UUID": d.id})
}

// deliver sends an event of a source, and waits for what becomes of it.
func deliver(t *testing.T, i *island.Island, source string, body []byte, header map[string]string) (int, intake.Answer) {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, i.Base+"/webhooks/"+source+"?wait=5s", bytes.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("Content-Type", "application/json")
	for name, value := range header {
		request.Header.Set(name, value)
	}
	response, err := (&http.Client{}).Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	content, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	var answer intake.Answer
	if err := json.Unmarshal(content, &answer); err != nil {
		t.Fatalf("the answer %q is not JSON: %v", content, err)
	}
	return response.StatusCode, answer
}

// hosted is a repository at a host of its own, whose pushes only its webhook tells of.
type hosted struct {
	*island.Repo

	bare, fullName, url string
}

// host makes a repository that is cloned over HTTP, and an application that is released from it.
func host(t *testing.T, i *island.Island, fullName, application string) *hosted {
	t.Helper()
	dir := t.TempDir()
	h := &hosted{Repo: i.Repo(t, tenant, application), bare: filepath.Join(dir, filepath.FromSlash(fullName)+".git"), fullName: fullName}
	h.Git("init", "--quiet", "--bare", h.bare)
	server := httptest.NewServer(http.FileServer(http.Dir(dir)))
	t.Cleanup(server.Close)
	h.url = server.URL + "/" + fullName + ".git"
	if _, err := i.API.SaveApplication(t.Context(), tenant, application, h.url); err != nil {
		t.Fatal(err)
	}
	return h
}

// publish commits a manifest and pushes it to the host, and is the delivery that tells of it.
func (h *hosted) publish(manifest island.Manifest, id string) delivery {
	h.Write("skyisland.yaml", in(manifest).In(h.Lane))
	d := delivery{id: id, fullName: h.fullName, cloneURL: h.url, commit: h.Commit("by webhook"), signature: sha256Signed()}
	h.Git("push", "--quiet", h.bare, "HEAD:refs/heads/main")
	h.Git("--git-dir", h.bare, "update-server-info")
	return d
}

func webhooks(t *testing.T, i *island.Island) {
	repo, _ := live(t, i, "webhooks", in(island.Version("v1")))
	known := delivery{
		id: "delivery-1", fullName: tenant + "/webhooks", cloneURL: repo.Remote,
		commit: strings.TrimSpace(repo.Git("rev-parse", "HEAD")), signature: sha256Signed(),
	}

	t.Run("an application that nobody knows", func(t *testing.T) {
		d := known
		d.id, d.fullName, d.cloneURL = "delivery-2", "somebody/else", "https://example.com/somebody/else.git"
		status, answer := d.send(t, i)
		if status != http.StatusAccepted || answer.Outcome != intake.Refused || !strings.Contains(answer.Message, "e2e/webhooks") {
			t.Errorf("status %d, %+v", status, answer)
		}
	})
	t.Run("signatures that prove nothing", func(t *testing.T) {
		for name, signature := range map[string]func(body, secret []byte) (string, string){
			"another secret": func(body, _ []byte) (string, string) { return sha256Signed()(body, []byte("guessed")) },
			"SHA-1 only":     signed("X-Hub-Signature", "sha1=", sha1.New),
			"none":           func(_, _ []byte) (string, string) { return "X-Nothing", "" },
		} {
			d := known
			d.id, d.signature = "delivery-3", signature
			if status, answer := d.send(t, i); status != http.StatusUnauthorized || answer.Event != 0 {
				t.Errorf("%s: status %d, %+v", name, status, answer)
			}
		}
	})
	t.Run("a commit that a push has released already", func(t *testing.T) {
		if status, answer := known.send(t, i); status != http.StatusAccepted || answer.Outcome != intake.Duplicate {
			t.Errorf("status %d, %+v", status, answer)
		}
	})
	t.Run("a push to GitLab", func(t *testing.T) {
		repo := host(t, i, tenant+"/gitlab", "gitlab")
		d := repo.publish(island.Version("v1"), "b3ad5bb0-1ab7-4b5c-9a2c-6d0a1f3f6f1e")
		if status, answer := d.tell(t, i); status != http.StatusAccepted || answer.Outcome != intake.Started {
			t.Errorf("status %d, %+v", status, answer)
		}
		if by := repo.At(1).WaitEnd(release.Completed).Requester; by.Source != intake.SourceGitLab || by.Name != "mona" {
			t.Errorf("%+v asked for it", by)
		}
	})
	t.Run("the same delivery twice is one release", func(t *testing.T) {
		repo := host(t, i, tenant+"/hooked", "hooked")
		d := repo.publish(island.Version("v1"), "delivery-4")
		before, err := repo.Releases()
		if err != nil {
			t.Fatal(err)
		}
		first, answer := d.send(t, i)
		if first != http.StatusAccepted || answer.Outcome != intake.Started || answer.Duplicate {
			t.Errorf("first: status %d, %+v", first, answer)
		}
		again, repeated := d.send(t, i)
		if again != http.StatusAccepted || !repeated.Duplicate || repeated.Event != answer.Event || repeated.Outcome != intake.Started {
			t.Errorf("again: status %d, %+v", again, repeated)
		}
		repo.At(len(before) + 1).WaitEnd(release.Completed)
		after, err := repo.Releases()
		if err != nil {
			t.Fatal(err)
		}
		if len(after) != len(before)+1 {
			t.Errorf("%d releases, want %d", len(after), len(before)+1)
		}
	})
}
