package policy

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"

	"github.com/skyisland/skyisland/internal/release"
)

// Change is a past decision that other rules would have made otherwise.
type Change struct {
	// About is the release, or the freeze that the question was about.
	About string       `json:"about"`
	Gate  release.Gate `json:"gate"`
	// Was is the recorded answer, Is the one that the other rules give to the same question.
	Was release.Decision `json:"was"`
	Is  release.Decision `json:"is"`
	// Gone and New are the reasons against that are in one of the two only.
	Gone []release.Denial `json:"gone,omitempty"`
	New  []release.Denial `json:"new,omitempty"`
}

// Turned says that a yes became a no, or a no a yes.
func (c Change) Turned() bool { return c.Was.Allow != c.Is.Allow }

// ErrUnreadable is that a recorded question cannot be asked again, because it cannot be read.
var ErrUnreadable = errors.New("the recorded question cannot be read")

// Replay asks a recorded question again and compares the answers: whether it is allowed, the codes of the reasons against,
// and what is demanded. It is nil when they are the same. Its error is [ErrUnreadable], or ctx's.
func (e *Engine) Replay(ctx context.Context, recorded json.RawMessage, was release.Decision) (*Change, error) {
	var question release.Question
	if err := json.Unmarshal(recorded, &question); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrUnreadable, err)
	}
	if question.Version == 0 {
		// What every question has: without it this is null, or JSON of something else, and any answer to it is a made-up one.
		return nil, fmt.Errorf("%w: it has no version", ErrUnreadable)
	}
	is, err := e.Decide(ctx, question)
	if err != nil {
		return nil, err
	}
	change := Change{About: question.About(), Gate: question.Gate, Was: was, Is: is, Gone: without(was.Deny, is.Deny), New: without(is.Deny, was.Deny)}
	demands := func(d release.Decision) string {
		text, _ := json.Marshal(d.Obligations)
		return string(text)
	}
	if was.Allow == is.Allow && len(change.Gone)+len(change.New) == 0 && (len(was.Obligations)+len(is.Obligations) == 0 || demands(was) == demands(is)) {
		return nil, nil //nolint:nilnil // the same answer is no change
	}
	return &change, nil
}

// without are the denials whose code is not among the others.
func without(denials, others []release.Denial) (out []release.Denial) {
	for _, denial := range denials {
		if !slices.ContainsFunc(others, func(o release.Denial) bool { return o.Code == denial.Code }) {
			out = append(out, denial)
		}
	}
	return out
}
