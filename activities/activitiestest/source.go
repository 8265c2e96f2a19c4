package activitiestest

import (
	"context"
	"crypto/sha256"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"

	"github.com/skyisland/skyisland/activities"
	"github.com/skyisland/skyisland/internal/release"
)

// Commit is what a commit holds: its manifest, resolved, or what is wrong with it, and for each
// component's path what is in its folder.
type Commit struct {
	Spec     release.Spec
	Problems release.Problems
	Folders  map[string]string
}

// Source is the repository with its manifests. It is an [activities.Repositories].
type Source struct {
	world *World
	// Units are the units the installation has, Dir is where working copies may be.
	Units []string
	Dir   string

	mu      sync.Mutex
	commits map[string]Commit
	broken  error
}

// Push adds a commit.
func (s *Source) Push(hash string, commit Commit) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.commits[hash] = commit
}

// Spoil lets a commit's manifest have these problems.
func (s *Source) Spoil(hash string, problems release.Problems) {
	s.mu.Lock()
	defer s.mu.Unlock()
	c := s.commits[hash]
	c.Problems = problems
	s.commits[hash] = c
}

// Empty takes a folder out of a commit.
func (s *Source) Empty(hash, path string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.commits[hash].Folders, path)
}

// Break lets every fetch fail until it is called with nil.
func (s *Source) Break(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.broken = err
}

func (s *Source) commit(hash string) (Commit, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.broken != nil {
		return Commit{}, s.broken
	}
	c, ok := s.commits[hash]
	if !ok {
		return Commit{}, fmt.Errorf("commit %s: %w", hash, release.ErrNotFound)
	}
	return c, nil
}

// Fetch knows what was pushed.
func (s *Source) Fetch(_ context.Context, _, commit string) error {
	_, err := s.commit(commit)
	return err
}

// ReadFile has one file, whose content is the name of the commit.
func (s *Source) ReadFile(_ context.Context, _, commit, path string, _ int64) ([]byte, error) {
	if _, err := s.commit(commit); err != nil {
		return nil, err
	}
	if path != activities.ManifestFile {
		return nil, fmt.Errorf("file %s: %w", path, release.ErrNotFound)
	}
	return []byte(commit), nil
}

// Export writes the folders.
func (s *Source) Export(_ context.Context, _, commit, dest string) error {
	c, err := s.commit(commit)
	if err != nil {
		return err
	}
	for path, content := range c.Folders {
		dir := filepath.Join(dest, filepath.FromSlash(path))
		if err := os.MkdirAll(dir, 0o750); err != nil {
			return err
		}
		if err := os.WriteFile(filepath.Join(dir, "main"), []byte(content), 0o600); err != nil {
			return err
		}
	}
	return nil
}

// Log has the commit alone: one leads to nothing else here.
func (s *Source) Log(_ context.Context, _, from, to string, _ int) ([]release.Commit, error) {
	if _, err := s.commit(to); err != nil {
		return nil, err
	}
	if from == to {
		return nil, nil
	}
	return []release.Commit{{ID: to, Subject: "Change it", Author: "Ada <ada@example.com>"}}, nil
}

// Changed are the folders that differ, as the one file that each has.
func (s *Source) Changed(_ context.Context, _, from, to string) ([]string, error) {
	was, err := s.commit(from)
	if err != nil {
		return nil, err
	}
	is, err := s.commit(to)
	if err != nil {
		return nil, err
	}
	var out []string
	for path := range is.Folders {
		if was.Folders[path] != is.Folders[path] {
			out = append(out, path+"/main")
		}
	}
	for path := range was.Folders {
		if _, still := is.Folders[path]; !still {
			out = append(out, path+"/main")
		}
	}
	slices.Sort(out)
	return out, nil
}

// Manifest resolves what ReadFile read. It is the function of [activities.Source].
func (s *Source) Manifest(_ string, data []byte, _ string) (release.Spec, error) {
	c, err := s.commit(string(data))
	if err != nil {
		return release.Spec{}, err
	}
	if len(c.Problems) > 0 {
		return release.Spec{}, c.Problems
	}
	return c.Spec, nil
}

// Commands runs builds and tests. It is an [activities.CommandRunner].
type Commands struct {
	world *World

	mu     sync.Mutex
	failed map[string]string
}

// Fail lets the commands whose name ends so end with this failure.
func (c *Commands) Fail(suffix, failure string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.failed == nil {
		c.failed = map[string]string{}
	}
	c.failed[suffix] = failure
}

// Run does nothing but what it was told to.
func (c *Commands) Run(ctx context.Context, name, _ string, _ release.Command) (activities.CommandReport, error) {
	c.world.happened("run %s", name)
	c.mu.Lock()
	defer c.mu.Unlock()
	for suffix, failure := range c.failed {
		if strings.HasSuffix(name, suffix) {
			return activities.CommandReport{Failure: failure, Tail: []string{"the last line of " + name}}, nil
		}
	}
	return activities.CommandReport{}, ctx.Err()
}

// Artifacts names folders by what is in them. It is an [activities.Artifacts].
type Artifacts struct{}

// Put hashes the folder.
func (Artifacts) Put(_ context.Context, dir string) (release.Digest, int64, error) {
	sum, size := sha256.New(), int64(0)
	err := filepath.WalkDir(dir, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		data, err := os.ReadFile(path) //nolint:gosec // the path is below the folder this very test wrote
		if err != nil {
			return err
		}
		size += int64(len(data))
		_, err = fmt.Fprintf(sum, "%s\x00%d\x00%s", entry.Name(), len(data), data)
		return err
	})
	return release.Digest(fmt.Sprintf("sha256:%x", sum.Sum(nil))), size, err
}
