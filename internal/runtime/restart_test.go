package runtime

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
)

func atoi(t *testing.T, s string) int {
	t.Helper()
	n, err := strconv.Atoi(s)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func TestBackoffGrowsToItsBound(t *testing.T) {
	for n, want := range map[int]time.Duration{
		1: 100 * time.Millisecond, 2: 200 * time.Millisecond, 5: 1600 * time.Millisecond, 9: 25600 * time.Millisecond,
		10: 30 * time.Second, 1000: 30 * time.Second,
	} {
		if got := backoff(n); got != want {
			t.Errorf("backoff(%d) = %s, want %s", n, got, want)
		}
	}
}

func TestAnInstanceThatExitsComesBackAtItsPort(t *testing.T) {
	r := start(t, t.TempDir())
	target := deploy(t, r, deployment("serve"))
	child := atoi(t, ask(t, "POST", target.Endpoints[0], "/child"))
	for n := 1; n <= 2; n++ {
		before := r.Instances()[0].PID
		_, _ = try(t.Context(), "POST", target.Endpoints[0], "/exit")
		after := await(t, r, "a restart", func(states []InstanceState) bool { return states[0].Restarts == n && allHealthy(states) })[0]
		if after.PID == before || after.Endpoint != target.Endpoints[0] || after.LastExit != "exit status 9" {
			t.Errorf("after exit %d: %+v, want a new process at %s", n, after, target.Endpoints[0])
		}
	}
	awaitGone(t, child)
}

// fastClock waits a twentieth of the time.
type fastClock struct{ systemClock }

func (fastClock) After(d time.Duration) <-chan time.Time { return time.After(d / 20) }

func TestHealthIsWatched(t *testing.T) {
	r := start(t, t.TempDir(), func(o *Options) { o.Clock = fastClock{} })
	target := deploy(t, r, deployment("serve"))
	pid := r.Instances()[0].PID
	ask(t, "POST", target.Endpoints[0], "/sick?is=true")
	state := await(t, r, "a sick instance", func(states []InstanceState) bool { return states[0].State == Unhealthy })[0]
	if !strings.Contains(state.Message, "answered 503") {
		t.Errorf("message %q, want the answer", state.Message)
	}
	ask(t, "POST", target.Endpoints[0], "/sick?is=false")
	if state := await(t, r, "recovery", allHealthy)[0]; state.PID != pid || state.Restarts != 0 {
		t.Errorf("%+v, want the same process", state)
	}
}

// countingClock waits almost nothing and remembers what was asked for.
type countingClock struct {
	waits chan time.Duration
	// ahead is how much later it is than the system says.
	ahead *atomic.Int64
}

func (c countingClock) Now() time.Time { return time.Now().Add(time.Duration(c.ahead.Load())) }

func (c countingClock) After(d time.Duration) <-chan time.Time {
	select {
	case c.waits <- d:
	default:
	}
	return time.After(min(d, time.Millisecond))
}

func TestTheWaitBeforeARestartGrowsUntilAnInstanceIsSteady(t *testing.T) {
	clock := countingClock{waits: make(chan time.Duration, 100_000), ahead: new(atomic.Int64)}
	r := start(t, t.TempDir(), func(o *Options) { o.Clock = clock })
	target := deploy(t, r, deployment("serve"))
	for n := 1; n <= 5; n++ {
		if n == 5 {
			clock.ahead.Store(int64(steady))
		}
		_, _ = try(t.Context(), "POST", target.Endpoints[0], "/exit")
		await(t, r, "a restart", func(states []InstanceState) bool { return states[0].Restarts == n && allHealthy(states) })
	}
	want := []time.Duration{backoff(1), backoff(2), backoff(3), backoff(4), backoff(1)}
	var found []time.Duration
	for len(clock.waits) > 0 {
		// Everything else is waited for at other intervals than these.
		if wait := <-clock.waits; slices.Contains(want, wait) {
			found = append(found, wait)
		}
	}
	if !slices.Equal(found, want) {
		t.Errorf("waited %v, want %v", found, want)
	}
}

func TestAKilledProgramFindsItsInstancesAgain(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "a [folder] of ours*?")
	program, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(program, "supervise", dir)
	cmd.Env = []string{"RUNTIME_TEST_HELPER=1"}
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	var before []InstanceState
	for lines := bufio.NewScanner(out); before == nil && lines.Scan(); {
		_ = json.Unmarshal(lines.Bytes(), &before) // its first line is none
	}
	if _, err := New(Options{Dir: dir, Unpack: unpack}); !errors.Is(err, ErrInUse) {
		t.Errorf("a second program on the folder: %v, want ErrInUse", err)
	}
	_ = cmd.Process.Kill()
	_ = cmd.Wait()
	if len(before) != 2 || !running(before[0].PID) || !running(before[1].PID) {
		t.Fatalf("%+v: want two instances that outlive their supervisor", before)
	}
	ask(t, "POST", before[0].Endpoint, "/print?text=while+nobody+watched")

	r := start(t, dir)
	after := await(t, r, "adoption", allHealthy)
	if !slices.Equal(pids(after), pids(before)) || !slices.Equal(endpoints(after), endpoints(before)) {
		t.Errorf("adopted %+v, want %+v", after, before)
	}
	if lines := logLines(t, r, Filter{}); !slices.Contains(lines, "while nobody watched") {
		t.Errorf("log %q does not have what was printed meanwhile", lines)
	}
	d := deployment("serve")
	d.Revision.Run.Instances = 2
	if target := deploy(t, r, d); !slices.Equal(target.Endpoints, endpoints(before)) {
		t.Errorf("deployed again at %v, want %v", target.Endpoints, endpoints(before))
	}
	// An adopted instance is supervised like any other.
	_, _ = try(t.Context(), "POST", before[0].Endpoint, "/exit")
	again := await(t, r, "a restart", func(states []InstanceState) bool { return states[0].Restarts == 1 && allHealthy(states) })
	if again[0].Endpoint != before[0].Endpoint {
		t.Errorf("restarted at %s, want %s", again[0].Endpoint, before[0].Endpoint)
	}
	if err := r.Retire(t.Context(), d.Key()); err != nil {
		t.Fatal(err)
	}
	for _, state := range again {
		awaitGone(t, state.PID)
	}
}

