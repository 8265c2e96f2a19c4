package gitremote

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/skyisland/skyisland/internal/git/gitcmd"
)

// maxRefs bounds the list of a repository's refs in bytes.
const maxRefs = 16 << 20

// semaphore is a mutex whose wait ends with a context.
type semaphore chan struct{}

func (s semaphore) take(ctx context.Context) error {
	select {
	case s <- struct{}{}:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// tryTake does not wait.
func (s semaphore) tryTake() bool {
	select {
	case s <- struct{}{}:
		return true
	default:
		return false
	}
}

func (s semaphore) release() { <-s }

// repository is one bare repository and its ledger.
type repository struct {
	name Name
	dir  string
	// pushing is held while git changes the refs, and until the ledger knows, so that a push finds its own changes.
	pushing semaphore
	// delivery lets events out one at a time, so that those of a ref keep their order.
	delivery semaphore

	// mu guards the ledger file, and is the last lock taken.
	mu sync.Mutex
	// answers are kept for pushes whose event somebody else delivered.
	answers []settled
	// failures counts, for each ref with an event that failed, how often in a row.
	failures map[string]int
}

// settled is an event that needs no more delivery.
type settled struct {
	id      string
	message string
	refused bool
}

// answersKept is how many answers a repository keeps in memory.
const answersKept = 200

func newRepository(name Name, dir string) *repository {
	return &repository{
		name: name, dir: dir,
		pushing: make(semaphore, 1), delivery: make(semaphore, 1),
		failures: map[string]int{},
	}
}

// keep remembers an answer. The caller holds p.mu.
func (p *repository) keep(s settled) {
	p.answers = append(p.answers, s)
	if over := len(p.answers) - answersKept; over > 0 {
		p.answers = slices.Delete(p.answers, 0, over)
	}
}

func (p *repository) answer(id string) (settled, bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, s := range p.answers {
		if s.id == id {
			return s, true
		}
	}
	return settled{}, false
}

// find returns a repository that exists, or nil.
func (r *Remote) find(name Name) *repository {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.repositories[name]
}

// errTooManyRepositories is a first push with no room left.
var errTooManyRepositories = errors.New("this git remote has no room for another repository")

// create returns the repository, made when absent: bare, with HEAD at main.
func (r *Remote) create(ctx context.Context, name Name) (*repository, error) {
	if p := r.find(name); p != nil {
		return p, nil
	}
	fresh, err := os.MkdirTemp(r.opts.Dir, ".new-")
	if err != nil {
		return nil, fmt.Errorf("create repository %s: %w", name, err)
	}
	defer func() { _ = os.RemoveAll(fresh) }() // gone already when all went well
	if err := r.initBare(ctx, fresh); err != nil {
		return nil, fmt.Errorf("create repository %s: %w", name, err)
	}
	if err := writeLedger(fresh, newLedger()); err != nil {
		return nil, fmt.Errorf("create repository %s: %w", name, err)
	}
	return r.register(name, fresh)
}

// initBare makes an empty repository whose HEAD is main. Until it returns, git takes the directory for none.
func (r *Remote) initBare(ctx context.Context, dir string) error {
	return r.git.Run(ctx, gitcmd.Command{Args: []string{
		"init", "--quiet", "--bare", "--template=", "--initial-branch=main", "--", dir,
	}})
}

// template is an empty repository. A first push is shown its (no) refs: a GET, which any page in a browser can cause,
// then creates nothing.
func (r *Remote) template() string { return filepath.Join(r.opts.Dir, ".empty.git") }

// renewTemplate makes the template anew, whatever became of the last one. First pushes come at the same time, and one
// that is shown a repository still being made fails: so it is made before there are any.
func (r *Remote) renewTemplate(ctx context.Context) error {
	if err := os.RemoveAll(r.template()); err != nil {
		return fmt.Errorf("remove the last template: %w", err)
	}
	return r.initBare(ctx, r.template())
}

// register moves a repository to its place, unless another push was first.
func (r *Remote) register(name Name, fresh string) (*repository, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if p := r.repositories[name]; p != nil {
		return p, nil
	}
	if len(r.repositories) >= r.opts.MaxRepositories {
		return nil, fmt.Errorf("%w: it holds %d, its limit", errTooManyRepositories, len(r.repositories))
	}
	dir := filepath.Join(r.opts.Dir, name.Tenant, name.Application+".git")
	if err := os.MkdirAll(filepath.Dir(dir), 0o700); err != nil {
		return nil, fmt.Errorf("create repository %s: %w", name, err)
	}
	if err := os.Rename(fresh, dir); err != nil {
		return nil, fmt.Errorf("create repository %s: %w", name, err)
	}
	if err := errors.Join(syncDir(filepath.Dir(dir)), syncDir(r.opts.Dir)); err != nil {
		return nil, fmt.Errorf("create repository %s: %w", name, err)
	}
	p := newRepository(name, dir)
	r.repositories[name] = p
	return p, nil
}

// reconcile writes into the ledger how the refs differ from it, and returns those events. The caller holds
// p.pushing.
func (r *Remote) reconcile(ctx context.Context, p *repository, pusher string) ([]change, error) {
	refs, err := r.refs(ctx, p)
	if err != nil {
		return nil, fmt.Errorf("reconcile %s: %w", p.name, err)
	}
	head, err := r.defaultRef(ctx, p, refs)
	if err != nil {
		return nil, fmt.Errorf("reconcile %s: %w", p.name, err)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	l, err := readLedger(p.dir)
	if err != nil {
		return nil, fmt.Errorf("reconcile %s: %w", p.name, err)
	}
	changes := l.observe(p.name, refs, head, pusher, time.Now())
	if len(changes) == 0 {
		return nil, nil
	}
	if err := writeLedger(p.dir, l); err != nil {
		return nil, fmt.Errorf("reconcile %s: %w", p.name, err)
	}
	return changes, nil
}

// refs are the branches and tags as they are in git.
func (r *Remote) refs(ctx context.Context, p *repository) (map[string]string, error) {
	out, err := r.git.Output(ctx, gitcmd.Command{Dir: p.dir, Args: []string{
		"for-each-ref", "--format=%(objectname) %(refname)", "refs/heads/", "refs/tags/",
	}}, maxRefs)
	if err != nil {
		return nil, err
	}
	refs := map[string]string{}
	for line := range strings.Lines(string(out)) {
		id, ref, ok := strings.Cut(strings.TrimSuffix(line, "\n"), " ")
		if !ok || !gitcmd.ValidID(id) {
			return nil, fmt.Errorf("git for-each-ref: unexpected line %q", printable(line, 120))
		}
		refs[ref] = id
	}
	return refs, nil
}

// defaultRef is the branch HEAD names. Where that does not exist and others do, as after a first push to master, HEAD
// moves to one of them, or a clone would come out empty.
func (r *Remote) defaultRef(ctx context.Context, p *repository, refs map[string]string) (string, error) {
	head, err := r.head(ctx, p)
	if err != nil {
		return "", err
	}
	if _, ok := refs[head]; ok {
		return head, nil
	}
	var branches []string
	for ref := range refs {
		if strings.HasPrefix(ref, "refs/heads/") {
			branches = append(branches, ref)
		}
	}
	if len(branches) == 0 {
		return head, nil
	}
	first := slices.MinFunc(branches, func(a, b string) int {
		preferred := func(ref string) int {
			if ref == "refs/heads/main" || ref == "refs/heads/master" {
				return 0
			}
			return 1
		}
		return cmp.Or(cmp.Compare(preferred(a), preferred(b)), cmp.Compare(a, b))
	})
	return first, r.git.Run(ctx, gitcmd.Command{Dir: p.dir, Args: []string{"symbolic-ref", "HEAD", first}})
}

func (r *Remote) head(ctx context.Context, p *repository) (string, error) {
	out, err := r.git.Output(ctx, gitcmd.Command{Dir: p.dir, Args: []string{"symbolic-ref", "HEAD"}}, 4096)
	return strings.TrimSpace(string(out)), err
}
