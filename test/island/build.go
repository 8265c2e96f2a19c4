package island

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"syscall"
	"testing"
	"time"
)

// programs are the built binaries.
type programs struct{ standalone, command, function string }

// buildPatience bounds the build of the programs; a cold one compiles the Temporal server.
const buildPatience = 20 * time.Minute

// build builds the program and the sample function once in a test process. It is a variable for its
// memory only: the result depends on nothing but the source.
var build = sync.OnceValues(func() (programs, error) {
	ctx, cancel := context.WithTimeout(context.Background(), buildPatience)
	defer cancel()
	root, err := moduleRoot()
	if err != nil {
		return programs{}, err
	}
	dir := filepath.Join(root, "bin", "test")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return programs{}, fmt.Errorf("build the program: %w", err)
	}
	// Tests of several packages run at the same time, and two linkers must not write the same file.
	lock, err := os.OpenFile(filepath.Join(dir, ".lock"), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return programs{}, fmt.Errorf("build the program: %w", err)
	}
	defer lock.Close()
	if err := syscall.Flock(int(lock.Fd()), syscall.LOCK_EX); err != nil {
		return programs{}, fmt.Errorf("build the program: %w", err)
	}
	p := programs{
		standalone: filepath.Join(dir, "skyisland-standalone"), command: filepath.Join(dir, "skyisland"), function: filepath.Join(dir, "function"),
	}
	return p, errors.Join(
		compile(ctx, root, p.standalone, "./cmd/skyisland-standalone"),
		compile(ctx, root, p.command, "./cmd/skyisland"),
		// Small, since it goes into a git repository and an artifact for every application.
		compile(ctx, root, p.function, "./test/island/function", "-ldflags=-s -w"),
	)
})

func compile(ctx context.Context, root, output, pkg string, flags ...string) error {
	// Without -trimpath, so that what tests have compiled already is used again.
	args := append([]string{"build", "-buildvcs=false", "-o", output}, flags...)
	command := exec.CommandContext(ctx, "go", append(args, pkg)...)
	command.Dir = root
	command.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := command.CombinedOutput(); err != nil {
		return fmt.Errorf("build %s: %w\n%s", pkg, err, out)
	}
	return nil
}

// moduleRoot is the folder of go.mod above the test that runs.
func moduleRoot() (string, error) {
	dir, err := os.Getwd()
	if err != nil {
		return "", fmt.Errorf("find the module: %w", err)
	}
	for {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			return dir, nil
		}
		parent := filepath.Dir(dir)
		if parent == dir {
			return "", errors.New("find the module: no go.mod above the test")
		}
		dir = parent
	}
}

// Program is the path of the built program, for starts that fail.
func Program(t testing.TB) string {
	t.Helper()
	built, err := build()
	if err != nil {
		t.Fatal(err)
	}
	return built.standalone
}
