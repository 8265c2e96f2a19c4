package policy

import "context"

// Follow looks for changed rules once, as Run does again and again.
func Follow(ctx context.Context, e *Engine) error { return e.follow(ctx) }
