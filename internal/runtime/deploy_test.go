package runtime

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/skyisland/skyisland/internal/release"
)

func TestDeployBringsUpEveryInstance(t *testing.T) {
	t.Setenv("SECRET_OF_OURS", "leaked")
	r := start(t, t.TempDir())
	d := deployment("serve")
	d.Path = "bin/.."
	d.Revision.Run.Instances = 3
	var said []string
	target, err := r.Deploy(t.Context(), d, func(s string) { said = append(said, s) })
	if err != nil {
		t.Fatal(err)
	}
	if target.Revision != d.Revision.ID || len(target.Endpoints) != 3 {
		t.Fatalf("target %+v, want 3 endpoints of %s", target, d.Revision.ID)
	}
	if !slices.Contains(said, "0 of 3 instances are healthy") {
		t.Errorf("progress %q does not say what is waited for", said)
	}
	states := r.Instances()
	if !allHealthy(states) || !slices.Equal(endpoints(states), target.Endpoints) {
		t.Errorf("instances %+v, want all healthy at %v", states, target.Endpoints)
	}
	for index, endpoint := range target.Endpoints {
		wantEnvironment(t, r, d, index, endpoint)
		if where := ask(t, "GET", endpoint, "/where"); !strings.HasSuffix(where, "/root") {
			t.Errorf("instance runs in %s, want the unpacked artifact", where)
		}
	}
	d.Revision.Commit = "another commit with the same content"
	if again := deploy(t, r, d); !slices.Equal(again.Endpoints, target.Endpoints) || !slices.Equal(pids(r.Instances()), pids(states)) {
		t.Errorf("deployed again: %v with processes %v; want the same as before", again, pids(r.Instances()))
	}
	d.Path = "bin"
	if _, err := r.Deploy(t.Context(), d, nil); !errors.Is(err, release.ErrConflict) {
		t.Errorf("the same revision in another folder: %v, want ErrConflict", err)
	}
	if !allHealthy(r.Instances()) {
		t.Error("a deployment that was refused ended what runs")
	}
}

func TestARevisionMayBeGivenAnotherWayIn(t *testing.T) {
	dir := t.TempDir()
	r := start(t, dir)
	d := deployment("serve")
	d.Revision.Ingress = release.Ingress{Path: "/old"}
	first := deploy(t, r, d)
	before := pids(r.Instances())
	d.Revision.Ingress = release.Ingress{Host: "shop.example", Path: "/new", Pins: []release.Pin{{Header: "X-Try", Values: []string{"yes"}}}}
	second := deploy(t, r, d)
	if !slices.Equal(first.Endpoints, second.Endpoints) || !slices.Equal(pids(r.Instances()), before) {
		t.Errorf("deployed at %v, with another way in at %v; want the same processes", first, second)
	}
	var kept groupState
	if err := readJSON(filepath.Join(r.groupDir(d.Key()), "deployment.json"), &kept); err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(kept.Deployment.Revision, d.Revision) {
		t.Errorf("kept %+v, want the newest, %+v", kept.Deployment.Revision, d.Revision)
	}
}

func wantEnvironment(t *testing.T, r *Runtime, d Deployment, index int, endpoint string) {
	t.Helper()
	dir := filepath.Join(r.groupDir(d.Key()), string(rune('0'+index)))
	host, port, _ := strings.Cut(endpoint, ":")
	want := []string{
		"DECLARED=by the installation", "HOME=" + dir + "/home", "HOST=" + host, "LANG=C.UTF-8",
		"PATH=/usr/local/bin:/usr/bin:/bin", "PORT=" + port, "RUNTIME_TEST_HELPER=1", "SKYISLAND_COMPONENT=greeter",
		"SKYISLAND_INSTANCE=" + string(rune('0'+index)), "SKYISLAND_REVISION=" + d.Revision.ID, "SKYISLAND_UNIT=a",
		"TMPDIR=" + dir + "/tmp",
	}
	got := strings.Split(ask(t, "GET", endpoint, "/env"), "\n")
	// The starter of processes adds the folder, which is no secret.
	got = slices.DeleteFunc(got, func(s string) bool { return strings.HasPrefix(s, "PWD=") })
	slices.Sort(got)
	if !slices.Equal(got, want) {
		t.Errorf("environment\n got %q\nwant %q", got, want)
	}
}

