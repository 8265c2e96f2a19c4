package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"time"
)

// gitPatience bounds one git command of the tour.
const gitPatience = time.Minute

// sample is the repository of the tour's application.
type sample struct{ dir string }

// settings make the repository independent of what the user has set for others.
var settings = [][2]string{
	{"user.name", "Sky Island tour"}, {"user.email", "tour@localhost"}, {"push.default", "current"},
	{"commit.gpgsign", "false"}, {"tag.gpgsign", "false"},
	// The remote is on this machine, and git asks a proxy of the environment even for that.
	{"http.proxy", ""},
}

// init makes the repository; when it is there, or half there, that completes it. The remote is set at
// every start, for the port may be another.
func (s sample) init(ctx context.Context, remote string) error {
	if _, err := s.git(ctx, "init", "--quiet", "--initial-branch=main"); err != nil {
		return err
	}
	for _, setting := range append([][2]string{{"remote.origin.url", remote}}, settings...) {
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
	// A start that was killed after the commit left no tag.
	if subject, err := s.git(ctx, "log", "-1", "--format=%s"); err != nil || subject != c.message {
		if err := s.commit(ctx, c); err != nil {
			return "", err
		}
	}
	if _, err := s.git(ctx, "tag", c.tag); err != nil {
		return "", err
	}
	return s.git(ctx, "rev-parse", "HEAD")
}

// commit makes a chapter's change and commits it.
func (s sample) commit(ctx context.Context, c chapter) error {
	if c.change != nil {
		if err := c.change(s.dir); err != nil {
			// A start that was killed here left the change half made, or made and not committed.
			if _, resetErr := s.git(ctx, "reset", "--quiet", "--hard"); resetErr != nil {
				return errors.Join(fmt.Errorf("change the sample: %w", err), resetErr)
			}
			if err := c.change(s.dir); err != nil {
				return fmt.Errorf("change the sample: %w", err)
			}
		}
	}
	for _, args := range [][]string{{"add", "--all"}, {"commit", "--quiet", "--message", c.message}} {
		if _, err := s.git(ctx, args...); err != nil {
			return err
		}
	}
	return nil
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
