package artifact

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"

	"github.com/skyisland/skyisland/internal/release"
)

// headerBytes is how much of a tar an entry may take beside its content: its header, those for a long name or a long
// link, and what fills its last block.
const headerBytes = 8 << 10

// Open is the tar of an artifact at its start, found to be what the digest names, and its size in bytes. It is the
// caller's to close. It fails with [release.ErrNotFound] or [ErrCorrupt].
func (s *Store) Open(ctx context.Context, digest release.Digest) (io.ReadSeekCloser, int64, error) {
	file, err := s.open(ctx, digest)
	if err != nil {
		return nil, 0, err
	}
	info, err := file.Stat()
	if err != nil {
		file.Close()
		return nil, 0, fmt.Errorf("read artifact %s: %w", digest, err)
	}
	return file, info.Size(), nil
}

// Receive stores the tar of an artifact that comes from elsewhere. Bytes that are not the digest's are [ErrCorrupt], and
// a tar that no artifact within the [Limits] has is [release.ErrTooLarge]; neither leaves anything behind. What is in
// the tar is checked when it is extracted.
func (s *Store) Receive(ctx context.Context, digest release.Digest, from io.Reader) error {
	if err := digest.Check(); err != nil {
		return fmt.Errorf("receive artifact: %w", err)
	}
	if err := s.receive(ctx, digest, from); err != nil {
		return fmt.Errorf("receive artifact %s: %w", digest, err)
	}
	return nil
}

func (s *Store) receive(ctx context.Context, digest release.Digest, from io.Reader) error {
	file, removed, err := s.unfinished()
	if err != nil {
		return err
	}
	defer removed()
	most := s.Limits.Bytes + int64(s.Limits.Files)*headerBytes
	hash := sha256.New()
	n, err := io.Copy(io.MultiWriter(file, hash), io.LimitReader(reader{ctx, from}, most+1))
	if err != nil {
		return err
	}
	if n > most {
		return fmt.Errorf("%w: over %d bytes", release.ErrTooLarge, most)
	}
	if found := hex.EncodeToString(hash.Sum(nil)); found != digest.Hex() {
		return fmt.Errorf("%w: its content is sha256:%s", ErrCorrupt, found)
	}
	return s.keep(ctx, file, digest)
}