func TestARevisionThatDoesNotComeUpIsRemoved(t *testing.T) {
	cases := []struct {
		name, kind string
		change     func(*release.Run)
		exited     bool
		last       string
		tail       string
	}{
		{"it refuses", "refuse", func(run *release.Run) { run.Start = release.Duration(time.Second) }, false, "answered 503", "this is refuse"},
		{"it never listens", "sleep", func(run *release.Run) { run.Start = release.Duration(time.Second) }, false, "connection refused", "this is sleep"},
		// These have a minute, and must not take it.
		{"it exits at once", "crash", func(*release.Run) {}, true, "ended 3 times in a row before it was healthy: exit status 7", "cannot go on"},
		{"there is no such file", "", func(run *release.Run) { run.Command = []string{"bin/missing"} }, true, "bin/missing", ""},
		{"there is no such program", "", func(run *release.Run) { run.Command = []string{"no-such-program"} }, true, "no such program in", ""},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			r := start(t, t.TempDir())
			d := deployment(c.kind)
			c.change(&d.Revision.Run)
			_, err := r.Deploy(t.Context(), d, nil)
			var unhealthy *UnhealthyError
			if !errors.As(err, &unhealthy) {
				t.Fatalf("got %v, want an UnhealthyError", err)
			}
			if unhealthy.Exited != c.exited || !strings.Contains(unhealthy.Last, c.last) || unhealthy.After > 30*time.Second {
				t.Errorf("got %+v, want exited %v with %q, in far less than a minute", unhealthy, c.exited, c.last)
			}
			if c.tail != "" && !slices.Contains(unhealthy.LogTail, c.tail) {
				t.Errorf("log tail %q, want %q in it", unhealthy.LogTail, c.tail)
			}
			if states := r.Instances(); len(states) > 0 {
				t.Errorf("left: %+v", states)
			}
			if _, err := os.Stat(filepath.Join(r.options.Dir, "revisions")); !errors.Is(err, fs.ErrNotExist) {
				t.Errorf("its folder is left: %v", err)
			}
		})
	}
}

func TestDeployRefusesWhatCannotRun(t *testing.T) {
	r := start(t, t.TempDir())
	cases := map[string]func(*Deployment){
		"is not a name":       func(d *Deployment) { d.Unit = "../etc" },
		"is not a lane":       func(d *Deployment) { d.Lane = "hello" },
		"is not a revision":   func(d *Deployment) { d.Revision.ID = "../x" },
		"is not a digest":     func(d *Deployment) { d.Revision.Artifact = "latest" },
		"want a folder in":    func(d *Deployment) { d.Path = "../.." },
		"no command":          func(d *Deployment) { d.Revision.Run.Command = nil },
		"starts with /":       func(d *Deployment) { d.Revision.Run.Health = "healthz" },
		"want 1 to 64":        func(d *Deployment) { d.Revision.Run.Instances = 65 },
		"no time to start":    func(d *Deployment) { d.Revision.Run.Start = 0 },
		"a name without =":    func(d *Deployment) { d.Revision.Run.Env = map[string]string{"A=B": ""} },
		"0 instances: want 1": func(d *Deployment) { d.Revision.Run.Instances = 0 },
	}
	for want, spoil := range cases {
		d := deployment("serve")
		spoil(&d)
		if _, err := r.Deploy(t.Context(), d, nil); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want an error with %q", err, want)
		}
	}
	if states := r.Instances(); len(states) > 0 {
		t.Errorf("left: %+v", states)
	}
}

