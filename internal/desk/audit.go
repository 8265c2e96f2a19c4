package desk

import (
	"context"
	"strings"

	"github.com/skyisland/skyisland/internal/dispatch"
	"github.com/skyisland/skyisland/internal/release"
	"github.com/skyisland/skyisland/workflows"
)

// Audit keeps a record of the instructions that a release refuses before they are in its history. A release records
// those that it takes in by itself.
type Audit struct {
	Releases Instructor
	Records  interface {
		SaveInstruction(ctx context.Context, id release.ID, kind string, instruction release.Instruction, refused string) error
	}
}

// Instructor tells releases what people say.
type Instructor interface {
	Instruct(ctx context.Context, id release.ID, what dispatch.Instruction, in release.Instruction) (workflows.Followed, error)
}

// Instruct tells a release and records a refusal; one that cannot be recorded is the error, and may be tried again.
func (a Audit) Instruct(ctx context.Context, id release.ID, what dispatch.Instruction, in release.Instruction) (workflows.Followed, error) {
	followed, err := a.Releases.Instruct(ctx, id, what, in)
	if refusal, ok := refused(id, err); ok {
		// In the words that the release itself records, so that one refusal is one record.
		reason := strings.TrimPrefix(refusal, "cannot "+string(what)+": ")
		if err := a.Records.SaveInstruction(ctx, id, string(what), in, reason); err != nil {
			return followed, err
		}
	}
	return followed, err
}
