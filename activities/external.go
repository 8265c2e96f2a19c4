package activities

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"go.temporal.io/sdk/temporal"

	"github.com/skyisland/skyisland/internal/release"
)

// Images are images that are built already. Errors are as with [Runs].
type Images interface {
	// Resolve is an image by its digest, registry/repository@sha256:…, given a tag or a digest.
	Resolve(ctx context.Context, image string) (string, error)
	// Flatten writes the file system of an image, named by its digest, into the empty folder dir.
	Flatten(ctx context.Context, image, dir, temp string) error
}

// Runs are the runs of GitHub Actions workflows. What trying again cannot mend is a [FinalError], what needs a pause a
// [LaterError].
type Runs interface {
	// Latest is the newest run of a workflow for exactly the commit; [release.ErrNotFound] while there is none.
	Latest(ctx context.Context, repository, workflow, commit string) (WorkflowRun, error)
	// Unpack writes the files of an artifact that a run has uploaded into the empty folder dir, and returns the digest of
	// what was downloaded.
	Unpack(ctx context.Context, repository string, run int64, artifact, dir, temp string) (release.Digest, error)
}

// Publisher shares stored artifacts with other machines. Sharing one twice is sharing it once.
type Publisher interface {
	Share(ctx context.Context, artifact release.Digest) error
}

// FinalError is an error of a provider that the next attempt would end with too.
type FinalError struct{ Err error }

// Error is the provider's own.
func (e *FinalError) Error() string { return e.Err.Error() }

// Unwrap is the provider's own error.
func (e *FinalError) Unwrap() error { return e.Err }

// LaterError is an error after which a provider wants to be left alone for a while.
type LaterError struct {
	Err   error
	After time.Duration
}

// Error is the provider's own.
func (e *LaterError) Error() string { return e.Err.Error() }

// Unwrap is the provider's own error.
func (e *LaterError) Unwrap() error { return e.Err }

// WorkflowRun is a run of a GitHub Actions workflow.
type WorkflowRun struct {
	ID int64
	// URL is where people see it.
	URL string
	// Over says whether it has ended, Status how far it is, and Conclusion how it ended, in GitHub's words.
	Over               bool
	Status, Conclusion string
}

// succeeded is the conclusion of a run that did what it should.
const succeeded = "success"

// ImageInput names the image that is one component of a commit.
type ImageInput struct {
	Component string
	// Image is as the manifest has it, Commit and Ref are what its template is filled with.
	Image       string
	Commit, Ref string
}

// ImageResult is an image by its digest.
type ImageResult struct {
	Image string
}

// ResolveImage says which image is meant: from here on it is named by its digest. It fails finally as [TypeGate] when
// there is none, or no registry lets us in.
func (b *Build) ResolveImage(ctx context.Context, in ImageInput) (ImageResult, error) {
	_, stop := beat(ctx)
	defer stop()
	image, err := release.ExpandImage(in.Image, in.Commit, in.Ref)
	if err != nil {
		return ImageResult{}, buildFailed(in.Component, err)
	}
	if b.Images == nil {
		return ImageResult{}, buildFailed(in.Component, errors.New("this installation takes no images"))
	}
	resolved, err := b.Images.Resolve(ctx, image)
	if err != nil {
		return ImageResult{}, external(ctx, in.Component, "resolve its image", err)
	}
	return ImageResult{Image: resolved}, nil
}

// TakeImageInput names an image by its digest.
type TakeImageInput struct {
	Component string
	Image     string
	// For is what it is taken for, which its provenance states.
	For BuildInput
}

// TakeImage stores the file system of an image as a component's artifact. The same image gives the same artifact. An
// image that no artifact can be made of ends it finally as [TypeGate].
func (b *Build) TakeImage(ctx context.Context, in TakeImageInput) (BuildResult, error) {
	_, stop := beat(ctx)
	defer stop()
	started := time.Now().UTC()
	result, err := b.take(ctx, in.Component, func(dir, temp string) error {
		if b.Images == nil {
			return &FinalError{errors.New("this installation takes no images")}
		}
		return b.Images.Flatten(ctx, in.Image, dir, temp)
	})
	if err != nil {
		return result, err
	}
	_, digest, _ := strings.Cut(in.Image, "@")
	return result, b.attest(ctx, in.For, result.Artifact, started, &Material{URI: "oci://" + in.Image, Digest: release.Digest(digest)})
}

// CheckRunInput names a workflow and the commit whose run is meant.
type CheckRunInput struct {
	Component  string
	Repository string
	Commit     string
	Workflow   string
}

// CheckRunResult is how the run is.
type CheckRunResult struct {
	// Found is false while there is no run; Missing then says what was looked for.
	Found   bool
	Missing string
	Run     WorkflowRun
}

// CheckRun looks for a run, and says how it is when it has not ended, or has ended well. One that has ended in any other
// way fails it finally as [TypeGate].
func (b *Build) CheckRun(ctx context.Context, in CheckRunInput) (CheckRunResult, error) {
	if b.Runs == nil {
		return CheckRunResult{}, buildFailed(in.Component, errors.New("this installation does not know GitHub"))
	}
	run, err := b.Runs.Latest(ctx, in.Repository, in.Workflow, in.Commit)
	if errors.Is(err, release.ErrNotFound) {
		return CheckRunResult{Missing: err.Error()}, nil
	}
	if err != nil {
		return CheckRunResult{}, external(ctx, in.Component, "look for the run of "+in.Workflow, err)
	}
	if run.Over && run.Conclusion != succeeded {
		return CheckRunResult{}, gateFailed(release.Cause{
			Kind: release.CauseBuild, Message: fmt.Sprintf("build of %s: the run of %s ended with %s", in.Component, in.Workflow, run.Conclusion), Details: []string{run.URL},
		})
	}
	return CheckRunResult{Found: true, Run: run}, nil
}

