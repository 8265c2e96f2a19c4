package cli_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/skyisland/skyisland/internal/api"
	"github.com/skyisland/skyisland/internal/api/apitest"
	"github.com/skyisland/skyisland/internal/cli"
	"github.com/skyisland/skyisland/internal/dispatch"
	"github.com/skyisland/skyisland/internal/identity"
	"github.com/skyisland/skyisland/internal/release"
	"github.com/skyisland/skyisland/workflows"
)

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"skyisland": func() {
		dir, err := os.Getwd()
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(cli.ExitError)
		}
		ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
		defer stop()
		os.Exit(cli.Run(ctx, cli.Options{
			Version: "1.2.3", Stdin: os.Stdin, Stdout: os.Stdout, Stderr: os.Stderr, Getenv: os.Getenv, Dir: dir, Home: os.Getenv("HOME"),
		}, os.Args[1:]))
	}})
}

// plan is the hash of every plan of [installation].
var plan = strings.Repeat("9d3c52ab", 8)

var noon = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

func id(application, environment string, number int) release.ID {
	return release.ID{Lane: release.Lane{Tenant: "demo", Application: application, Environment: environment}, Number: number}
}

func status(id release.ID, phase release.Phase, minute int) release.Status {
	at := noon.Add(time.Duration(minute) * time.Minute)
	stable := release.Revision{ID: "web-000000000000", Component: "web"}
	s := release.Status{
		ID: id, Phase: phase, Since: at.Add(30 * time.Second), Commit: "8f3a21c9d0e1b2c3d4e5f60718293a4b5c6d7e8f", Message: "Say hello",
		Requester: release.Actor{Name: "ana", Source: "github"}, Requested: at, PlanHash: plan, Units: []string{"a", "b"}, Step: -1,
		Moves:    []release.Move{{Component: "web", Stable: &stable, Candidate: release.Revision{ID: "web-111111111111", Component: "web"}}},
		Steps:    []release.Step{{Weight: 100, Bake: release.Duration(30 * time.Second), Probe: true}, {Weight: 2000, Bake: release.Duration(2 * time.Minute)}},
		Timeline: []release.Entry{{Number: 1, At: at, Phase: release.Building, Message: "building"}, {Number: 2, At: at.Add(30 * time.Second), Phase: phase, Message: "it is " + string(phase)}},
	}
	if phase.Ended() && phase != release.Completed {
		s.Cause = &release.Cause{Kind: release.CauseEvidence, Message: "the canary is worse", Details: []string{"4 of 4 bad requests were its own"}}
	}
	return s
}

// installation has one release of each end in demo/hello/production, one that asks, and two lanes of
// another application.
func installation() *apitest.Installation {
	i := apitest.New()
	for n, phase := range []release.Phase{
		release.Completed, release.RolledBack, release.Failed, release.Refused, release.Aborted, release.Superseded, release.Approving,
	} {
		i.Put(status(id("hello", "production", n+1), phase, n+1))
	}
	i.Put(status(id("shop", "production", 1), release.Completed, 20))
	i.Put(status(id("shop", "staging", 12), release.Ramping, 30))
	i.WriteBack(api.Writeback{
		Release: "demo/shop/staging/12", State: "settled", Updated: time.Date(2026, 3, 2, 9, 0, 0, 0, time.UTC), Objects: []api.WritebackObject{
			{Name: "check", State: "dead", Attempts: 1, Reason: "GitHub answered 403: \x1b[31mNo"}, {Name: "deployment", State: "sent"},
		},
	})
	i.SetLog("web", "listening on 20001\nready\n")
	receive(i)
	i.SetBuildLog(id("hello", "production", 3), "web", api.TestLog, "--- FAIL: TestHello\n")
	i.SetGateways(
		api.Gateway{Unit: "a", Name: "a-1", Address: "http://127.0.0.1:7791", Digest: "x", Routes: []api.Route{{
			Key: "demo/shop/staging/web", Release: "demo/shop/staging/12", Version: 4, Path: "/", Weight: 500, InForce: 500,
			LeaseLeft: release.Duration(8 * time.Second),
			Stable:    &api.RouteRevision{Revision: "web-0", Requests: 1200, Errors: 3, P99: release.Duration(12 * time.Millisecond)},
			Canary:    &api.RouteRevision{Revision: "web-1", Requests: 60},
		}}},
		api.Gateway{Unit: "b", Address: "http://127.0.0.1:7792", Error: "connection refused"},
	)
	return i
}

