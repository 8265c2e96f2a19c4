// Package app joins everything: it is the only package that knows everybody. What runs where is
// decided here, once, so that a test starts the same program that an installation runs.
package app

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"

	"go.temporal.io/sdk/client"
	"golang.org/x/sync/errgroup"

	"github.com/skyisland/skyisland/activities"
	"github.com/skyisland/skyisland/internal/api"
	"github.com/skyisland/skyisland/internal/artifact"
	"github.com/skyisland/skyisland/internal/build"
	"github.com/skyisland/skyisland/internal/config"
	"github.com/skyisland/skyisland/internal/desk"
	"github.com/skyisland/skyisland/internal/dispatch"
	"github.com/skyisland/skyisland/internal/events"
	"github.com/skyisland/skyisland/internal/gateway/admin"
	"github.com/skyisland/skyisland/internal/git"
	"github.com/skyisland/skyisland/internal/github"
	"github.com/skyisland/skyisland/internal/glob"
	"github.com/skyisland/skyisland/internal/identity"
	"github.com/skyisland/skyisland/internal/intake"
	"github.com/skyisland/skyisland/internal/notify/router"
	"github.com/skyisland/skyisland/internal/page"
	"github.com/skyisland/skyisland/internal/policy"
	"github.com/skyisland/skyisland/internal/release"
	"github.com/skyisland/skyisland/internal/runtime"
	"github.com/skyisland/skyisland/internal/store"
	"github.com/skyisland/skyisland/internal/subscription"
	"github.com/skyisland/skyisland/worker"
)

// Options are what an app is made of.
type Options struct {
	Config config.Config
	// Temporal stays the caller's to close.
	Temporal client.Client
	Version  string
	// GitRemote is the address of a git remote beside the app; only told.
	GitRemote string
	// Adopt makes an application of a repository that was never registered. Nil adopts none.
	Adopt func(fullName, cloneURL string) (release.Application, bool)
	// Detach leaves instances running when the app stops, for the next one to adopt; otherwise they
	// end with it and start again with the next.
	Detach bool
	Log    *slog.Logger
}

// App is a server with its worker.
type App struct {
	config  config.Config
	log     *slog.Logger
	detach  bool
	store   *store.Store
	fleet   *admin.Fleet
	runtime *runtime.Runtime
	router  *intake.Router
	// sources are the webhooks of events, by their path; schedules and asking are sources that are no webhooks.
	sources   map[string]http.Handler
	schedules *intake.Schedules
	asking    *intake.Asking
	// promotions and backfill make events of what nobody tells: releases that complete, and pushes that were lost.
	promotions   *intake.Promotions
	backfill     *intake.Backfill
	people       *identity.Directory
	rules        *policy.Engine
	attestations *attestations
	page         *page.Page
	desk         *desk.Desk
	chats        chats
	notifier     *router.Router
	feed         *events.Feed
	subscribers  *subscription.Subscribers
	alarms       *alarms
	// github and writer are nil unless we are somebody at GitHub.
	github   *github.Connection
	writer   *github.Writer
	api      *api.Server
	dispatch *dispatch.Dispatcher
	worker   interface {
		Start() error
		Stop()
	}
}

// New joins the parts. Nothing runs before [App.Run]; close an app that does not.
func New(ctx context.Context, o Options) (*App, error) {
	a := &App{config: o.Config, log: o.Log, detach: o.Detach, dispatch: dispatch.New(o.Temporal)}
	if err := os.MkdirAll(o.Config.Data, 0o750); err != nil {
		return nil, fmt.Errorf("make the data folder: %w", err)
	}
	var err error
	if a.people, err = directory(o.Config, a.log); err != nil {
		return nil, err
	}
	salts, err := Secret(a.path("salt-key"))
	if err != nil {
		return nil, err
	}
	if a.fleet, err = newFleet(o.Config.Units, o.Config.GatewayToken.Reveal()); err != nil {
		return nil, err
	}
	source, err := git.New(a.path("mirrors"), git.Options{})
	if err != nil {
		return nil, fmt.Errorf("git: %w", err)
	}
	dsn := o.Config.Store.Reveal()
	if dsn == "" {
		dsn = a.path("skyisland.db")
	}
	if a.store, err = store.Open(ctx, dsn); err != nil {
		return nil, err
	}
	if err := a.join(o, repositories{source}, salts); err != nil {
		return nil, errors.Join(err, a.Close())
	}
	return a, nil
}