func TestKilledAtAnyMomentThereIsExactlyWhatIsWanted(t *testing.T) {
	dir := t.TempDir()
	program, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	for n := range 20 {
		cmd := exec.Command(program, "supervise", dir)
		cmd.Env = []string{"RUNTIME_TEST_HELPER=1"}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		// From before it has read its state to after it is done.
		<-time.After(time.Duration(n*8) * time.Millisecond)
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	}
	r := start(t, dir)
	d := deployment("serve")
	d.Revision.Run.Instances = 2
	target := deploy(t, r, d)
	for n, state := range r.Instances() {
		if state.State != Healthy || state.Endpoint != target.Endpoints[n] {
			t.Errorf("instance %d: %+v, want it healthy at %s", n, state, target.Endpoints[n])
		}
		temp := filepath.Join(r.groupDir(d.Key()), strconv.Itoa(n), "tmp")
		if found := withTemp(t.Context(), temp); !slices.Equal(found, []int{state.PID}) {
			t.Errorf("instance %d has processes %v, want %d alone", n, found, state.PID)
		}
	}
}

// detached deploys and leaves an instance running, and returns it with the file of its state.
func detached(t *testing.T, dir string, d Deployment) (state InstanceState, file string) {
	t.Helper()
	r, err := New(Options{Dir: dir, Unpack: unpack})
	if err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- r.Run(context.Background()) }()
	deploy(t, r, d)
	state = r.Instances()[0]
	r.Detach()
	if err := <-ended; err != nil {
		t.Fatal(err)
	}
	return state, filepath.Join(r.groupDir(d.Key()), "0", "state.json")
}

func TestDetachedInstancesAreAdopted(t *testing.T) {
	dir := t.TempDir()
	before, _ := detached(t, dir, deployment("serve"))
	if after := await(t, start(t, dir), "adoption", allHealthy)[0]; after.PID != before.PID || after.Endpoint != before.Endpoint {
		t.Errorf("adopted %+v, want %+v", after, before)
	}
}

func TestAProcessWithARecycledNumberIsLeftAlone(t *testing.T) {
	dir := t.TempDir()
	before, file := detached(t, dir, deployment("serve"))
	(&process{pid: before.PID}).signalGroup(syscall.SIGKILL)
	awaitGone(t, before.PID)
	foreign := exec.Command("sleep", "600")
	// With a group of its own, as instances have.
	foreign.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := foreign.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- foreign.Wait() }()
	defer func() { _ = foreign.Process.Kill() }()
	edit(t, file, func(state *instanceState) { state.PID = foreign.Process.Pid })

	r := start(t, dir)
	after := await(t, r, "a new process", allHealthy)[0]
	if after.PID == foreign.Process.Pid || after.Endpoint != before.Endpoint {
		t.Errorf("%+v, want a new process at %s", after, before.Endpoint)
	}
	if err := r.Retire(t.Context(), after.Key); err != nil {
		t.Fatal(err)
	}
	select {
	case err := <-ended:
		t.Errorf("a process that is not ours was ended: %v", err)
	default:
	}
}

func TestAProcessWithoutARecordIsEnded(t *testing.T) {
	dir := t.TempDir()
	before, file := detached(t, dir, deployment("serve"))
	edit(t, file, func(state *instanceState) { state.PID, state.Identity = 0, "" })
	after := await(t, start(t, dir), "a new process", allHealthy)[0]
	if after.PID == before.PID || after.Endpoint != before.Endpoint {
		t.Errorf("%+v, want a new process at %s", after, before.Endpoint)
	}
	awaitGone(t, before.PID)
}

