// Package gitremote is a git remote whose pushes become push events, as a forge would send them.
//
// It serves bare repositories by git's smart HTTP protocol, and creates one at its first push. What was pushed is never
// taken from the request: a ledger beside each repository holds the refs whose change is already an event, and whatever
// differs in git is the next event. So a kill between git's update of a ref and the event loses nothing. The next push,
// or the next start, sees the same difference and makes the same event, with the same delivery ID.
package gitremote

import (
	"cmp"
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"os"
	"path"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/skyisland/skyisland/internal/git/gitcmd"
)

// Options say where a [Remote] keeps its repositories and who hears of pushes. Dir, PublicURL, and either Deliver or
// WebhookURL and Secret are needed; other zero fields take the default named with them.
type Options struct {
	// Dir holds the repositories and their ledgers. It is created when absent. One process at a time may use it.
	Dir string
	// PublicURL is where clients reach the server, such as "http://127.0.0.1:7000". Events carry it in clone_url.
	PublicURL string

	// Deliver hands an event over. See [Deliver] for what its errors mean.
	Deliver Deliver
	// WebhookURL gets each event as a signed POST, when Deliver is nil.
	WebhookURL string
	// Secret is the key of the signature. It must not be empty when WebhookURL is used.
	Secret []byte

	// Token is what a client must send as a bearer token, or as the password of basic authentication. Empty lets in
	// every client on this machine, and none from elsewhere.
	Token string
	// Log receives what nobody else is told. Nothing is logged when nil.
	Log *slog.Logger

	// MaxPushBytes is the largest body of one push, uncompressed. 512 MiB.
	MaxPushBytes int64
	// MaxRepositories is how many repositories pushes can create. 1000.
	MaxRepositories int
	// Patience is how long a push waits for the answer to its events before it says that they are queued. 5 seconds.
	Patience time.Duration
	// DeliveryTimeout bounds one delivery that no push waits for. 30 seconds.
	DeliveryTimeout time.Duration
	// RetryDelay is the time before the second try of a delivery that failed. It doubles up to RetryMax.
	// 1 second and 1 minute.
	RetryDelay, RetryMax time.Duration
}

func (o *Options) validate() error {
	if o.Dir == "" {
		return errors.New("git remote: Dir is empty")
	}
	public, err := url.Parse(o.PublicURL)
	if err != nil || public.Scheme != "http" && public.Scheme != "https" || public.Host == "" {
		return fmt.Errorf("git remote: PublicURL %q must be an http or https URL", gitcmd.Redact(o.PublicURL))
	}
	if o.Deliver == nil {
		hook, err := newWebhook(o.WebhookURL, o.Secret)
		if err != nil {
			return err
		}
		o.Deliver = hook.deliver
	} else if o.WebhookURL != "" {
		return errors.New("git remote: Deliver and WebhookURL are both set")
	}
	o.PublicURL = strings.TrimSuffix(o.PublicURL, "/")
	o.Log = cmp.Or(o.Log, slog.New(slog.DiscardHandler))
	o.MaxPushBytes = cmp.Or(o.MaxPushBytes, 512<<20)
	o.MaxRepositories = cmp.Or(o.MaxRepositories, 1000)
	o.Patience = cmp.Or(o.Patience, 5*time.Second)
	o.DeliveryTimeout = cmp.Or(o.DeliveryTimeout, 30*time.Second)
	o.RetryDelay = cmp.Or(o.RetryDelay, time.Second)
	o.RetryMax = max(o.RetryDelay, cmp.Or(o.RetryMax, time.Minute))
	return nil
}

// maxProcesses is how many git processes serve clients at the same time. Others wait for their turn.
const maxProcesses = 8

// Remote serves repositories under /git/ and delivers their push events. Start [Remote.Run] beside it.
type Remote struct {
	opts       Options
	git        *gitcmd.Git
	publicHost string
	mux        *http.ServeMux
	processes  chan struct{}
	wake       chan struct{} // one token: some repository is due

	mu           sync.Mutex
	repositories map[Name]*repository
	due          map[Name]bool // has, or may have, events that nobody is delivering
}

// New opens the repositories under opts.Dir. It delivers nothing yet: see [Remote.Run] and [Remote.Flush].
func New(ctx context.Context, opts Options) (*Remote, error) {
	if err := opts.validate(); err != nil {
		return nil, err
	}
	git, err := gitcmd.Find()
	if err != nil {
		return nil, err
	}
	if opts.Dir, err = filepath.Abs(opts.Dir); err != nil {
		return nil, fmt.Errorf("git remote: %w", err)
	}
	public, err := url.Parse(opts.PublicURL)
	if err != nil {
		return nil, fmt.Errorf("git remote: %w", err)
	}
	r := &Remote{
		opts:         opts,
		git:          git,
		publicHost:   public.Hostname(),
		processes:    make(chan struct{}, maxProcesses),
		wake:         make(chan struct{}, 1),
		repositories: map[Name]*repository{},
		due:          map[Name]bool{},
	}
	r.mux = r.routes()
	if err := r.openAll(); err != nil {
		return nil, fmt.Errorf("git remote: %w", err)
	}
	if err := r.renewTemplate(ctx); err != nil {
		return nil, fmt.Errorf("git remote: %w", err)
	}
	return r, nil
}

