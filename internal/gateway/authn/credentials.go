package authn

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"
	"weak"
)

const (
	// defaultLook is how often the files are looked at. A change counts from the second look that sees it.
	defaultLook = 2 * time.Second
	// goneLooks is how many looks in a row find no file before its keys are taken back: a file that is replaced may be
	// away for a moment.
	goneLooks = 2
)

// CredentialOptions are what [Credentials] are made of. Only Dir is required.
type CredentialOptions struct {
	// Dir is the folder. Each credential is a file in it, named for it.
	Dir string
	// Log takes what operators should see; nil discards it.
	Log *slog.Logger
	// Now is the clock; nil is [time.Now].
	Now func() time.Time
	// Every is how often [Credentials.Run] looks at the files; 0 is 2 s.
	Every time.Duration
	// Nonces is how many signed requests are remembered for each credential; 0 is 1,000,000, some 60 MB when it is full.
	Nonces int
}

// Credentials is the folder of keys on the gateway's machine. Files that routes name are read, and read again when they
// change: a good one counts at once, a wrong one is told and the last good one stays. A file that is removed takes its
// keys back; a folder that is away takes nothing. It needs [Credentials.Run] beside it.
//
// Its memory of signed requests is one of this process: what was signed before it began is refused.
type Credentials struct {
	dir    string
	log    *slog.Logger
	now    func() time.Time
	every  time.Duration
	nonces int
	began  time.Time

	// looking is held by the one who looks at the files.
	looking sync.Mutex

	mu sync.Mutex
	// files are those that an Authenticator uses. When the last one is gone, so is the file.
	files    map[fileKey]weak.Pointer[credential]
	memories map[string]*memory
}

type fileKey struct {
	name string
	kind fileKind
}

// credential is one file, read as one kind.
type credential struct {
	fileKey
	// content is the last good one; nil when there is none.
	content atomic.Pointer[content]

	// What follows belongs to whoever holds Credentials.looking.
	judged fs.FileInfo // what was read last
	seen   fs.FileInfo // what the look before saw
	gone   int         // looks in a row without the file
	loaded time.Time
	fault  error  // what is wrong now
	leak   string // who else may read or write it
	told   string // what of it was logged
}

// OpenCredentials returns the credentials of a folder, which has to be there. Files are read when a route names them.
func OpenCredentials(o CredentialOptions) (*Credentials, error) {
	info, err := os.Stat(o.Dir)
	switch {
	case err != nil:
		return nil, fmt.Errorf("open the folder of credentials: %w", err)
	case !info.IsDir():
		return nil, fmt.Errorf("open the folder of credentials: %s is no folder", o.Dir)
	case o.Every < 0 || o.Nonces < 0:
		return nil, errors.New("credentials: want 0 or more looks and nonces")
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Every == 0 {
		o.Every = defaultLook
	}
	if o.Nonces == 0 {
		o.Nonces = defaultNonces
	}
	return &Credentials{
		dir: o.Dir, log: o.Log, now: o.Now, every: o.Every, nonces: o.Nonces, began: o.Now(),
		files: map[fileKey]weak.Pointer[credential]{}, memories: map[string]*memory{},
	}, nil
}

// Run looks at the files until ctx ends, and logs what has changed, once. It returns nil.
func (c *Credentials) Run(ctx context.Context) error {
	ticker := time.NewTicker(c.every)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-ticker.C:
		}
		c.look(ctx, c.tell)
	}
}

// Refresh looks at the files once, and returns everything that is wrong with them: file, line and what would be right.
func (c *Credentials) Refresh(ctx context.Context) error {
	var faults []error
	c.look(ctx, func(_ context.Context, f *credential) { faults = append(faults, f.wrong()) })
	return errors.Join(append(faults, ctx.Err())...)
}

// look looks at each file in use, in the order of their names.
func (c *Credentials) look(ctx context.Context, then func(context.Context, *credential)) {
	c.looking.Lock()
	defer c.looking.Unlock()
	for _, f := range c.inUse() {
		if ctx.Err() != nil {
			return
		}
		c.lookAt(f, true)
		then(ctx, f)
	}
}

// inUse are the files that somebody uses; the others are forgotten.
func (c *Credentials) inUse() []*credential {
	c.mu.Lock()
	defer c.mu.Unlock()
	var files []*credential
	for key, pointer := range c.files {
		if f := pointer.Value(); f != nil {
			files = append(files, f)
		} else {
			delete(c.files, key)
		}
	}
	slices.SortFunc(files, func(a, b *credential) int {
		if a.name != b.name {
			return strings.Compare(a.name, b.name)
		}
		return int(a.kind) - int(b.kind)
	})
	return files
}

