package gitremote

import (
	"bytes"
	"compress/gzip"
	"io"
	"net/http"
	"net/http/httptest"
	"os/exec"
	"strings"
	"testing"

	"github.com/skyisland/skyisland/internal/git/gittest"
)

// packOf makes a pack of the listed objects.
func packOf(t *testing.T, repo *gittest.Repo, ids string) []byte {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "git", "pack-objects", "--stdout", "--quiet")
	cmd.Dir, cmd.Env = repo.Dir, gittest.Env()
	cmd.Stdin = strings.NewReader(ids + "\n")
	pack, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	return pack
}

func (f *fixture) push(t *testing.T, parts ...[]byte) (status int, body string) {
	t.Helper()
	return f.post(t, receiveService, nil, bytes.Join(parts, nil))
}

func (f *fixture) post(t *testing.T, service string, header http.Header, body []byte) (status int, answer string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, f.URL(shop)+"/git-"+service, bytes.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/x-git-"+service+"-request")
	for key, values := range header {
		req.Header[key] = values
	}
	resp, err := f.server.Client().Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	raw, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, string(raw)
}

func zipped(t *testing.T, raw []byte) []byte {
	t.Helper()
	var out bytes.Buffer
	w := gzip.NewWriter(&out)
	if _, err := w.Write(raw); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

func TestGzipBodies(t *testing.T) {
	f := newFixture(t)
	repo, first := f.clone(t, shop)
	objects := repo.Git("rev-list", "--objects", "--no-object-names", "HEAD")
	commands := appendFlush(appendPacket(nil, zeroID+" "+first+" refs/heads/main\x00report-status side-band-64k"))
	f.receiver.answers(nil)
	header := http.Header{"Content-Encoding": {"gzip"}}
	status, body := f.post(t, receiveService, header, zipped(t, append(commands, packOf(t, repo, objects)...)))
	if status != http.StatusOK || !strings.Contains(body, "unpack ok") || !strings.Contains(body, "\x02Sky Island: received main\n") || !strings.HasSuffix(body, "0000") {
		t.Errorf("push = %d %q", status, body)
	}
	f.receiver.event(t)

	wants := appendPacket(nil, "want "+first+"\n")
	wants = appendPacket(appendFlush(wants), "done\n")
	status, body = f.post(t, uploadService, header, zipped(t, wants))
	if status != http.StatusOK || !strings.Contains(body, "PACK") {
		t.Errorf("fetch = %d %.40q", status, body)
	}

	bomb := zipped(t, bytes.Repeat([]byte("0000"), maxFetchRequest/4+1))
	if status, body := f.post(t, uploadService, header, bomb); status != http.StatusRequestEntityTooLarge {
		t.Errorf("a body that unzips to more than allowed = %d %q", status, body)
	}
}

func TestRubbishBodies(t *testing.T) {
	f := newFixture(t)
	repo, first := f.clone(t, shop)
	repo.Git("push", "origin", "main")
	f.receiver.event(t)
	second := repo.Commit("second")
	flush := []byte("0000")
	command := first + " " + second + " refs/heads/main\x00report-status"
	var many []byte
	for range maxCommands + 1 {
		many = appendPacket(many, first+" "+second+" refs/heads/main")
	}
	for name, c := range map[string]struct {
		service string
		header  http.Header
		body    []byte
		want    int
	}{
		"words for a fetch":        {uploadService, nil, []byte("hello there"), 400},
		"words for a push":         {receiveService, nil, []byte("hello there"), 400},
		"an empty push":            {receiveService, nil, nil, 400},
		"a length that lies":       {receiveService, nil, []byte("00ffabc"), 400},
		"length three":             {receiveService, nil, []byte("0003"), 400},
		"a length over the limit":  {receiveService, nil, []byte("ffff" + strings.Repeat("a", 70000)), 400},
		"commands without end":     {receiveService, nil, appendPacket(nil, command), 400},
		"a command without IDs":    {receiveService, nil, appendFlush(appendPacket(nil, "a b c")), 400},
		"a ref outside refs":       {receiveService, nil, appendFlush(appendPacket(nil, first+" "+second+" ../x")), 400},
		"more commands than fit":   {receiveService, nil, append(many, flush...), 400},
		"a probe":                  {receiveService, nil, flush, 200},
		"not gzip":                 {receiveService, http.Header{"Content-Encoding": {"gzip"}}, flush, 400},
		"gzip cut off":             {receiveService, http.Header{"Content-Encoding": {"gzip"}}, zipped(t, flush)[:15], 400},
		"an unknown encoding":      {receiveService, http.Header{"Content-Encoding": {"br"}}, flush, 400},
		"a form of a browser":      {receiveService, http.Header{"Content-Type": {"text/plain"}}, flush, 415},
		"pkt-lines of nonsense":    {uploadService, nil, appendFlush(appendPacket(nil, "nonsense\n")), 400},
		"an odd protocol version":  {receiveService, http.Header{"Git-Protocol": {"version=9;rm"}}, flush, 200},
		"a delimiter for commands": {receiveService, nil, []byte("0001"), 400},
	} {
		t.Run(name, func(t *testing.T) {
			if got, body := f.post(t, c.service, c.header, c.body); got != c.want {
				t.Errorf("status %d (%.200q), want %d", got, body, c.want)
			}
		})
	}
	t.Run("a pack of nonsense", func(t *testing.T) {
		status, body := f.push(t, appendFlush(appendPacket(nil, command)), []byte("PACKnonsense"))
		if status == http.StatusOK && !strings.Contains(body, "unpack ") || strings.Contains(body, "unpack ok") {
			t.Errorf("answer = %d %q", status, body)
		}
	})
	if got := repo.Git("ls-remote", "origin", "refs/heads/main"); !strings.HasPrefix(got, first) {
		t.Errorf("main moved to %q", got)
	}
	if got := f.receiver.take(); len(got) != 1 {
		t.Errorf("%d events, want the first push only", len(got))
	}
}

func TestOnlyThisMachineIsServedWithoutToken(t *testing.T) {
	f := newFixture(t)
	for name, c := range map[string]struct {
		remote, host string
		want         int
	}{
		"loopback":                  {"127.0.0.1:5", "127.0.0.1:7000", 200},
		"loopback by name":          {"[::1]:5", "localhost:7000", 200},
		"loopback, IPv6":            {"[::1]:5", "[::1]:7000", 200},
		"another machine":           {"192.0.2.1:5", "127.0.0.1:7000", 403},
		"a name that was rebound":   {"127.0.0.1:5", "evil.example:7000", 403},
		"an address that is no one": {"", "localhost", 403},
	} {
		t.Run(name, func(t *testing.T) {
			req := httptest.NewRequest(http.MethodGet, "/git/demo/shop.git/info/refs?service=git-receive-pack", nil)
			req.RemoteAddr, req.Host = c.remote, c.host
			w := httptest.NewRecorder()
			f.ServeHTTP(w, req)
			if w.Code != c.want {
				t.Errorf("status %d (%q), want %d", w.Code, w.Body, c.want)
			}
		})
	}
}

func TestLookingCreatesNothing(t *testing.T) {
	f := newFixture(t)
	resp, err := f.server.Client().Get(f.URL(shop) + "/info/refs?service=git-receive-pack")
	if err != nil {
		t.Fatal(err)
	}
	body, err := io.ReadAll(resp.Body)
	_ = resp.Body.Close()
	if err != nil || !bytes.HasPrefix(body, []byte("001f# service=git-receive-pack\n0000")) {
		t.Errorf("advertisement = %q, %v", body, err)
	}
	if f.find(shop) != nil {
		t.Error("a GET created the repository")
	}
	for path, want := range map[string]int{
		"/git/demo/shop.git/info/refs":                    403, // the dumb protocol
		"/git/demo/shop.git/info/refs?service=git-x":      403,
		"/git/demo/shop.git/HEAD":                         404,
		"/git/demo/shop.git/git-receive-pack":             405,
		"/git/demo/shop.git/" + ledgerFile:                404,
		"/git/demo/..%2fshop.git/info/refs?service=git-x": 403,
		"/elsewhere": 404,
	} {
		resp, err := f.server.Client().Get(f.server.URL + path)
		if err != nil {
			t.Fatal(err)
		}
		_ = resp.Body.Close()
		if resp.StatusCode != want {
			t.Errorf("GET %s = %d, want %d", path, resp.StatusCode, want)
		}
	}
}
