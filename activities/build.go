package activities

import (
	"context"
	"crypto/sha256"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"go.temporal.io/sdk/activity"

	"github.com/skyisland/skyisland/internal/release"
)

// CommandRunner runs a command of a manifest.
type CommandRunner interface {
	// Run runs the command in dir until it ends or is ended for time, output or ctx. name says in
	// logs which command it is. An error means that the command could not be judged.
	Run(ctx context.Context, name, dir string, command release.Command) (CommandReport, error)
}

// CommandReport is how a command ended.
type CommandReport struct {
	// Failure is empty when the command did well, and a sentence when it did not.
	Failure string
	// Tail are the last lines it printed.
	Tail []string
	Took time.Duration
}

// Artifacts is a content-addressed store.
type Artifacts interface {
	// Put packs a folder and returns its digest and size in bytes. A folder that cannot be packed is a [FinalError].
	Put(ctx context.Context, dir string) (release.Digest, int64, error)
}

// Attester states where artifacts come from.
type Attester interface {
	// Attest signs what was made, and returns once the statement is kept. The same thing made twice is stated twice.
	Attest(ctx context.Context, made Made) error
}

// Made is an artifact and all that it was made from. Times are UTC.
type Made struct {
	Release    release.ID
	Repository string
	// Ref is empty when nobody said of which one the commit is.
	Ref       string
	Commit    string
	Component release.Component
	Artifact  release.Digest
	// Manifest is the digest of the manifest's bytes in the commit.
	Manifest release.Digest
	// From is what was taken instead of built: an image by its digest, or an artifact of a workflow run.
	From *Material
	// Attempt names the run of the activity.
	Attempt           string
	Started, Finished time.Time
}

// Material is something that was built elsewhere.
type Material struct {
	// URI says what and where, Digest is its content's: empty where nobody says.
	URI    string
	Digest release.Digest
}

// Build holds the activities that turn a commit into artifacts.
type Build struct {
	Repositories Repositories
	Commands     CommandRunner
	Artifacts    Artifacts
	// Attester is told of every artifact. Nil states nothing, and rules that demand a statement deny.
	Attester Attester
	// Publisher shares what was stored; nil keeps it on this machine.
	Publisher Publisher
	// Images and Runs are where components come from that are built elsewhere; nil knows none.
	Images Images
	Runs   Runs
	// Dir is where working copies are made and removed again.
	Dir string
}

// BuildInput names one component of a commit.
type BuildInput struct {
	Release    release.ID
	Repository string
	// Ref is empty in a build that began before statements named it.
	Ref       string `json:",omitempty"`
	Commit    string
	Component release.Component
}

// BuildResult is what was built.
type BuildResult struct {
	Artifact release.Digest
	// Size is in bytes.
	Size int64
	Took time.Duration
	// From is the digest of what was downloaded from elsewhere, where it is not named by it anyway.
	From string `json:",omitempty"`
}

// Build builds one component in a clean working copy and stores what is in its folder afterwards.
// A component without a build command is stored as it is. A command that fails ends it finally as
// [TypeGate] with the tail of its output.
//
// It returns no artifact without a statement of where it comes from, also when the artifact was stored before: a statement
// that cannot be kept has the build tried again.
func (b *Build) Build(ctx context.Context, in BuildInput) (BuildResult, error) {
	_, stop := beat(ctx)
	defer stop()
	var result BuildResult
	started := time.Now().UTC()
	err := b.inWorkingCopy(ctx, in.Repository, in.Commit, in.Component, func(dir string) error {
		report, err := b.run(ctx, in, "build", dir, in.Component.Build.Command(), release.CauseBuild)
		if err != nil {
			return err
		}
		result, err = b.keep(ctx, in.Component.Name, dir)
		result.Took = report.Took
		if err != nil {
			return err
		}
		return b.attest(ctx, in, result.Artifact, started, nil)
	})
	return result, err
}

// attest states what an artifact was made from. The manifest is the commit's own: a command can have changed the one in the
// working copy.
func (b *Build) attest(ctx context.Context, in BuildInput, artifact release.Digest, started time.Time, from *Material) error {
	if b.Attester == nil {
		return nil
	}
	manifest, err := b.Repositories.ReadFile(ctx, in.Repository, in.Commit, ManifestFile, ManifestLimit)
	if err != nil {
		return sourceError(err, "read "+ManifestFile)
	}
	info := activity.GetInfo(ctx)
	err = b.Attester.Attest(ctx, Made{
		Release: in.Release, Repository: in.Repository, Ref: in.Ref, Commit: in.Commit, Component: in.Component, Artifact: artifact,
		Manifest: release.Digest(fmt.Sprintf("sha256:%x", sha256.Sum256(manifest))),
		Attempt:  fmt.Sprintf("%s/%s/%s/%d", info.WorkflowExecution.ID, info.WorkflowExecution.RunID, info.ActivityID, info.Attempt),
		From:     from, Started: started, Finished: time.Now().UTC(),
	})
	if err != nil {
		return fmt.Errorf("state where %s comes from: %w", in.Component.Name, err)
	}
	return nil
}

