package authn

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/goccy/go-yaml"

	"github.com/skyisland/skyisland/internal/release"
)

// page is what the documentation says.
func page(t *testing.T) string {
	t.Helper()
	text, err := os.ReadFile("../../../docs/gateway-auth.md")
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// block is the code block in the documentation that has a text in it.
func block(t *testing.T, language, has string) string {
	t.Helper()
	for _, found := range regexp.MustCompile("(?s)```"+language+"\n(.*?)```").FindAllStringSubmatch(page(t), -1) {
		if strings.Contains(found[1], has) {
			return found[1]
		}
	}
	t.Fatalf("docs/gateway-auth.md has no example with %q", has)
	return ""
}

func TestTheExampleIsAPolicy(t *testing.T) {
	text, err := yaml.YAMLToJSON([]byte(block(t, "yaml", "authentication:")))
	if err != nil {
		t.Fatal(err)
	}
	var example struct {
		Authentication release.Authentication `json:"authentication"`
	}
	decoder := json.NewDecoder(bytes.NewReader(text))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&example); err != nil {
		t.Fatal(err)
	}
	a := example.Authentication
	if err := a.Check(); err != nil || a.APIKey == nil || a.HMAC == nil || a.JWT.Claims["scope"] != "orders:write" {
		t.Errorf("the example is %+v, %v", a, err)
	}
}

func TestThePageHasEveryReason(t *testing.T) {
	for _, reason := range Reasons() {
		if row := fmt.Sprint("| ", statusOf(reason), " | `", reason, "` |"); !strings.Contains(page(t), row) {
			t.Errorf("docs/gateway-auth.md lacks %q", row)
		}
	}
}

// vectors are the signatures that the page gives to those who write code of their own.
var vectors = []struct{ timestamp, nonce, method, host, target, body, signature string }{
	{"1795780800", "4f1c8b0e", "POST", "web.example", "/hooks?id=7", `{"paid":true}`, "e663ea55e3dc782471c29241429b49376726359a13d8c06fd9812b77d84637ad"},
	{"1795780800", "4f1c8b0f", "GET", "web.example:8443", "/", "", "7d44a19bdd602c47a1dd151bc0fc9b39ed2a5919e8a3b298a5c3b527aec62bd2"},
}

const vectorSecret = "0123456789abcdef0123456789abcdef"

func TestTheSignaturesOfThePage(t *testing.T) {
	openssl, missing := exec.LookPath("openssl")
	for _, v := range vectors {
		row := regexp.QuoteMeta("`"+v.timestamp+"`, `"+v.nonce+"` | `"+v.method+" https://"+v.host+v.target+"` | ") + ".*" + v.signature
		if !regexp.MustCompile(row).MatchString(page(t)) {
			t.Errorf("docs/gateway-auth.md lacks %s", row)
		}
		sum := sha256.Sum256([]byte(v.body))
		hash := hex.EncodeToString(sum[:])

		f := newFolder(t, map[string]string{"webhooks": "billing " + vectorSecret})
		req := httptest.NewRequest(v.method, v.target, strings.NewReader(v.body))
		req.Host = v.host
		for name, value := range map[string]string{
			signatureHeader: "v1=" + v.signature, keyHeader: "billing", timestampHeader: v.timestamp, nonceHeader: v.nonce, contentHeader: hash,
		} {
			req.Header.Set(name, value)
		}
		expect(t, mustNew(t, hmacPolicy(), f, nil), req, "hmac billing")

		if missing != nil {
			continue
		}
		command := exec.CommandContext(t.Context(), openssl, "dgst", "-sha256", "-hmac", vectorSecret, "-r")
		command.Stdin = strings.NewReader(strings.Join([]string{"v1", v.timestamp, v.nonce, v.method, v.host, v.target, hash}, "\n"))
		out, err := command.Output()
		if got, _, _ := strings.Cut(string(out), " "); err != nil || got != v.signature {
			t.Errorf("openssl says %q, %v, want %q", got, err, v.signature)
		}
	}
	if missing != nil {
		t.Skip("openssl was not asked: there is none here")
	}
}

// shell runs an example of the page in a folder.
func shell(t *testing.T, dir, script string, needs ...string) string {
	t.Helper()
	for _, program := range append(needs, "sh", "openssl", "cut", "date") {
		if _, err := exec.LookPath(program); err != nil {
			t.Skipf("the example needs %s", program)
		}
	}
	command := exec.CommandContext(t.Context(), "sh", "-eu")
	command.Dir, command.Stdin = dir, strings.NewReader(script)
	out, err := command.CombinedOutput()
	if err != nil {
		t.Fatalf("the example: %v\n%s", err, out)
	}
	return strings.TrimSpace(string(out))
}

func TestTheExamplesMakeKeys(t *testing.T) {
	f := newFolder(t, nil)
	key := shell(t, f.dir, block(t, "sh", ">> partners"))
	shell(t, f.dir, block(t, "sh", ">> webhooks"))
	expect(t, mustNew(t, all(), f, nil), get("X-Api-Key", key), "api-key acme")
	line, err := os.ReadFile(filepath.Join(f.dir, "webhooks"))
	if err != nil {
		t.Fatal(err)
	}
	s := seal()
	s.secret = strings.TrimSpace(strings.TrimPrefix(string(line), "billing "))
	expect(t, mustNew(t, all(), f, nil), s.request(), "hmac billing")
}

func TestTheExampleSignsARequest(t *testing.T) {
	f := newFolder(t, map[string]string{"webhooks": "billing " + vectorSecret, "billing.secret": vectorSecret + "\n"},
		func(o *CredentialOptions) { o.Now = time.Now })
	a, err := New(hmacPolicy(), f.Credentials, nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	bodies := make(chan string, 1)
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		caller, refused := a.Authenticate(req)
		if refused != nil {
			http.Error(w, refused.String(), refused.Status)
			return
		}
		var body bytes.Buffer
		if _, err := body.ReadFrom(req.Body); err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		bodies <- body.String()
		fmt.Fprintf(w, "%s %s", caller.Method, caller.Subject)
	}))
	defer s.Close()
	script := block(t, "sh", "curl")
	here := strings.Replace(script, "https://web.example/", s.URL+"/", 1)
	if here == script {
		t.Fatal("the example calls somebody else")
	}
	if got := shell(t, f.dir, here, "curl", "cat"); got != "hmac billing" {
		t.Fatalf("got %q", got)
	}
	if got := <-bodies; got != `{"paid":true}` {
		t.Errorf("the body is %q", got)
	}
}
