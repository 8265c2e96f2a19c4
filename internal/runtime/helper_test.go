package runtime

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/skyisland/skyisland/internal/release"
)

// TestMain makes this test's own program the instance under test: what it does is its first argument.
func TestMain(m *testing.M) {
	if os.Getenv("RUNTIME_TEST_HELPER") == "" {
		os.Exit(m.Run())
	}
	os.Exit(helper(os.Args[1:]))
}

func helper(args []string) int {
	fmt.Println("this is", args[0])
	switch args[0] {
	case "crash":
		fmt.Fprintln(os.Stderr, "cannot go on")
		return 7
	case "sleep":
		<-time.After(time.Hour)
	case "refuse", "serve", "stubborn":
		return serve(args[0])
	case "supervise":
		return supervise(args[1])
	}
	return 0
}

func serve(kind string) int {
	if kind == "stubborn" {
		signal.Ignore(syscall.SIGTERM)
	}
	var sick atomic.Bool
	sick.Store(kind == "refuse")
	mux := http.NewServeMux()
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) {
		if sick.Load() {
			w.WriteHeader(http.StatusServiceUnavailable)
		}
	})
	mux.HandleFunc("POST /sick", func(_ http.ResponseWriter, r *http.Request) { sick.Store(r.FormValue("is") == "true") })
	mux.HandleFunc("GET /env", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, strings.Join(os.Environ(), "\n")) })
	mux.HandleFunc("GET /where", func(w http.ResponseWriter, _ *http.Request) {
		dir, _ := os.Getwd()
		fmt.Fprint(w, dir)
	})
	mux.HandleFunc("POST /print", func(_ http.ResponseWriter, r *http.Request) {
		text := r.FormValue("text")
		if times, err := strconv.Atoi(r.FormValue("times")); err == nil {
			text = strings.Repeat(text+"\n", times)
		}
		fmt.Println(text)
	})
	mux.HandleFunc("POST /exit", func(http.ResponseWriter, *http.Request) { os.Exit(9) })
	mux.HandleFunc("POST /child", func(w http.ResponseWriter, r *http.Request) {
		child := exec.Command(os.Args[0], "sleep")
		child.Env = os.Environ()
		child.SysProcAttr = &syscall.SysProcAttr{Setsid: r.FormValue("detached") == "true"}
		if err := child.Start(); err == nil {
			fmt.Fprint(w, child.Process.Pid)
		}
	})
	fmt.Fprintln(os.Stderr, http.ListenAndServe(os.Getenv("HOST")+":"+os.Getenv("PORT"), mux))
	return 1
}

// supervise is a program that has a runtime, for tests that kill it.
func supervise(dir string) int {
	r, err := New(Options{Dir: dir, Unpack: unpack})
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	go func() { _ = r.Run(context.Background()) }()
	d := deployment("serve")
	d.Revision.Run.Instances = 2
	if _, err := r.Deploy(context.Background(), d, nil); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	_ = json.NewEncoder(os.Stdout).Encode(r.Instances())
	<-time.After(time.Hour)
	return 0
}

// unpack stands for the artifact store: every artifact is a folder with this test's program in it.
func unpack(_ context.Context, _ release.Digest, dest string) error {
	if _, err := os.Stat(dest); err == nil {
		return nil
	}
	program, err := os.Executable()
	if err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Join(dest, "bin"), 0o755); err != nil {
		return err
	}
	return os.Symlink(program, filepath.Join(dest, "bin", "helper"))
}

// deployment is of a revision that does what kind says.
func deployment(kind string) Deployment {
	return Deployment{Unit: "a", Lane: "demo/hello/production", Revision: release.NewRevision("greeter",
		release.Digest("sha256:"+strings.Repeat("0", 64)), release.Run{
			Command: []string{"bin/helper", kind}, Env: map[string]string{"RUNTIME_TEST_HELPER": "1"},
			Health: "/healthz", Instances: 1, Start: release.Duration(time.Minute), Drain: release.Duration(20 * time.Second),
		}, "c0ffee")}
}

// start opens a runtime and runs it until the test ends.
func start(t *testing.T, dir string, change ...func(*Options)) *Runtime {
	t.Helper()
	options := Options{Dir: dir, Unpack: unpack, Env: map[string]string{"DECLARED": "by the installation"}}
	for _, c := range change {
		c(&options)
	}
	r, err := New(options)
	if err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- r.Run(context.Background()) }()
	t.Cleanup(func() {
		// Those that are left have no clients to be drained.
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		if err := r.Stop(ctx); err != nil {
			t.Error(err)
		}
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	return r
}

func deploy(t *testing.T, r *Runtime, d Deployment) release.Target {
	t.Helper()
	target, err := r.Deploy(t.Context(), d, nil)
	if err != nil {
		t.Fatal(err)
	}
	return target
}

// ask sends a request to an instance and returns the answer's body.
func ask(t *testing.T, method, endpoint, path string) string {
	t.Helper()
	body, err := try(t.Context(), method, endpoint, path)
	if err != nil {
		t.Fatal(err)
	}
	return body
}

func try(ctx context.Context, method, endpoint, path string) (string, error) {
	request, err := http.NewRequestWithContext(ctx, method, "http://"+endpoint+path, nil)
	if err != nil {
		return "", err
	}
	client := http.Client{Transport: &http.Transport{DisableKeepAlives: true}, Timeout: 20 * time.Second}
	response, err := client.Do(request)
	if err != nil {
		return "", err
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	return string(body), err
}

// await waits until the instances are as wanted, and returns them.
func await(t *testing.T, r *Runtime, what string, wanted func([]InstanceState) bool) []InstanceState {
	t.Helper()
	for deadline := time.Now().Add(30 * time.Second); ; <-time.After(10 * time.Millisecond) {
		states := r.Instances()
		if wanted(states) {
			return states
		}
		if time.Now().After(deadline) {
			t.Fatalf("waited for %s; there is %+v", what, states)
		}
	}
}

func allHealthy(states []InstanceState) bool {
	return len(states) > 0 && !slices.ContainsFunc(states, func(s InstanceState) bool { return s.State != Healthy })
}

func awaitGone(t *testing.T, pid int) {
	t.Helper()
	for deadline := time.Now().Add(20 * time.Second); running(pid); <-time.After(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("process %d is still there", pid)
		}
	}
}

func running(pid int) bool {
	_, err := identity(pid)
	return !errors.Is(err, errGone)
}

func pids(states []InstanceState) []int {
	var out []int
	for _, s := range states {
		out = append(out, s.PID)
	}
	return out
}

func endpoints(states []InstanceState) []string {
	var out []string
	for _, s := range states {
		out = append(out, s.Endpoint)
	}
	return out
}