func TestAnArtifactThatCannotBeUnpackedIsSaid(t *testing.T) {
	broken := errors.New("artifact is corrupt")
	r := start(t, t.TempDir(), func(o *Options) {
		o.Unpack = func(context.Context, release.Digest, string) error { return broken }
	})
	if _, err := r.Deploy(t.Context(), deployment("serve"), nil); !errors.Is(err, broken) {
		t.Errorf("got %v, want the store's error", err)
	}
	if states := r.Instances(); len(states) > 0 {
		t.Errorf("left: %+v", states)
	}
}

func TestRevisionsRunSideBySide(t *testing.T) {
	r := start(t, t.TempDir())
	old, other, staging := deployment("serve"), deployment("stubborn"), deployment("serve")
	staging.Lane = "demo/hello/staging"
	targets := []release.Target{deploy(t, r, old), deploy(t, r, other), deploy(t, r, staging)}
	if old.Revision.ID == other.Revision.ID || old.Revision.ID != staging.Revision.ID {
		t.Fatal("the test is wrong about which revisions are the same")
	}
	if err := r.Retire(t.Context(), staging.Key()); err != nil {
		t.Fatal(err)
	}
	for _, target := range targets[:2] {
		ask(t, "GET", target.Endpoints[0], "/healthz")
	}
	if _, err := try(t.Context(), "GET", targets[2].Endpoints[0], "/healthz"); err == nil {
		t.Error("what was retired still answers")
	}
}

