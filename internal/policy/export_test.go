package policy

import (
	"context"
	"time"
)

// Follow looks for changed rules once, as Run does again and again.
func Follow(ctx context.Context, e *Engine) error { return e.follow(ctx) }

// Pause is how long Run waits after so many looks in a row that failed.
func Pause(e *Engine, failures int) time.Duration { return e.origin.pause(failures) }