// follow returns the file of a credential, read as a kind. What is wrong with it is told by the next look.
func (c *Credentials) follow(name string, kind fileKind) *credential {
	key := fileKey{name, kind}
	if f := c.known(key); f != nil {
		return f
	}
	// Only who looks adds, so that nobody gets a file before it was read.
	c.looking.Lock()
	defer c.looking.Unlock()
	if f := c.known(key); f != nil {
		return f
	}
	f := &credential{fileKey: key}
	c.lookAt(f, false)
	c.mu.Lock()
	defer c.mu.Unlock()
	c.files[key] = weak.Make(f)
	return f
}

func (c *Credentials) known(key fileKey) *credential {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.files[key].Value()
}

// lookAt takes a changed file in. With patience it waits until two looks in a row saw the same, so that nobody reads the
// first half of a file. The caller holds looking.
func (c *Credentials) lookAt(f *credential, patience bool) {
	path := filepath.Join(c.dir, f.name) // a name has no separator, see release.IsCredentialName
	info, err := os.Stat(path)
	if err != nil {
		c.lookAway(f, err)
		return
	}
	f.gone = 0
	if same(info, f.judged) {
		return
	}
	before := f.seen
	f.seen = info
	if patience && !same(info, before) {
		return
	}
	if !info.Mode().IsRegular() {
		f.judged, f.fault = info, &fault{text: "it is no file"}
		return
	}
	text, err := readFile(path, info)
	if errors.Is(err, errChanging) {
		f.seen = nil
		return
	}
	var read *content
	if err == nil {
		read, err = kinds[f.kind].read(text)
	}
	var inFile *fault
	if err != nil && !errors.As(err, &inFile) {
		f.fault = err // the disk's, so it is read again
		return
	}
	f.judged, f.fault, f.leak = info, err, leak(info, kinds[f.kind].private)
	if err == nil {
		f.loaded = c.now()
		f.content.Store(read)
	}
}

// lookAway decides what it means that there is no file.
func (c *Credentials) lookAway(f *credential, err error) {
	f.fault, f.judged, f.seen = bare(err), nil, nil
	if !errors.Is(err, fs.ErrNotExist) {
		return
	}
	if _, err := os.Stat(c.dir); err != nil {
		f.fault = fmt.Errorf("the folder is away: %w", bare(err))
		return
	}
	f.fault = &fault{text: "there is no such file"}
	if f.gone++; f.gone >= goneLooks {
		f.leak = ""
		f.content.Store(nil)
	}
}

// leak says who may read or write a file that should not.
func leak(info fs.FileInfo, private bool) string {
	switch mode := info.Mode().Perm(); {
	case mode&0o002 != 0:
		return "everybody on this machine may write it; want chmod o-w"
	case private && mode&0o004 != 0:
		return "everybody on this machine may read it; want chmod o-r"
	default:
		return ""
	}
}

// tell logs what is new about a file.
func (c *Credentials) tell(ctx context.Context, f *credential) {
	wrong := f.wrong()
	now := fmt.Sprint(wrong, f.leak, f.loaded.UnixNano(), f.content.Load() != nil)
	if now == f.told {
		return
	}
	f.told = now
	switch {
	case wrong != nil && f.content.Load() != nil:
		c.log.ErrorContext(ctx, "credential is wrong, so the last good one counts", "credential", f.name, "error", wrong)
	case wrong != nil:
		c.log.ErrorContext(ctx, "credential is not there, so nobody is let in by it", "credential", f.name, "error", wrong)
	case f.content.Load() != nil:
		c.log.InfoContext(ctx, "credential in force", "credential", f.name, "holds", kinds[f.kind].name, "entries", f.content.Load().entries)
	}
	if f.leak != "" {
		c.log.WarnContext(ctx, "credential is open to others", "credential", f.name, "reason", f.leak)
	}
}

// wrong is the fault with its file.
func (f *credential) wrong() error {
	if f.fault == nil {
		return nil
	}
	var many interface{ Unwrap() []error }
	if !errors.As(f.fault, &many) {
		return f.place(f.fault)
	}
	var all []error
	for _, one := range many.Unwrap() {
		all = append(all, f.place(one))
	}
	return errors.Join(all...)
}

func (f *credential) place(err error) error {
	var at *fault
	if errors.As(err, &at) && at.line > 0 {
		return fmt.Errorf("credential %s:%d: %s", f.name, at.line, at.text)
	}
	return fmt.Errorf("credential %s: %w", f.name, err)
}

func (f *credential) missing() string {
	if f.content.Load() != nil {
		return ""
	}
	return "the credential " + f.name
}

// seen is the memory of the signed requests of a credential. There is one for each that has signed anything, so the
// operator's files bound their number, and it outlives the routes: who could make it forget could send a request again.
func (c *Credentials) seen(name string) *memory {
	c.mu.Lock()
	defer c.mu.Unlock()
	m := c.memories[name]
	if m == nil {
		m = newMemory(c.nonces, c.began)
		c.memories[name] = m
	}
	return m
}
