package activities

import "context"

// Watch placeholder replaced below.
type Watch struct{}

func (w *Watch) Watch(ctx context.Context, in WatchInput) (WatchResult, error) { return WatchResult{}, nil }