// join makes the parts that need the store.
func (a *App) join(o Options, repositories repositories, salts string) error {
	artifacts, err := artifact.New(a.path("artifacts"))
	if err != nil {
		return fmt.Errorf("artifacts: %w", err)
	}
	shelf := newShelf(o.Config, artifacts)
	runner, err := build.New(build.Options{Home: a.path("home"), Temp: a.path("tmp"), Path: o.Config.Build.Path, Env: o.Config.Build.Env})
	if err != nil {
		return fmt.Errorf("builder: %w", err)
	}
	a.runtime, err = runtime.New(runtime.Options{Dir: a.path("runtime"), Unpack: shelf.Extract, Path: o.Config.Build.Path, Log: a.log})
	if err != nil {
		return fmt.Errorf("runtime: %w", err)
	}
	if a.rules, err = policy.New(policyOptions(o.Config.Policy, a.log)); err != nil {
		return fmt.Errorf("rules: %w", err)
	}
	if a.attestations, err = a.newAttestations(o); err != nil {
		return err
	}
	a.desk = a.newDesk()
	if a.chats, err = a.openChats(o.Config, a.desk); err != nil {
		return err
	}
	if a.notifier, err = a.newNotifier(o.Config, a.chats.channels); err != nil {
		return err
	}
	if a.feed, a.subscribers, err = a.newEvents(o.Config); err != nil {
		return err
	}
	if a.alarms, err = a.newAlarms(o.Config); err != nil {
		return err
	}
	if a.github, err = connectGitHub(o.Config.GitHub); err != nil {
		return err
	}
	if a.writer, err = a.newWriter(o.Config); err != nil {
		return err
	}
	a.worker = worker.New(o.Temporal, worker.Activities{
		Source:  &activities.Source{Repositories: repositories, Manifest: resolveManifest, Units: a.fleet.Units(), Under: glob.Within, Author: a.author},
		Build:   a.builds(repositories, commands{runner: runner, logs: a.path("logs")}, shelf),
		Deploy:  &activities.Deploy{Runtime: deployer{a.runtime}, Gateways: a.fleet},
		Checks:  &activities.Checks{Repositories: repositories, Prover: prover{}, Dir: a.path("work")},
		Traffic: &activities.Traffic{Router: a.fleet, Salt: salter(salts)},
		Watch:   &activities.Watch{Observers: observersOf(a.fleet)},
		Policy:  a.policy(),
		Record:  &activities.Record{Journal: journal{a.store, a.kickAll}},
	}, worker.Options{Deployment: o.Config.Temporal.Deployment, BuildID: o.Config.Temporal.BuildID})
	return a.serveFrom(o, repositories)
}

// serveFrom makes the parts that others call.
func (a *App) serveFrom(o Options, repositories repositories) error {
	box := inbox{a.store}
	parts := intake.Parts{
		Inbox: box, Applications: applications{Store: a.store, adopt: o.Adopt}, Manifests: manifests{repositories}, Submitter: a.dispatch,
		Releases: underWay{a.dispatch, a.store}, Repositories: now(repositories), Heads: heads{a.store}, Serving: a.store, People: a.people, Log: a.log,
		Released: released{a.store}, Instructor: instructor{desk.Audit{Releases: a.dispatch, Records: a.store}}, Builds: newWaiting(a.store, a.dispatch),
	}
	if a.writer != nil {
		parts.Protections = a
	}
	a.router = intake.NewRouter(parts)
	a.promotions = intake.NewPromotions(story{a.store}, box, a.router, a.log)
	a.backfill = intake.NewBackfill(parts, a.router, a.sent(o.Config))
	if err := a.takeSources(o.Config, box); err != nil {
		return err
	}
	tokens := make([]api.Token, len(o.Config.Tokens))
	for i, token := range o.Config.Tokens {
		tokens[i] = api.Token{Name: token.Name, Groups: token.Groups, Token: token.Token.Reveal(), Scopes: token.Scopes, Tenants: token.Tenants}
	}
	info := api.Info{Version: o.Version, TemporalUI: o.Config.Temporal.UI, GitRemote: o.GitRemote}
	if a.sources[githubPath] != nil {
		info.Webhook = o.Config.PublicURL + githubPath
	}
	for _, unit := range o.Config.Units {
		info.Units = append(info.Units, api.Unit{Name: unit.Name, Entry: unit.Entry})
	}
	var err error
	if a.page, err = a.newPage(a.desk); err != nil {
		return err
	}
	a.api, err = api.New(api.Options{
		Releases: audited{a.dispatch, desk.Audit{Releases: a.dispatch, Records: a.store}}, Records: records{a.store, a.backfill.Kick},
		Traffic: trafficView{a.fleet}, Logs: logs{runtime: a.runtime, dir: a.path("logs")}, Freezes: a.freezes(), Notifications: deliveries{a.store, a.notifier.Kick},
		Writebacks: writebacks{a.store, a.kickAll}, Artifacts: statements{a.attestations},
		Events: a.feed, Subscriptions: subscriptions{a.store, a.subscribers.Subscribers, a.subscribers.Kick},
		Inbox: inboxView{a.store, a.router.Wake}, Intake: asking{a.asking, a.router},
		Keys: idempotency{a.store}, Tokens: tokens, People: a.people, Policies: rulesView{a.rules}, Info: info, Log: a.log,
	})
	return err
}