// URL is where to push an application, to be given to `git remote add`.
func (r *Remote) URL(name Name) string {
	return r.opts.PublicURL + "/git/" + name.String() + ".git"
}

func (r *Remote) routes() *http.ServeMux {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /git/{tenant}/{repository}/info/refs", r.advertise)
	mux.HandleFunc("POST /git/{tenant}/{repository}/git-upload-pack", r.uploadPack)
	mux.HandleFunc("POST /git/{tenant}/{repository}/git-receive-pack", r.receivePack)
	return mux
}

// ServeHTTP serves git clients. It expects the whole path, with /git/.
func (r *Remote) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("X-Content-Type-Options", "nosniff")
	if !r.admit(w, req) {
		return
	}
	// The server sets deadlines anew only where it has time limits of its own. Ours must not hit the next request on
	// the connection, which may be for somebody else.
	defer func() { _ = http.NewResponseController(w).SetWriteDeadline(time.Time{}) }()
	r.mux.ServeHTTP(w, req)
}

// admit decides who may speak to the remote at all, and answers those who may not.
func (r *Remote) admit(w http.ResponseWriter, req *http.Request) bool {
	if r.opts.Token == "" {
		// The name a browser was lured to by DNS would arrive from this machine, too.
		if isLoopback(req.RemoteAddr) && r.isOurs(req.Host) {
			return true
		}
		http.Error(w, "without a token this git remote serves only the machine it runs on", http.StatusForbidden)
		return false
	}
	_, password, _ := req.BasicAuth()
	if bearer, ok := strings.CutPrefix(req.Header.Get("Authorization"), "Bearer "); ok {
		password = bearer
	}
	// Sums have one length, so that the comparison does not tell the length of the token.
	got, want := sha256.Sum256([]byte(password)), sha256.Sum256([]byte(r.opts.Token))
	if subtle.ConstantTimeCompare(got[:], want[:]) == 1 {
		return true
	}
	w.Header().Set("WWW-Authenticate", `Basic realm="Sky Island git remote"`)
	http.Error(w, "the token of this git remote is needed, as password", http.StatusUnauthorized)
	return false
}

func isLoopback(address string) bool {
	host, _, err := net.SplitHostPort(address)
	ip := net.ParseIP(host)
	return err == nil && ip != nil && ip.IsLoopback()
}

func (r *Remote) isOurs(hostport string) bool {
	host := hostport
	if h, _, err := net.SplitHostPort(hostport); err == nil {
		host = h
	}
	host = strings.Trim(host, "[]")
	ip := net.ParseIP(host)
	return host == "localhost" || host == r.publicHost || ip != nil && ip.IsLoopback()
}

// pusher is the name a client gave, "" without one. It is proven only as far as the token is.
func pusher(req *http.Request) string {
	user, _, _ := req.BasicAuth()
	return printable(user, 100)
}

// process takes one of the places for git processes, until ctx ends.
func (r *Remote) process(ctx context.Context) (release func(), err error) {
	select {
	case r.processes <- struct{}{}:
		return func() { <-r.processes }, nil
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
}

// openAll registers what is on disk, and removes what was never finished.
func (r *Remote) openAll() error {
	if err := os.MkdirAll(r.opts.Dir, 0o700); err != nil {
		return err
	}
	// Below the folder, whose own path may have characters that mean something in a pattern.
	folder := os.DirFS(r.opts.Dir)
	unfinished, err := fs.Glob(folder, ".new-*")
	if err != nil {
		return err
	}
	for _, dir := range unfinished {
		if err := os.RemoveAll(filepath.Join(r.opts.Dir, dir)); err != nil {
			return fmt.Errorf("remove what was never finished: %w", err)
		}
	}
	found, err := fs.Glob(folder, "*/*.git")
	if err != nil {
		return err
	}
	for _, dir := range found {
		name, err := ParseName(path.Dir(dir), strings.TrimSuffix(path.Base(dir), ".git"))
		if err != nil {
			continue // somebody else's folder
		}
		r.repositories[name] = newRepository(name, filepath.Join(r.opts.Dir, dir))
		r.due[name] = true
	}
	return nil
}