func TestAnAdoptedInstanceThatIsNotHealthyStartsAnew(t *testing.T) {
	dir := t.TempDir()
	before, _ := detached(t, dir, deployment("serve"))
	ask(t, "POST", before.Endpoint, "/sick?is=true")
	after := await(t, start(t, dir, func(o *Options) { o.Clock = fastClock{} }), "a new process", allHealthy)[0]
	if after.PID == before.PID || after.Endpoint != before.Endpoint {
		t.Errorf("%+v, want a new process at %s", after, before.Endpoint)
	}
	awaitGone(t, before.PID)
}

func TestWhatWasBeingRetiredIsEndedAtTheNextStart(t *testing.T) {
	dir := t.TempDir()
	d := deployment("serve")
	before, file := detached(t, dir, d)
	desired := filepath.Join(filepath.Dir(filepath.Dir(file)), "deployment.json")
	edit(t, desired, func(state *groupState) { state.Desired = false })
	r := start(t, dir)
	await(t, r, "nothing", func(states []InstanceState) bool { return len(states) == 0 })
	awaitGone(t, before.PID)
}

func TestAStateNobodyCanReadLeavesNoProcessBehind(t *testing.T) {
	dir := t.TempDir()
	before, file := detached(t, dir, deployment("serve"))
	if err := os.WriteFile(filepath.Join(filepath.Dir(filepath.Dir(file)), "deployment.json"), []byte("{"), 0o600); err != nil {
		t.Fatal(err)
	}
	r := start(t, dir)
	await(t, r, "nothing", func(states []InstanceState) bool { return len(states) == 0 })
	awaitGone(t, before.PID)
	deploy(t, r, deployment("serve"))
}

func edit[T any](t *testing.T, file string, change func(*T)) {
	t.Helper()
	var value T
	if err := readJSON(file, &value); err != nil {
		t.Fatal(err)
	}
	change(&value)
	if err := writeJSON(file, value); err != nil {
		t.Fatal(err)
	}
}

func TestStopEndsInstancesAndTheNextStartBringsThemBack(t *testing.T) {
	dir := t.TempDir()
	r := start(t, dir)
	d := deployment("serve")
	d.Revision.Run.Instances = 2
	target := deploy(t, r, d)
	before := r.Instances()
	if err := r.Stop(t.Context()); err != nil {
		t.Fatal(err)
	}
	for _, state := range before {
		awaitGone(t, state.PID)
	}
	for _, state := range r.Instances() {
		if state.State != Stopped || state.PID != 0 {
			t.Errorf("after Stop: %+v", state)
		}
	}
	if _, err := r.Deploy(t.Context(), d, nil); !errors.Is(err, ErrClosed) {
		t.Errorf("Deploy after Stop: %v, want ErrClosed", err)
	}
	if err := r.Retire(t.Context(), d.Key()); !errors.Is(err, ErrClosed) {
		t.Errorf("Retire after Stop: %v, want ErrClosed", err)
	}
	if after := await(t, start(t, dir), "a new start", allHealthy); !slices.Equal(endpoints(after), target.Endpoints) {
		t.Errorf("started again at %v, want %v", endpoints(after), target.Endpoints)
	}
}

func TestAPortThatIsTakenIsWaitedFor(t *testing.T) {
	dir := t.TempDir()
	r := start(t, dir)
	target := deploy(t, r, deployment("serve"))
	if err := r.Stop(t.Context()); err != nil {
		t.Fatal(err)
	}
	foreign, err := net.Listen("tcp", target.Endpoints[0])
	if err != nil {
		t.Fatal(err)
	}
	r = start(t, dir)
	state := await(t, r, "a taken port", func(states []InstanceState) bool { return states[0].State == PortTaken })[0]
	if !strings.Contains(state.Message, "another program listens at "+target.Endpoints[0]) {
		t.Errorf("message %q, want the endpoint", state.Message)
	}
	foreign.Close()
	if state := await(t, r, "a start", allHealthy)[0]; state.Endpoint != target.Endpoints[0] {
		t.Errorf("started at %s, want %s", state.Endpoint, target.Endpoints[0])
	}
}

func TestPortsRunOut(t *testing.T) {
	foreign, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer foreign.Close()
	address, ok := foreign.Addr().(*net.TCPAddr)
	if !ok {
		t.Fatal("no TCP address")
	}
	r := start(t, t.TempDir(), func(o *Options) { o.Ports = [2]int{address.Port, address.Port} })
	var unhealthy *UnhealthyError
	if _, err := r.Deploy(t.Context(), deployment("serve"), nil); !errors.As(err, &unhealthy) || !strings.Contains(unhealthy.Last, "are taken") {
		t.Errorf("got %v, want an error about ports", err)
	}
}

func TestOptionsAreChecked(t *testing.T) {
	for want, options := range map[string]Options{
		"no folder":         {Unpack: unpack},
		"nothing to unpack": {Dir: t.TempDir()},
		"want an IP":        {Dir: t.TempDir(), Unpack: unpack, Host: "localhost"},
		"want the first":    {Dir: t.TempDir(), Unpack: unpack, Ports: [2]int{2, 1}},
		"without =":         {Dir: t.TempDir(), Unpack: unpack, Env: map[string]string{"": ""}},
	} {
		if _, err := New(options); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want an error with %q", err, want)
		}
	}
}
