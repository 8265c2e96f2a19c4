package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

// gitPatience bounds one git command of the tour.
const gitPatience = time.Minute

// sample is the repository of the tour's application.
type sample struct{ dir string }

// init makes the repository, once. The remote is set at every start, for the port may be another.
func (s sample) init(ctx context.Context, remote string) error {
	if _, err := os.Stat(filepath.Join(s.dir, ".git")); errors.Is(err, os.ErrNotExist) {
		if _, err := s.git(ctx, "init", "--quiet", "--initial-branch=main"); err != nil {
			return err
		}
	}
	for _, setting := range [][2]string{{"user.name", "Sky Island tour"}, {"user.email", "tour@localhost"}, {"remote.origin.url", remote}, {"push.default", "current"}, {"commit.gpgsign", "false"}} {
		if _, err := s.git(ctx, "config", setting[0], setting[1]); err != nil {
			return err
		}
	}
	return nil
}

// version is the commit of a chapter, made when it is not there yet.
func (s sample) version(ctx context.Context, c chapter) (string, error) {
	if commit, err := s.git(ctx, "rev-parse", "--quiet", "--verify", "refs/tags/"+c.tag+"^{commit}"); err == nil {
		return commit, nil
	}
	if c.change != nil {
		if err := c.change(s.dir); err != nil {
			return "", fmt.Errorf("change the sample: %w", err)
		}
	}
	for _, args := range [][]string{{"add", "--all"}, {"commit", "--quiet", "--message", c.message}, {"tag", c.tag}} {
		if _, err := s.git(ctx, args...); err != nil {
			return "", err
		}
	}
	return s.git(ctx, "rev-parse", "HEAD")
}

// push pushes a commit to main. What is there already is left as it is: a tour that goes on does not
// take a later version back.
func (s sample) push(ctx context.Context, commit string) error {
	// Before the first push there is no repository to ask; if it is something else, the push says so.
	there, err := s.git(ctx, "ls-remote", "origin", "refs/heads/main")
	if head, _, found := strings.Cut(there, "\t"); err == nil && found {
		if _, err := s.git(ctx, "merge-base", "--is-ancestor", commit, head); err == nil {
			return nil
		}
	}
	_, err = s.git(ctx, "push", "--quiet", "origin", commit+":refs/heads/main")
	return err
}

// git runs git in the sample's folder.
func (s sample) git(ctx context.Context, args ...string) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, gitPatience)
	defer cancel()
	command := exec.CommandContext(ctx, "git", args...)
	command.Dir = s.dir
	command.Env = append(os.Environ(), "GIT_TERMINAL_PROMPT=0", "LC_ALL=C")
	var out, errs bytes.Buffer
	command.Stdout, command.Stderr = &out, &errs
	if err := command.Run(); err != nil {
		return "", fmt.Errorf("git %s: %w: %s", args[0], err, strings.TrimSpace(errs.String()))
	}
	return strings.TrimSpace(out.String()), nil
}
