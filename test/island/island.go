package island

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/skyisland/skyisland/internal/api/client"
	"github.com/skyisland/skyisland/internal/gateway/admin"
	"github.com/skyisland/skyisland/internal/release"
	"github.com/skyisland/skyisland/internal/runtime"
)

const (
	// Patience is how long a test waits for something that should happen. It is far longer than anything
	// takes, for machines that have other work.
	Patience = 2 * time.Minute
	// look is how often a condition without an event of its own is looked at.
	look = 20 * time.Millisecond
	// logShown is how much of the end of a log a failed test prints, in bytes.
	logShown = 32 << 10
)

// Options are how an island is started. The zero value is one unit in a new folder.
type Options struct {
	// Data is the folder of its state; a new one when empty.
	Data string
	// Units are the names of its units, one called "local" when empty.
	Units []string
	// PolicyData is the content of policy-data.yaml; none is written when empty.
	PolicyData string
	// Files are further files of the folder by their names, such as config.yaml.
	Files map[string]string
	// ExtraArgs are further arguments.
	ExtraArgs []string
}

// Unit is one unit of an island.
type Unit struct {
	Name string
	// Entry is the URL where clients come in, without a slash at the end, Control that of the gateway's control. Admin is
	// the gateway's client.
	Entry   string
	Control string
	Admin   *admin.Client
}

// Island is one running program. Its methods are not safe for concurrent use, but for those of API.
type Island struct {
	// API speaks to the program as its operator, over restarts too.
	API   *client.Client
	Data  string
	Units []Unit
	// Base is the URL of the API, the webhooks and the git remote, Temporal the address of the Temporal
	// server, UI the URL of its user interface.
	Base     string
	Temporal string
	UI       string
	// Log is the file of the program's log.
	Log string

	t       testing.TB
	program programs
	args    []string
	process *process
}

// process is one life of the program.
type process struct {
	command *exec.Cmd
	// ended is closed when it has ended; err says how.
	ended chan struct{}
	err   error
}

