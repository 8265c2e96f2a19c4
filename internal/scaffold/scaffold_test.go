package scaffold

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"go/format"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/skyisland/skyisland/internal/cases"
	"github.com/skyisland/skyisland/internal/manifest"
	"github.com/skyisland/skyisland/internal/release"
)

func TestWriteWritesAnApplicationWhoseManifestIsRight(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "new", "folder")
	got, err := Write(dir, Options{Tenant: "fliggy", Application: "rail-tour", Component: "rail"})
	if err != nil {
		t.Fatal(err)
	}
	want := []string{
		"README.md", "cases/timetable.yaml", ".gitignore", "go.mod", "main.go", "skyisland.yaml",
		"timetable.go", "timetable_test.go",
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("wrote %v, want %v", got, want)
	}
	data, err := os.ReadFile(filepath.Join(dir, manifest.FileName))
	if err != nil {
		t.Fatal(err)
	}
	m, err := manifest.Read(manifest.FileName, data)
	if err != nil {
		t.Fatal(err)
	}
	spec, err := m.Spec("production")
	if err != nil {
		t.Fatal(err)
	}
	if lane := (release.Lane{Tenant: "fliggy", Application: "rail-tour", Environment: "production"}); spec.Lane != lane {
		t.Errorf("lane %s", spec.Lane)
	}
	if c := spec.Components[0]; c.Ingress.Path != "/rail" || c.Run.Command[0] != "bin/rail" || spec.Branch != "main" {
		t.Errorf("got %+v on %s", c, spec.Branch)
	}
	if _, err := cases.Load(os.DirFS(dir), spec.Components[0].Cases); err != nil {
		t.Error(err)
	}
}

func TestWriteOverwritesNothing(t *testing.T) {
	dir := t.TempDir()
	for _, name := range []string{"go.mod", "README.md"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte("mine"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	_, err := Write(dir, Options{Application: "hello"})
	if err == nil || !strings.Contains(err.Error(), "README.md, go.mod") {
		t.Errorf("got %v, want the files that are there", err)
	}
	entries, err := os.ReadDir(dir)
	if err != nil || len(entries) != 2 {
		t.Errorf("%v, %v: want nothing written", entries, err)
	}
}

func TestNamesThatAreNoNamesAreRefused(t *testing.T) {
	for name, o := range map[string]Options{
		"no application":       {},
		"an upper-case tenant": {Tenant: "Fliggy", Application: "a"},
		"a path":               {Application: "../a"},
		"the health check":     {Application: "a", Component: "healthz"},
		"a branch of YAML":     {Application: "a", Branch: "main}\n"},
	} {
		dir := t.TempDir()
		if written, err := Write(dir, o); err == nil || written != nil {
			t.Errorf("%s: wrote %v, %v", name, written, err)
		}
	}
}

func TestAVariantNeedsItsApplication(t *testing.T) {
	dir := t.TempDir()
	if err := Variant(dir, Good); err == nil {
		t.Error("no application: no error")
	}
	if _, err := Write(dir, Options{Application: "a"}); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ name, want string }{
		{"ugly", "there are good and bad"}, {Bad, "not as it was written"}, {Good, ""}, {Good, "has the change already"}, {Bad, ""},
	} {
		if err := Variant(dir, c.name); (err == nil) != (c.want == "") || err != nil && !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: got %v, want %q", c.name, err, c.want)
		}
	}
}

