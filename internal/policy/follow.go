package policy

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path"
	"slices"
	"strings"
	"time"
)

// origin is where rules come from that may change.
type origin interface {
	// look gives the files as they are now, and nil when they are as they were at the look before that gave some.
	look(ctx context.Context) (map[string][]byte, error)
	// taken says that the files of the last look are in force.
	taken()
	// keep stores what is in force for a start without the origin; it does nothing when that was done.
	keep() error
	// pace says when to look again.
	pace() *pace
	String() string
}

// folder is rules in a folder.
type folder struct {
	dir  string
	last [sha256.Size]byte
	next [sha256.Size]byte
}

func (f *folder) String() string { return f.dir }

func (f *folder) look(context.Context) (map[string][]byte, error) {
	files, err := readRules(os.DirFS(f.dir))
	if err != nil {
		return nil, err
	}
	if f.next = digestOf(files); f.next == f.last {
		return nil, nil //nolint:nilnil // nothing new is an answer
	}
	return files, nil
}

func (f *folder) taken() { f.last = f.next }

// keep has nothing to do: a folder is there at the next start, or the start fails.
func (f *folder) keep() error { return nil }

func (f *folder) pace() *pace { return &pace{each: folderPoll, fixed: true} }

// readRules are the rules of a folder, without their tests.
func readRules(bundle fs.FS) (map[string][]byte, error) {
	files, size := map[string][]byte{}, 0
	err := fs.WalkDir(bundle, ".", func(name string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() || !isRule(name) {
			return err
		}
		text, err := fs.ReadFile(bundle, name)
		if err != nil {
			return err
		}
		if size += len(text); size > maxRules {
			return fmt.Errorf("the bundle has more than %d bytes", maxRules)
		}
		files[name] = text
		return nil
	})
	return files, err
}

func isRule(name string) bool {
	return path.Ext(name) == ".rego" && !strings.HasSuffix(name, "_test.rego")
}

func sortedNames(files map[string][]byte) []string { return slices.Sorted(maps.Keys(files)) }

// digestOf names files and their contents.
func digestOf(files map[string][]byte) [sha256.Size]byte {
	sum := sha256.New()
	for _, name := range sortedNames(files) {
		write(sum, []byte(name))
		write(sum, files[name])
	}
	return [sha256.Size]byte(sum.Sum(nil))
}

// Run looks for changed rules until ctx ends, where they come from a folder or a server. Rules that cannot be had or do not
// compile are said once, and the last good ones stay in force.
func (e *Engine) Run(ctx context.Context) error {
	if e.origin == nil {
		<-ctx.Done()
		return nil
	}
	pace := e.origin.pace()
	timer := time.NewTimer(pace.next(nil))
	defer timer.Stop()
	said := ""
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-timer.C:
		}
		err := e.follow(ctx)
		timer.Reset(pace.next(err))
		switch {
		case ctx.Err() != nil:
			return nil
		case err == nil:
			said = ""
		case err.Error() != said:
			said = err.Error()
			e.log.ErrorContext(ctx, "policies stay as they are", "from", e.origin.String(), "error", err)
		}
	}
}

// follow takes changed rules in. Rules that cannot be kept are in force all the same, and keeping them is tried again at
// each look: what the server says now counts for more than what a full disk still has.
func (e *Engine) follow(ctx context.Context) error {
	files, err := e.origin.look(ctx)
	if err != nil {
		return err
	}
	if files == nil {
		return e.origin.keep()
	}
	rules, err := compile(files)
	if err != nil {
		return err
	}
	data, err := e.dataFor(rules)
	if err != nil {
		return err
	}
	if err := e.suits(ctx, data); err != nil {
		return err
	}
	e.data.Store(&data)
	e.log.InfoContext(ctx, "policies in force", "from", e.origin.String(), "bundle", e.Bundle(ctx))
	e.origin.taken()
	return e.origin.keep()
}

// suits says whether new rules can have the data that is in force. Rules that cannot would deny everything from one moment
// to the next, though neither they nor the data are wrong by themselves: the two came in the wrong order. Data that the
// present rules refuse keeps nobody from new rules, which may be what mends it.
func (e *Engine) suits(ctx context.Context, next source) error {
	data, changing := next.(*file)
	if !changing || e.data.Load() == nil || e.view(ctx).broken != "" {
		return nil
	}
	content, err := slurp(data.path)
	if err != nil {
		// It is gone or cannot be read, which denies everything under any rules, or it was never there.
		return nil //nolint:nilerr // the file's own view tells it
	}
	if _, err := data.understand(content, nil); err != nil {
		return fmt.Errorf("the new rules cannot have the data in %s, and would deny everything: %w: change the data first, or the rules", data.path, err)
	}
	return nil
}

// begin takes the first rules, unless the kept ones have to do.
func (e *Engine) begin(ctx context.Context) error {
	before := e.data.Load()
	err := e.follow(ctx)
	now := e.data.Load()
	switch {
	case now == nil && err == nil:
		return errors.New("there are no rules")
	case now == nil:
		return err
	case err != nil && now == before:
		e.log.WarnContext(ctx, "policies are those of the last good bundle", "from", e.origin.String(), "bundle", e.Bundle(ctx), "error", err)
	case err != nil:
		e.log.WarnContext(ctx, "policies are in force, but not kept for a start without their server", "from", e.origin.String(), "error", err)
	}
	return nil
}

// dataFor puts the data beside rules. A data file that has been there is still expected.
func (e *Engine) dataFor(rules *rules) (source, error) {
	if e.dataFile != "" {
		next := &file{path: e.dataFile, rules: rules, log: e.log}
		if before := e.data.Load(); before != nil {
			if old, ok := (*before).(*file); ok {
				old.mu.Lock()
				next.seen = old.seen
				old.mu.Unlock()
			}
		}
		return next, nil
	}
	view, err := rules.with(context.Background(), e.fixedData)
	if err != nil {
		return nil, fmt.Errorf("read policy data: %w", err)
	}
	return fixed{view}, nil
}