// TestResult is how a component's own tests went.
type TestResult struct {
	Took time.Duration
}

// Test runs a component's own tests in a clean working copy. A failure ends it finally as
// [TypeGate] with the tail of the output.
func (b *Build) Test(ctx context.Context, in BuildInput) (TestResult, error) {
	_, stop := beat(ctx)
	defer stop()
	var result TestResult
	err := b.inWorkingCopy(ctx, in.Repository, in.Commit, in.Component, func(dir string) error {
		report, err := b.run(ctx, in, "test", dir, in.Component.Test, release.CauseTest)
		result.Took = report.Took
		return err
	})
	return result, err
}

func (b *Build) run(ctx context.Context, in BuildInput, kind, dir string, command release.Command, cause release.CauseKind) (CommandReport, error) {
	if len(command.Run) == 0 {
		return CommandReport{}, nil
	}
	report, err := b.Commands.Run(ctx, in.Release.String()+"/"+in.Component.Name+"/"+kind, dir, command)
	if err := ended(ctx, err); err != nil {
		return report, fmt.Errorf("%s %s: %w", kind, in.Component.Name, err)
	}
	if report.Failure != "" {
		return report, gateFailed(release.Cause{
			Kind: cause, Message: fmt.Sprintf("%s of %s: %s", kind, in.Component.Name, report.Failure), Details: report.Tail,
		})
	}
	return report, nil
}

// inWorkingCopy calls do with the component's folder in a fresh copy of the commit, and removes the
// copy afterwards. An attempt has a folder of its own, so that one that was given up cannot disturb
// the next.
func (b *Build) inWorkingCopy(ctx context.Context, repository, commit string, component release.Component, do func(dir string) error) error {
	return inWorkingCopy(ctx, b.Repositories, b.Dir, repository, commit, component, do)
}

func inWorkingCopy(ctx context.Context, repositories Repositories, parent, repository, commit string, component release.Component, do func(dir string) error) error {
	if err := os.MkdirAll(parent, 0o750); err != nil {
		return fmt.Errorf("make a folder for working copies: %w", err)
	}
	temp, err := os.MkdirTemp(parent, component.Name+"-")
	if err != nil {
		return fmt.Errorf("make a working copy: %w", err)
	}
	defer removeTree(ctx, temp)
	if err := repositories.Fetch(ctx, repository, commit); err != nil {
		return sourceError(err, "fetch commit "+commit)
	}
	root := filepath.Join(temp, "source")
	if err := repositories.Export(ctx, repository, commit, root); err != nil {
		return sourceError(err, "make a working copy of "+commit)
	}
	dir := filepath.Join(root, filepath.FromSlash(component.Path))
	if info, err := os.Stat(dir); err != nil || !info.IsDir() {
		return manifestError(release.Problems{{
			File: ManifestFile, Path: "components." + component.Name + ".path",
			Message: fmt.Sprintf("the commit has no folder %q", component.Path),
			Fix:     "write the component's folder relative to the root of the repository; there are " + foldersIn(root),
		}})
	}
	return do(dir)
}

// removeTree removes a folder; one that stays is said, and costs space.
func removeTree(ctx context.Context, dir string) {
	if err := os.RemoveAll(dir); err != nil {
		activity.GetLogger(ctx).Warn("working copy not removed", "dir", dir, "error", err)
	}
}

// mostFolders bounds how many folders an error lists.
const mostFolders = 30

// foldersIn lists what a component's path could have been: the root and the folders of the first two levels.
func foldersIn(root string) string {
	found := []string{"."}
	for _, pattern := range []string{"*", "*/*"} {
		// The patterns are well-formed, which is all that Glob complains of.
		matches, _ := filepath.Glob(filepath.Join(root, pattern))
		for _, match := range matches {
			name, err := filepath.Rel(root, match)
			if info, statErr := os.Stat(match); err == nil && statErr == nil && info.IsDir() && !strings.HasPrefix(name, ".") {
				found = append(found, filepath.ToSlash(name))
			}
		}
	}
	if len(found) > mostFolders {
		found = append(found[:mostFolders], "others")
	}
	return strings.Join(found, ", ")
}