// slackPath is where Slack delivers.
const slackPath = "/webhooks/slack"

// Handler is everything that others call: the API, the webhooks and the approval page.
func (a *App) Handler() http.Handler {
	mux := http.NewServeMux()
	for path, source := range a.sources {
		mux.Handle("POST "+path, source)
	}
	if a.chats.slack != nil {
		mux.Handle("POST "+slackPath, a.chats.slack.Handler())
	}
	mux.HandleFunc(webhooksPath, a.noWebhook)
	mux.Handle("/approve/", a.page.Handler())
	mux.Handle("/", a.api.Handler())
	return mux
}

// Run runs the worker, the intake, the runtime and the reconciler until ctx ends, and stops them in
// an order in which none misses another.
func (a *App) Run(ctx context.Context) error {
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	group, running := errgroup.WithContext(ctx)
	group.Go(func() error { return a.runtime.Run(running) })
	group.Go(func() error { return a.router.Run(running) })
	group.Go(func() error { return a.schedules.Run(running) })
	group.Go(func() error { return a.promotions.Run(running) })
	group.Go(func() error { return a.backfill.Run(running) })
	group.Go(func() error { return a.reconcile(running) })
	group.Go(func() error { a.retention().run(running); return nil })
	group.Go(func() error { return a.rules.Run(running) })
	// What happened last is told too: the router ends after the worker, which keeps what there is to tell.
	telling, told := context.WithCancel(context.WithoutCancel(ctx))
	defer told()
	notifying := make(chan struct{})
	go func() { defer close(notifying); a.tell(telling) }()
	if a.alarms != nil {
		group.Go(func() error { return a.alarms.run(running) })
	}
	if a.writer != nil {
		group.Go(func() error { a.writer.Run(running); return nil })
	}
	for _, listen := range a.chats.listening {
		group.Go(func() error { return listen(running) })
	}
	if err := a.worker.Start(); err != nil {
		stop()
		told()
		<-notifying
		return errors.Join(fmt.Errorf("start the worker: %w", err), group.Wait())
	}
	<-running.Done()
	a.worker.Stop()
	err := group.Wait()
	if a.chats.slack != nil {
		a.chats.slack.Wait()
	}
	told()
	<-notifying
	if a.detach {
		a.runtime.Detach()
		return err
	}
	// ctx has ended; instances still get their time to drain. They start again with the next start.
	grace, cancel := context.WithTimeout(context.WithoutCancel(ctx), shutdownGrace)
	defer cancel()
	return errors.Join(err, a.runtime.Stop(grace))
}

// CloseStreams ends what would otherwise outlast a shutdown of the HTTP server.
func (a *App) CloseStreams() { a.api.Close() }

// Close closes what New opened.
func (a *App) Close() error { return a.store.Close() }

func (a *App) path(parts ...string) string {
	return filepath.Join(append([]string{a.config.Data}, parts...)...)
}