func info() api.Info {
	return api.Info{Version: "1.2.3", Units: []api.Unit{{Name: "a", Entry: "http://127.0.0.1:8080"}, {Name: "b"}}, GitRemote: "http://127.0.0.1:7781"}
}

// directory is an installation that knows olga, and nobody else.
func directory(t *testing.T) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "people.yaml")
	if err := os.WriteFile(file, []byte("people: [{name: olga.ivanova, groups: [leads], api: [olga]}]\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	people, err := identity.New(identity.Options{File: file})
	if err != nil {
		t.Fatal(err)
	}
	i := installation()
	i.KnowPeople(people)
	return i.Start(t, info())
}

func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir: "testdata/scripts",
		Setup: func(env *testscript.Env) error {
			i := installation()
			prove(env.T().(testing.TB), i, env.WorkDir)
			happenings(env.T().(testing.TB), i)
			i.AddToken(api.Token{Name: "lea", Token: "limited-token-0123456789", Scopes: []release.Scope{release.ScopeRead}, Tenants: []string{"demo"}})
			i.AddToken(api.Token{Name: "bo", Token: "blind-token-0123456789", Scopes: []release.Scope{release.ScopeAlarm}})
			i.Inbox().Settle(api.EventOutcome{Kind: "started", Message: "release 8 has started", Releases: []release.ID{id("hello", "production", 8)}})
			i.SetDecisions(id("shop", "production", 1), decided(env.T().(testing.TB))...)
			i.OnInstruct(func(told apitest.Told) (workflows.Followed, error) {
				if told.What == dispatch.Rollback {
					return workflows.Followed{}, &dispatch.RefusedError{Message: "cannot rollback: no traffic has moved"}
				}
				return workflows.Followed{Phase: release.Approving, Message: fmt.Sprintf("%s by %s for %.8s: %s",
					told.What, told.Instruction.By, told.Instruction.PlanHash, told.Instruction.Comment)}, nil
			})
			env.Vars = append(env.Vars, "SKYISLAND_SERVER="+i.Start(env.T().(testing.TB), info()), "SKYISLAND_TOKEN="+apitest.Operator,
				"PEOPLE="+directory(t), "READER="+apitest.Reader, "LIMITED=limited-token-0123456789", "BLIND=blind-token-0123456789", "HOME="+filepath.Join(env.WorkDir, "home"), "TZ=UTC", "PLAN="+plan)
			return nil
		},
	})
}

// output collects what a program writes, and wakes who waits for a part of it.
type output struct {
	mu      sync.Mutex
	text    bytes.Buffer
	written chan struct{}
}

func newOutput() *output { return &output{written: make(chan struct{})} }

func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	close(o.written)
	o.written = make(chan struct{})
	return o.text.Write(p)
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text.String()
}

// await waits until the output holds a text.
func (o *output) await(t *testing.T, want string) {
	t.Helper()
	deadline := time.After(30 * time.Second)
	for {
		o.mu.Lock()
		written, found := o.written, strings.Contains(o.text.String(), want)
		o.mu.Unlock()
		if found {
			return
		}
		select {
		case <-written:
		case <-deadline:
			t.Fatalf("%q was not written:\n%s", want, o)
		}
	}
}

// surroundings of a command that has a token for the server.
func surroundings(t *testing.T, server string, out, errs io.Writer) cli.Options {
	env := map[string]string{"SKYISLAND_SERVER": server, "SKYISLAND_TOKEN": apitest.Operator}
	return cli.Options{
		Version: "1.2.3", Stdin: strings.NewReader(""), Stdout: out, Stderr: errs, Dir: t.TempDir(),
		Getenv: func(name string) string { return env[name] },
	}
}

