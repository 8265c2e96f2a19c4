package artifact

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"time"

	"github.com/skyisland/skyisland/internal/release"
)

// Remove deletes an artifact. Removing what is not there is no error. Who reads it at the moment
// reads on to the end.
func (s *Store) Remove(ctx context.Context, digest release.Digest) error {
	if err := errors.Join(ctx.Err(), digest.Check()); err != nil {
		return fmt.Errorf("remove artifact: %w", err)
	}
	if err := os.Remove(s.path(digest)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("remove artifact %s: %w", digest, err)
	}
	return nil
}

// Collect removes every artifact that is not in keep and was last put longer than grace ago, and
// returns what it removed. The grace is for artifacts that were put but are not yet written down
// anywhere; it should be longer than a build's last steps can take, such as an hour.
func (s *Store) Collect(ctx context.Context, keep map[release.Digest]bool, grace time.Duration) ([]Info, error) {
	var removed []Info
	// Below the folder, whose own path may have characters that mean something in a pattern.
	stored, err := fs.Glob(os.DirFS(s.dir), "sha256/??/*")
	if err != nil {
		return nil, fmt.Errorf("collect artifacts: %w", err)
	}
	for _, file := range stored {
		digest := release.Digest("sha256:" + path.Base(file))
		if digest.Check() != nil || keep[digest] {
			continue // not ours, or in use
		}
		info, err := s.Stat(ctx, digest)
		if errors.Is(err, release.ErrNotFound) || (err == nil && time.Since(info.Stored) < grace) {
			continue
		}
		if err == nil {
			err = s.Remove(ctx, digest)
		}
		if err != nil {
			return removed, fmt.Errorf("collect artifacts: %w", err)
		}
		removed = append(removed, info)
	}
	return removed, nil
}