// TestTheTour builds, tests and starts the application as each of its versions, as a release does.
func TestTheTour(t *testing.T) {
	if testing.Short() {
		t.Skip("it runs the go command several times")
	}
	dir := t.TempDir()
	if _, err := Write(dir, Options{Application: "rail-tour"}); err != nil {
		t.Fatal(err)
	}
	for _, version := range []struct {
		name, change, answer string
		status               int
	}{
		{"v1", "", `"number":"G1"`, http.StatusOK},
		{"v2 is good, and one can see it", Good, `"takes":"4h29m"`, http.StatusOK},
		{"v3 passes every check and fails real clients", Bad, "internal error", http.StatusInternalServerError},
	} {
		t.Run(version.name, func(t *testing.T) {
			if version.change != "" {
				if err := Variant(dir, version.change); err != nil {
					t.Fatal(err)
				}
			}
			spec := resolve(t, dir)
			component := spec.Components[0]
			formatted(t, dir)
			command(t, dir, component.Test)
			command(t, dir, component.Build.Command())
			command(t, dir, release.Command{Run: []string{"go", "vet", "./..."}})
			endpoint := start(t, dir, component.Run)
			all, err := cases.Load(os.DirFS(dir), component.Cases)
			if err != nil {
				t.Fatal(err)
			}
			result, err := cases.Run(t.Context(), cases.Target{Endpoints: []string{endpoint}, Path: component.Ingress.Path}, all, nil)
			if err != nil || result.Failed() > 0 {
				t.Errorf("its own cases: %v, %v", result.Failures, err)
			}
			for range 20 {
				if status, body := ask(t, endpoint, component.Ingress.Path); status != version.status || !strings.Contains(body, version.answer) {
					t.Fatalf("a real client got %d %s, want %d %s", status, body, version.status, version.answer)
				}
			}
		})
	}
}

// formatted fails for Go files that gofmt would change.
func formatted(t *testing.T, dir string) {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(dir, "*.go"))
	if err != nil || len(files) == 0 {
		t.Fatalf("no Go files: %v", err)
	}
	for _, file := range files {
		got, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if want, err := format.Source(got); err != nil || !bytes.Equal(want, got) {
			t.Errorf("%s is not formatted: %v", file, err)
		}
	}
}

func resolve(t *testing.T, dir string) release.Spec {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(dir, manifest.FileName))
	if err != nil {
		t.Fatal(err)
	}
	m, err := manifest.Read(manifest.FileName, data)
	if err != nil {
		t.Fatal(err)
	}
	spec, err := m.Spec("production")
	if err != nil {
		t.Fatal(err)
	}
	return spec
}

func command(t *testing.T, dir string, c release.Command) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), c.Run[0], c.Run[1:]...)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "GOWORK=off", "GOFLAGS=", "GOTOOLCHAIN=local", "CGO_ENABLED=0")
	for name, value := range c.Env {
		cmd.Env = append(cmd.Env, name+"="+value)
	}
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v: %v\n%s", c.Run, err, out)
	}
}

// start starts an instance and waits until it says its address; it ends with the test, by SIGTERM,
// and then has to end well.
func start(t *testing.T, dir string, run release.Run) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.WithoutCancel(t.Context()), time.Minute)
	cmd := exec.CommandContext(ctx, filepath.Join(dir, run.Command[0]))
	cmd.Env = []string{"PORT=0"}
	logs, err := cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewScanner(logs)
	address := ""
	for address == "" && lines.Scan() {
		if found := regexp.MustCompile(`address=(\S+)`).FindStringSubmatch(lines.Text()); found != nil {
			address = found[1]
		}
	}
	drained := make(chan struct{})
	go func() {
		defer close(drained)
		for lines.Scan() {
		}
	}()
	t.Cleanup(func() {
		defer cancel()
		if err := cmd.Process.Signal(syscall.SIGTERM); err != nil && !errors.Is(err, os.ErrProcessDone) {
			t.Error(err)
		}
		<-drained
		if err := cmd.Wait(); err != nil {
			t.Errorf("it did not end well on SIGTERM: %v", err)
		}
	})
	if address == "" {
		t.Fatal("the instance did not start")
	}
	return address
}

// ask asks as a phone does.
func ask(t *testing.T, endpoint, path string) (int, string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+endpoint+path+"?from=beijing&to=shanghai", nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set(ClientHeader, ClientLanguages)
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	body := make([]byte, 4096)
	n, _ := res.Body.Read(body)
	return res.StatusCode, string(body[:n])
}