// TakeArtifactInput names an artifact of a run.
type TakeArtifactInput struct {
	Component  string
	Repository string
	Run        int64
	Artifact   string
	// Program is what the component is started with.
	Program string
	// For is what it is taken for, which its provenance states, and URL where people see the run.
	For BuildInput
	URL string
}

// TakeArtifact stores the files of an artifact that a run has uploaded as a component's artifact. GitHub does not keep
// which of them may be executed, so the program is made to be. An artifact that is not there, or that no artifact of
// ours can be made of, ends it finally as [TypeGate].
func (b *Build) TakeArtifact(ctx context.Context, in TakeArtifactInput) (BuildResult, error) {
	_, stop := beat(ctx)
	defer stop()
	var from release.Digest
	started := time.Now().UTC()
	result, err := b.take(ctx, in.Component, func(dir, temp string) error {
		if b.Runs == nil {
			return &FinalError{errors.New("this installation does not know GitHub")}
		}
		var err error
		if from, err = b.Runs.Unpack(ctx, in.Repository, in.Run, in.Artifact, dir, temp); err != nil {
			return err
		}
		return executable(dir, in.Program)
	})
	if err != nil {
		return result, err
	}
	result.From = string(from)
	return result, b.attest(ctx, in.For, result.Artifact, started, &Material{URI: in.URL + "#" + in.Artifact, Digest: from})
}

// take fills a folder, and stores what is in it then.
func (b *Build) take(ctx context.Context, component string, fill func(dir, temp string) error) (BuildResult, error) {
	began := time.Now()
	if err := os.MkdirAll(b.Dir, 0o750); err != nil {
		return BuildResult{}, fmt.Errorf("make a folder for working copies: %w", err)
	}
	temp, err := os.MkdirTemp(b.Dir, component+"-")
	if err != nil {
		return BuildResult{}, fmt.Errorf("make a working copy: %w", err)
	}
	defer removeTree(ctx, temp)
	dir := filepath.Join(temp, "tree")
	if err := os.Mkdir(dir, 0o750); err != nil {
		return BuildResult{}, fmt.Errorf("make a working copy: %w", err)
	}
	if err := fill(dir, temp); err != nil {
		return BuildResult{}, external(ctx, component, "take what is built", err)
	}
	result, err := b.keep(ctx, component, dir)
	result.Took = time.Since(began)
	return result, err
}

// keep stores a folder as a component's artifact, and shares it.
func (b *Build) keep(ctx context.Context, component, dir string) (BuildResult, error) {
	artifact, size, err := b.Artifacts.Put(ctx, dir)
	if err != nil {
		return BuildResult{}, external(ctx, component, "store what was built", err)
	}
	if err := b.share(ctx, artifact); err != nil {
		return BuildResult{}, external(ctx, component, "share what was built", err)
	}
	return BuildResult{Artifact: artifact, Size: size}, nil
}

// shareTimes is how often sharing is tried before the activity is given up, and with it what was built: over half a
// minute, with pauses from a second on, each twice as long as the one before.
const shareTimes = 6

// share gives an artifact to other machines. A registry that is away for a moment is waited for: the next attempt of the
// activity would build anew.
func (b *Build) share(ctx context.Context, artifact release.Digest) error {
	if b.Publisher == nil {
		return nil
	}
	pause := time.Second
	for attempt := 1; ; attempt++ {
		err := b.Publisher.Share(ctx, artifact)
		var stays *FinalError
		if err == nil || attempt == shareTimes || errors.As(err, &stays) {
			return err
		}
		select {
		case <-ctx.Done():
			return err
		case <-time.After(pause):
			pause *= 2
		}
	}
}

// executable makes a file inside a folder one that may be executed. What is not there, or no file, is left to whoever
// starts it to complain of.
func executable(dir, program string) error {
	if !filepath.IsLocal(program) {
		return nil
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		return err
	}
	defer root.Close()
	info, err := root.Lstat(program)
	if err == nil && info.Mode().IsRegular() {
		return root.Chmod(program, info.Mode().Perm()|0o100)
	}
	return nil
}

// external is the error of an activity that asks others: final when it will stay so, after the pause that is wanted, or
// as it comes.
func external(ctx context.Context, component, doing string, err error) error {
	var final *FinalError
	if errors.As(err, &final) && ctx.Err() == nil {
		return buildFailed(component, final.Err)
	}
	err = fmt.Errorf("build of %s: %s: %w", component, doing, err)
	var later *LaterError
	if errors.As(err, &later) {
		return temporal.NewApplicationErrorWithOptions(err.Error(), "", temporal.ApplicationErrorOptions{NextRetryDelay: later.After, Cause: err})
	}
	return err
}

func buildFailed(component string, err error) error {
	return gateFailed(release.Cause{Kind: release.CauseBuild, Message: fmt.Sprintf("build of %s: %s", component, err)})
}

// imageProblems are the images of a manifest that this commit, or the ref it was pushed to, gives no name to.
func imageProblems(spec release.Spec, req release.Request) (out release.Problems) {
	for i, c := range spec.Components {
		at, image := fmt.Sprintf("components[%d].build.image", i), c.Build.Image
		if c.Build.Actions != nil {
			at, image = fmt.Sprintf("components[%d].build.github-actions.image", i), c.Build.Actions.Image
		}
		if image == "" {
			continue
		}
		if _, err := release.ExpandImage(image, req.Commit, req.Ref); err != nil {
			message, fix, _ := strings.Cut(err.Error(), ": ")
			out = append(out, release.Problem{File: ManifestFile, Path: at, Message: message, Fix: fix})
		}
	}
	return out
}