func TestConcurrentDeploysAreOne(t *testing.T) {
	r := start(t, t.TempDir())
	d := deployment("serve")
	d.Revision.Run.Instances = 2
	var wg sync.WaitGroup
	targets := make([]release.Target, 8)
	for n := range targets {
		wg.Go(func() {
			var err error
			if targets[n], err = r.Deploy(context.Background(), d, nil); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	for _, target := range targets {
		if !slices.Equal(target.Endpoints, targets[0].Endpoints) {
			t.Errorf("targets %v and %v, want one", target, targets[0])
		}
	}
	if states := r.Instances(); len(states) != 2 {
		t.Errorf("%d instances, want 2", len(states))
	}

	bad := deployment("crash")
	for range 4 {
		wg.Go(func() {
			var unhealthy *UnhealthyError
			if _, err := r.Deploy(context.Background(), bad, nil); !errors.As(err, &unhealthy) {
				t.Errorf("got %v, want an UnhealthyError", err)
			}
		})
	}
	wg.Wait()
}

func TestOnlySoManyInstancesStartAtATime(t *testing.T) {
	r := start(t, t.TempDir(), func(o *Options) { o.Starts = 2 })
	d := deployment("refuse")
	d.Revision.Run.Instances = 5
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	ended := make(chan error, 1)
	go func() {
		_, err := r.Deploy(ctx, d, nil)
		ended <- err
	}()
	refusing := func(states []InstanceState) (n int) {
		for _, s := range states {
			if strings.Contains(s.Message, "503") {
				n++
			}
		}
		return n
	}
	states := await(t, r, "two starting instances", func(states []InstanceState) bool { return refusing(states) == 2 })
	for n, s := range states {
		if s.PID > 0 && !strings.Contains(s.Message, "503") {
			t.Errorf("instance %d: %+v, want it to wait for its turn", n, s)
		}
		if s.PID > 0 {
			ask(t, "POST", s.Endpoint, "/sick?is=false")
		}
	}
	await(t, r, "the next two", func(states []InstanceState) bool { return refusing(states) == 2 })
	cancel()
	if err := <-ended; !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
}

func TestProgressIsRepeated(t *testing.T) {
	r := start(t, t.TempDir())
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	seen := map[string]int{}
	_, err := r.Deploy(ctx, deployment("sleep"), func(s string) {
		if seen[s]++; seen[s] == 3 {
			cancel()
		}
	})
	if !errors.Is(err, context.Canceled) || seen["0 of 1 instances are healthy"] != 3 {
		t.Errorf("%v after %v, want the same progress three times", err, seen)
	}
}

func TestRetireEndsADeployUnderWay(t *testing.T) {
	r := start(t, t.TempDir())
	d := deployment("sleep")
	ended := make(chan error, 1)
	go func() {
		_, err := r.Deploy(context.Background(), d, nil)
		ended <- err
	}()
	states := await(t, r, "a process", func(states []InstanceState) bool { return len(states) == 1 && states[0].PID > 0 })
	if err := r.Retire(t.Context(), d.Key()); err != nil {
		t.Fatal(err)
	}
	if err := <-ended; !errors.Is(err, ErrRetired) {
		t.Errorf("Deploy: %v, want ErrRetired", err)
	}
	awaitGone(t, states[0].PID)
	for range 2 {
		if err := r.Retire(t.Context(), d.Key()); err != nil {
			t.Errorf("again: %v", err)
		}
	}
	deploy(t, r, deployment("serve"))
}

func TestACancelledDeployLeavesItsWorkToTheNext(t *testing.T) {
	r := start(t, t.TempDir())
	d := deployment("refuse")
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() {
		_, err := r.Deploy(ctx, d, nil)
		ended <- err
	}()
	states := await(t, r, "an answer", func(states []InstanceState) bool {
		return len(states) == 1 && strings.Contains(states[0].Message, "503")
	})
	cancel()
	if err := <-ended; !errors.Is(err, context.Canceled) {
		t.Errorf("got %v, want the context's error", err)
	}
	ask(t, "POST", states[0].Endpoint, "/sick?is=false")
	if target := deploy(t, r, d); target.Endpoints[0] != states[0].Endpoint || !slices.Equal(pids(r.Instances()), pids(states)) {
		t.Errorf("got %v, want the instance that was begun with", target)
	}
}

func TestRetireEndsTheWholeGroup(t *testing.T) {
	r := start(t, t.TempDir())
	d := deployment("stubborn")
	d.Revision.Run.Drain = release.Duration(300 * time.Millisecond)
	target := deploy(t, r, d)
	child := atoi(t, ask(t, "POST", target.Endpoints[0], "/child"))
	detached := atoi(t, ask(t, "POST", target.Endpoints[0], "/child?detached=true"))
	pid := r.Instances()[0].PID
	if !running(child) || !running(detached) || !running(pid) {
		t.Fatal("there is nothing to end")
	}
	if err := r.Retire(t.Context(), d.Key()); err != nil {
		t.Fatal(err)
	}
	awaitGone(t, pid)
	awaitGone(t, child)
	awaitGone(t, detached)
	if err := r.Retire(t.Context(), Key{Unit: "a", Lane: "no/such/lane", Revision: "x-1"}); err != nil {
		t.Errorf("what is not there: %v", err)
	}
	if err := r.Retire(t.Context(), Key{}); err == nil {
		t.Error("no key: want an error")
	}
}

func TestAFullDiskKeepsNothingFromBeingRetired(t *testing.T) {
	r := start(t, t.TempDir())
	d := deployment("serve")
	deploy(t, r, d)
	pid := r.Instances()[0].PID
	// What is a folder cannot be written, as nothing can on a full disk, and can be removed.
	g := r.snapshot()[0]
	for _, file := range []string{g.stateFile(), filepath.Join(g.instances[0].dir(), "state.json")} {
		if err := errors.Join(os.Remove(file), os.Mkdir(file, 0o700)); err != nil {
			t.Fatal(err)
		}
	}
	if err := r.Retire(t.Context(), d.Key()); err != nil {
		t.Fatal(err)
	}
	awaitGone(t, pid)
	if _, err := os.Stat(g.dir); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("its folder: %v, want that it is gone", err)
	}
}