func TestExitCodes(t *testing.T) {
	i := installation()
	i.OnInstruct(func(apitest.Told) (workflows.Followed, error) {
		return workflows.Followed{}, &dispatch.RefusedError{Message: "cannot pause: it is paused already"}
	})
	server := i.Start(t, info())
	for line, want := range map[string]int{
		"release watch hello/production/1":                 cli.ExitOK,
		"release watch hello/production/2":                 cli.ExitRolledBack,
		"release watch production/3":                       cli.ExitFailed,
		"release watch 4":                                  cli.ExitRefused,
		"release watch 5":                                  cli.ExitAborted,
		"release watch 6 -o json":                          cli.ExitAborted,
		"release show 2":                                   cli.ExitOK,
		"release show 99":                                  cli.ExitNotFound,
		"release show demo/hello/production/99":            cli.ExitNotFound,
		"release show 1":                                   cli.ExitUsage,
		"release show x":                                   cli.ExitUsage,
		"release show 1 2":                                 cli.ExitUsage,
		"release list --phase flying":                      cli.ExitError,
		"release list --limit 0":                           cli.ExitUsage,
		"release pause 12":                                 cli.ExitNotFollowed,
		"release pause":                                    cli.ExitUsage,
		"release approve 7":                                cli.ExitUsage,
		"release approve 7 --plan 9d3c":                    cli.ExitUsage,
		"release approve 7 --plan deadbeef":                cli.ExitNotFollowed,
		"release fly":                                      cli.ExitUsage,
		"release list --nonsense":                          cli.ExitUsage,
		"--output xml release list":                        cli.ExitUsage,
		"--token wrong release list":                       cli.ExitError,
		"--server nowhere release list":                    cli.ExitUsage,
		"--server http://127.0.0.1:1 release list":         cli.ExitError,
		"--token a --token-file b release list":            cli.ExitUsage,
		"logs nobody":                                      cli.ExitNotFound,
		"logs --kind test":                                 cli.ExitUsage,
		"logs --release 3 --kind deploy":                   cli.ExitUsage,
		"logs --release 3 --follow":                        cli.ExitUsage,
		"logs --release 3 --kind test":                     cli.ExitOK,
		"application add hello --repository https://x.y/z": cli.ExitUsage,
		"application add demo/hello":                       cli.ExitUsage,
		"application add demo/hello --repository -x":       cli.ExitError,
		"validate missing.yaml":                            cli.ExitError,
		"doctor":                                           cli.ExitError,
		"events list --outcome lost":                       cli.ExitUsage,
		"events list --outcome refused --pending":          cli.ExitUsage,
		"events list --limit 0":                            cli.ExitUsage,
		"events list --since yesterday":                    cli.ExitUsage,
		"events list --before x":                           cli.ExitError,
		"events show one":                                  cli.ExitUsage,
		"events show 99":                                   cli.ExitNotFound,
		"events show 99 --body":                            cli.ExitNotFound,
		"events show 4 --body":                             cli.ExitNotFollowed,
		"events replay 0":                                  cli.ExitUsage,
		"events replay 99":                                 cli.ExitNotFound,
		"events replay 4":                                  cli.ExitNotFollowed,
		"events replay 3":                                  cli.ExitNotFollowed,
		"events replay 1 --wait 20ms":                      cli.ExitError,
		"events replay 1 --request ä":                      cli.ExitError,
		"version":                                          cli.ExitOK,
	} {
		t.Run(line, func(t *testing.T) {
			out, errs := newOutput(), newOutput()
			got := cli.Run(t.Context(), surroundings(t, server, out, errs), strings.Fields(line))
			if got != want {
				t.Errorf("exit code %d, want %d\n%s%s", got, want, out, errs)
			}
			ended := strings.HasPrefix(line, "release watch") || line == "doctor"
			if got != 0 && !ended && strings.Count(errs.String(), "\n") != 1 {
				t.Errorf("the error is not one line:\n%s", errs)
			}
		})
	}
}

func TestTheExitCodeOfAStartIsItsOutcome(t *testing.T) {
	for kind, want := range map[string]int{"queued": cli.ExitOK, "refused": cli.ExitRefused, "ignored": cli.ExitError} {
		t.Run(kind, func(t *testing.T) {
			i := installation()
			i.Inbox().Settle(api.EventOutcome{Kind: kind, Message: "because"})
			out, errs := newOutput(), newOutput()
			got := cli.Run(t.Context(), surroundings(t, i.Start(t, info()), out, errs), strings.Fields("release start demo/hello --ref main --wait"))
			if got != want || !strings.Contains(out.String(), kind+": because") {
				t.Errorf("exit code %d, want %d\n%s%s", got, want, out, errs)
			}
		})
	}
}

func TestWatchTellsChangesAsTheyCome(t *testing.T) {
	i := installation()
	out, errs := newOutput(), newOutput()
	done := make(chan int, 1)
	o := surroundings(t, i.Start(t, info()), out, errs)
	go func() { done <- cli.Run(t.Context(), o, []string{"release", "watch"}) }()
	out.await(t, "demo/shop/staging/12 ramping: it is ramping")
	next := status(id("shop", "staging", 12), release.RolledBack, 30)
	next.Timeline[1].Phase = release.Ramping
	next.Timeline[1].Message = "it is ramping"
	next.Timeline = append(next.Timeline, release.Entry{Number: 3, At: noon, Phase: release.RolledBack, Message: "all is back"})
	i.Put(next)
	if code := <-done; code != cli.ExitRolledBack {
		t.Errorf("exit code %d\n%s", code, errs)
	}
	got := out.String()
	if strings.Count(got, "it is ramping") != 1 || !strings.Contains(got, "rolled-back: all is back") || !strings.Contains(got, "ended rolled-back: the canary is worse\n  4 of 4") {
		t.Errorf("it told\n%s", got)
	}
}