// Start builds the program, starts it and waits until it is healthy. When the test is over the program
// and its functions are ended; when it failed, the end of the log is printed before.
func Start(t testing.TB, o Options) *Island {
	t.Helper()
	built, err := build()
	if err != nil {
		t.Fatal(err)
	}
	i := &Island{t: t, program: built, Data: o.Data}
	if i.Data == "" {
		i.Data = t.TempDir()
	}
	i.Log = filepath.Join(i.Data, "skyisland.log")
	if len(o.Units) == 0 {
		o.Units = []string{"local"}
	}
	if o.PolicyData != "" {
		i.WritePolicyData(o.PolicyData)
	}
	for name, content := range o.Files {
		if err := os.WriteFile(filepath.Join(i.Data, name), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	i.Temporal = FreeAddress(t)
	listen, ui := FreeAddress(t), FreeAddress(t)
	i.Base, i.UI = "http://"+listen, "http://"+ui
	i.args = []string{"--no-tour", "--data", i.Data, "--listen", listen, "--temporal", i.Temporal, "--ui", ui}
	var control []string
	for _, name := range o.Units {
		entry, admin := FreeAddress(t), FreeAddress(t)
		i.Units = append(i.Units, Unit{Name: name, Entry: "http://" + entry, Control: "http://" + admin})
		control = append(control, "http://"+admin)
		i.args = append(i.args, "--unit", fmt.Sprintf("%s=%s,%s", name, entry, admin))
	}
	i.args = append(i.args, o.ExtraArgs...)
	t.Cleanup(i.end)
	i.launch()
	i.connect(control)
	i.awaitHealth()
	return i
}

// connect makes the clients. The tokens are there as soon as the program listens.
func (i *Island) connect(control []string) {
	i.t.Helper()
	var token, gateway string
	i.Eventually("tokens in the data folder", func() error {
		if i.process.hasEnded() {
			i.t.Fatalf("the program ended: %v", i.process.err)
		}
		var err error
		if token, err = i.secret("token"); err != nil {
			return err
		}
		gateway, err = i.secret("gateway-token")
		return err
	})
	var err error
	if i.API, err = client.New(i.Base, token); err != nil {
		i.t.Fatal(err)
	}
	for n, address := range control {
		if i.Units[n].Admin, err = admin.NewClient("gateway-"+i.Units[n].Name, address, gateway); err != nil {
			i.t.Fatal(err)
		}
		i.t.Cleanup(i.Units[n].Admin.Close)
	}
}

func (i *Island) secret(name string) (string, error) {
	data, err := os.ReadFile(filepath.Join(i.Data, name))
	return strings.TrimSpace(string(data)), err
}

// WebhookSecret is the key of the signatures of webhook deliveries.
func (i *Island) WebhookSecret() []byte {
	i.t.Helper()
	secret, err := i.secret("webhook-secret")
	if err != nil {
		i.t.Fatal(err)
	}
	return []byte(secret)
}

// WritePolicyData replaces policy-data.yaml as a whole.
func (i *Island) WritePolicyData(content string) {
	i.t.Helper()
	file := filepath.Join(i.Data, "policy-data.yaml")
	if err := os.WriteFile(file+".new", []byte(content), 0o600); err != nil {
		i.t.Fatal(err)
	}
	if err := os.Rename(file+".new", file); err != nil {
		i.t.Fatal(err)
	}
}

// launch starts a process. Its life is the island's, not that of a context.
func (i *Island) launch() {
	i.t.Helper()
	// A file and no pipe: whatever the program starts may hold on to it without keeping the test waiting.
	output, err := os.OpenFile(i.output(), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		i.t.Fatal(err)
	}
	defer output.Close()
	p := &process{ended: make(chan struct{})}
	p.command = exec.Command(i.program.standalone, i.args...)
	p.command.Stdout, p.command.Stderr = output, output
	if err := p.command.Start(); err != nil {
		i.t.Fatalf("start the program: %v", err)
	}
	go func() {
		defer close(p.ended)
		p.err = p.command.Wait()
	}()
	i.process = p
}

// output is the file of what the program prints.
func (i *Island) output() string { return filepath.Join(i.Data, "output.log") }

func (p *process) hasEnded() bool {
	select {
	case <-p.ended:
		return true
	default:
		return false
	}
}

// awaitHealth waits until the API and every gateway answer.
func (i *Island) awaitHealth() {
	i.t.Helper()
	i.Eventually("a healthy program", func() error {
		if i.process.hasEnded() {
			i.t.Fatalf("the program ended: %v", i.process.err)
		}
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		if err := i.API.Health(ctx); err != nil {
			return err
		}
		for _, unit := range i.Units {
			if err := unit.Admin.Health(ctx); err != nil {
				return err
			}
		}
		return nil
	})
}

// PID is the number of the program's process.
func (i *Island) PID() int { return i.process.command.Process.Pid }

// Kill ends the program as a power cut would, and returns when it is gone. Its functions go on.
func (i *Island) Kill() {
	i.t.Helper()
	if err := i.process.command.Process.Kill(); err != nil && !errors.Is(err, os.ErrProcessDone) {
		i.t.Fatalf("kill the program: %v", err)
	}
	<-i.process.ended
}

// stopPatience is how long the program may take to stop in order.
const stopPatience = 45 * time.Second

// Stop asks the program to end, and fails the test when it does not, or not well. Its functions end with
// it, and start again with [Island.Restart].
func (i *Island) Stop() {
	i.t.Helper()
	if err := i.terminate(); err != nil {
		i.t.Errorf("stop the program: %v", err)
	}
}

func (i *Island) terminate() error {
	if err := i.process.command.Process.Signal(syscall.SIGTERM); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return err
	}
	select {
	case <-i.process.ended:
		return i.process.err
	case <-time.After(stopPatience):
		i.Kill()
		return fmt.Errorf("it did not end within %s of SIGTERM", stopPatience)
	}
}

// Restart starts the program again in the same folder, at the same addresses, after a [Island.Kill] or
// [Island.Stop], and waits until it is healthy.
func (i *Island) Restart() {
	i.t.Helper()
	if !i.process.hasEnded() {
		i.t.Fatal("restart: the program still runs")
	}
	i.launch()
	i.awaitHealth()
}

// end leaves nothing behind: neither the program nor its functions, which would outlive it.
func (i *Island) end() {
	if !i.process.hasEnded() {
		if err := i.terminate(); err != nil {
			i.t.Errorf("stop the program: %v", err)
		}
	}
	if i.t.Failed() {
		i.t.Logf("the program printed:\n%s\nits log ends:\n%s", tail(i.output()), tail(i.Log))
	}
	functions, err := runtime.New(runtime.Options{
		Dir: filepath.Join(i.Data, "runtime"),
		// Nothing is started here, so that nothing is unpacked.
		Unpack: func(context.Context, release.Digest, string) error { return errors.New("the test is over") },
	})
	if err != nil {
		i.t.Errorf("end the functions: %v", err)
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	if err := functions.Stop(ctx); err != nil {
		i.t.Errorf("end the functions: %v", err)
	}
}

func tail(file string) string {
	data, err := os.ReadFile(file)
	if err != nil {
		return err.Error()
	}
	return string(data[max(0, len(data)-logShown):])
}

// Eventually waits until a condition holds, and fails the test with its last error when it does not in
// time. It is for what has no event to wait for.
func (i *Island) Eventually(what string, condition func() error) {
	i.t.Helper()
	Eventually(i.t, what, condition)
}

// Eventually is [Island.Eventually] for what belongs to no island.
func Eventually(t testing.TB, what string, condition func() error) {
	t.Helper()
	deadline := time.After(Patience)
	tick := time.NewTicker(look)
	defer tick.Stop()
	for {
		err := condition()
		if err == nil {
			return
		}
		select {
		case <-deadline:
			t.Fatalf("no %s within %s: %v", what, Patience, err)
		case <-tick.C:
		}
	}
}
