package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/skyisland/skyisland/internal/api"
	"github.com/skyisland/skyisland/internal/dispatch"
	"github.com/skyisland/skyisland/internal/release"
)

// The line of the sample's manifest after which the tour asks for an approval, and what it adds there.
const (
	beforeApproval = "    watch: 15s\n"
	approvalLine   = "    # Somebody has to say yes before the version has traffic.\n    approval: {before: ramp, count: 1, within: 10m}\n"
)

// ask lets the sample's manifest ask for an approval, and askNobody takes that back.
func ask(dir string) error { return editManifest(dir, beforeApproval, beforeApproval+approvalLine) }

func askNobody(dir string) error {
	return editManifest(dir, beforeApproval+approvalLine, beforeApproval)
}

func editManifest(dir, before, after string) error {
	file := filepath.Join(dir, "skyisland.yaml")
	data, err := os.ReadFile(file)
	if err != nil {
		return fmt.Errorf("change the manifest: %w", err)
	}
	if strings.Count(string(data), before) != 1 {
		return fmt.Errorf("change the manifest: %s is not as the tour left it: it does not have %q once", file, before)
	}
	return os.WriteFile(file, []byte(strings.Replace(string(data), before, after, 1)), 0o644)
}

// question is what a release of the tour asks. Whoever takes the tour answers it, and the tour does when nobody has.
type question struct {
	tour   *tour
	id     release.ID
	number int
	late   *time.Timer
}

// follow prints how to answer, once for each question.
func (q *question) follow(ctx context.Context, status release.Status) error {
	if status.Ask == nil {
		q.close()
		return nil
	}
	if status.Ask.Number == q.number {
		return nil
	}
	q.number = status.Ask.Number
	link, err := q.tour.answer(q.id, *status.Ask)
	if err != nil {
		return fmt.Errorf("make a link to the question: %w", err)
	}
	fmt.Fprintf(q.tour.out, `
    It asks for an approval. Answer in your browser, signed in with what is in %s:
        %s
    or in another terminal, in this folder:
        bin/skyisland release approve %s
    Without an answer within %s the tour approves it.

`, q.tour.token, link, q.id, q.tour.patience)
	hash := status.Ask.PlanHash
	q.late = time.AfterFunc(q.tour.patience, func() {
		// Somebody may have answered in this moment: then this answer is refused, and nothing is lost.
		_, _ = q.tour.api.Instruct(ctx, q.id, dispatch.Approve, api.InstructionBody{PlanHash: hash, Comment: "nobody answered: the tour goes on"})
	})
	return nil
}

func (q *question) close() {
	if q.late != nil {
		q.late.Stop()
		q.late = nil
	}
}