func TestWatchOnATerminalRedrawsAndLeavesTheCursor(t *testing.T) {
	i := installation()
	out, errs := newOutput(), newOutput()
	o := surroundings(t, i.Start(t, info()), out, errs)
	o.Screen = func() (int, int, bool) { return 80, 50, true }
	done := make(chan int, 1)
	go func() { done <- cli.Run(t.Context(), o, []string{"release", "watch", "12"}) }()
	out.await(t, "● ramp")
	i.Put(status(id("shop", "staging", 12), release.Completed, 30))
	if code := <-done; code != cli.ExitOK {
		t.Errorf("exit code %d\n%s", code, errs)
	}
	got := out.String()
	if !strings.HasPrefix(got, "\x1b[?25l") || !strings.HasSuffix(got, "\x1b[?25h") {
		t.Errorf("the cursor is not hidden and shown again: %q", got)
	}
	if !strings.Contains(got, "\x1b[32mcompleted\x1b[0m") || !strings.Contains(got, "✓ watch") {
		t.Errorf("the last frame is missing:\n%s", got)
	}
}

func TestAnInterruptedWatchLeavesTheTerminalAsItWas(t *testing.T) {
	i := installation()
	out, errs := newOutput(), newOutput()
	o := surroundings(t, i.Start(t, info()), out, errs)
	o.Screen = func() (int, int, bool) { return 80, 50, true }
	ctx, interrupt := context.WithCancel(t.Context())
	done := make(chan int, 1)
	go func() { done <- cli.Run(ctx, o, []string{"release", "watch", "12"}) }()
	out.await(t, "● ramp")
	interrupt()
	if code := <-done; code != cli.ExitInterrupted {
		t.Errorf("exit code %d", code)
	}
	if !strings.HasSuffix(out.String(), "\x1b[?25h") || !strings.Contains(errs.String(), "the release goes on") {
		t.Errorf("it left %q and said %q", out.String()[max(0, len(out.String())-20):], errs)
	}
}

func TestColoursAreLeftOutWhereTheyAreNotWanted(t *testing.T) {
	i := installation()
	server := i.Start(t, info())
	for name, test := range map[string]struct {
		noColor  string
		terminal bool
		want     bool
	}{
		"a terminal":              {"", true, true},
		"a terminal and NO_COLOR": {"1", true, false},
		"no terminal":             {"", false, false},
	} {
		t.Run(name, func(t *testing.T) {
			out := newOutput()
			o := surroundings(t, server, out, io.Discard)
			getenv := o.Getenv
			o.Getenv = func(name string) string {
				if name == "NO_COLOR" {
					return test.noColor
				}
				return getenv(name)
			}
			o.Screen = func() (int, int, bool) { return 80, 50, test.terminal }
			if code := cli.Run(t.Context(), o, []string{"release", "show", "2"}); code != 0 {
				t.Fatalf("exit code %d", code)
			}
			if got := strings.Contains(out.String(), "\x1b["); got != test.want {
				t.Errorf("colours: %t, want %t", got, test.want)
			}
		})
	}
}

func TestTheStandalonesTokenStaysOnThisMachine(t *testing.T) {
	i := installation()
	server := i.Start(t, info())
	dir := t.TempDir()
	deep := filepath.Join(dir, "a", "b")
	for _, folder := range []string{deep, filepath.Join(dir, ".skyisland")} {
		if err := os.MkdirAll(folder, 0o750); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile(filepath.Join(dir, ".skyisland", "token"), []byte(apitest.Reader+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for address, want := range map[string]string{server: "", "http://sky.example:7780": "there is no token"} {
		errs := newOutput()
		o := surroundings(t, address, io.Discard, errs)
		o.Dir = deep
		o.Getenv = func(name string) string { return map[string]string{"SKYISLAND_SERVER": address}[name] }
		code := cli.Run(t.Context(), o, []string{"release", "list"})
		if (code == 0) != (want == "") || !strings.Contains(errs.String(), want) {
			t.Errorf("%s: exit code %d: %s", address, code, errs)
		}
	}
}
