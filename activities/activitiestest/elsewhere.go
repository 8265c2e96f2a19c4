package activitiestest

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"

	"github.com/skyisland/skyisland/activities"
	"github.com/skyisland/skyisland/internal/release"
)

// Elsewhere is where components are built that are not built here: a registry of images, and GitHub Actions. It is an
// [activities.Images] and an [activities.Runs].
type Elsewhere struct {
	world *World

	mu     sync.Mutex
	runs   map[string]activities.WorkflowRun
	tags   map[string]string
	images map[string]string
	// uploaded are the contents of artifacts, by run and name.
	uploaded map[string]string
	away     error
	looks    int
}

// ErrAway is what everybody is told while GitHub and the registry are away.
var ErrAway = errors.New("502 Bad Gateway")

// Ran lets a workflow have this run for a commit.
func (e *Elsewhere) Ran(workflow, commit string, run activities.WorkflowRun) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.runs[workflow+" "+commit] = run
}

// Push lets a tag be an image with one program in it, and returns the image by its digest.
func (e *Elsewhere) Push(tagged, program string) string {
	e.mu.Lock()
	defer e.mu.Unlock()
	name := tagged[:strings.LastIndex(tagged, ":")] + "@" + digestOf(program)
	e.tags[tagged], e.images[name] = name, program
	return name
}

// Upload lets a run have an artifact with one program in it.
func (e *Elsewhere) Upload(run int64, artifact, program string) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.uploaded[fmt.Sprint(run, " ", artifact)] = program
}

// Fail lets everything end with an error; nil ends that.
func (e *Elsewhere) Fail(err error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.away = err
}

// Looks is how often somebody has looked for a run.
func (e *Elsewhere) Looks() int {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.looks
}

// Latest is the run of a workflow for a commit.
func (e *Elsewhere) Latest(_ context.Context, repository, workflow, commit string) (activities.WorkflowRun, error) {
	e.mu.Lock()
	e.looks++
	run, found := e.runs[workflow+" "+commit]
	away := e.away
	e.mu.Unlock()
	e.world.happened("look for %s", workflow)
	if away != nil {
		return activities.WorkflowRun{}, away
	}
	if !found {
		return activities.WorkflowRun{}, fmt.Errorf("%s has no run of %s for commit %s: %w", repository, workflow, commit, release.ErrNotFound)
	}
	return run, nil
}

// Unpack writes an artifact's program.
func (e *Elsewhere) Unpack(_ context.Context, _ string, run int64, artifact, dir, _ string) (release.Digest, error) {
	e.world.happened("unpack %s", artifact)
	e.mu.Lock()
	defer e.mu.Unlock()
	program, found := e.uploaded[fmt.Sprint(run, " ", artifact)]
	switch {
	case e.away != nil:
		return "", e.away
	case !found:
		return "", &activities.FinalError{Err: errors.New("the run has uploaded none of that name")}
	}
	return release.Digest(digestOf(program)), os.WriteFile(filepath.Join(dir, "main"), []byte(program), 0o600)
}

// Resolve is the image that a tag is now.
func (e *Elsewhere) Resolve(_ context.Context, image string) (string, error) {
	e.world.happened("resolve %s", image)
	e.mu.Lock()
	defer e.mu.Unlock()
	name, found := e.tags[image]
	switch {
	case e.away != nil:
		return "", e.away
	case strings.Contains(image, "@"):
		return image, nil
	case !found:
		return "", &activities.FinalError{Err: fmt.Errorf("resolve image %s: %w", image, release.ErrNotFound)}
	}
	return name, nil
}

// Flatten writes an image's program.
func (e *Elsewhere) Flatten(_ context.Context, image, dir, _ string) error {
	e.world.happened("flatten %s", image)
	e.mu.Lock()
	defer e.mu.Unlock()
	program, found := e.images[image]
	switch {
	case e.away != nil:
		return e.away
	case !found:
		return &activities.FinalError{Err: fmt.Errorf("take image %s: %w", image, release.ErrNotFound)}
	}
	return os.WriteFile(filepath.Join(dir, "main"), []byte(program), 0o600)
}

func digestOf(text string) string { return fmt.Sprintf("sha256:%x", sha256.Sum256([]byte(text))) }
