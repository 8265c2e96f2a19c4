package app

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"

	"github.com/skyisland/skyisland/internal/artifact"
	"github.com/skyisland/skyisland/internal/release"
)

// salter derives each release's secret for the draw from the installation's key, so that it need
// not be stored and no history holds it.
func salter(key string) func(release string) string {
	return func(release string) string {
		mac := hmac.New(sha256.New, []byte(key))
		mac.Write([]byte("salt/" + release))
		return hex.EncodeToString(mac.Sum(nil))
	}
}

// artifactStore packs whole folders.
type artifactStore struct{ store *artifact.Store }

// Put packs a folder.
func (a artifactStore) Put(ctx context.Context, dir string) (release.Digest, int64, error) {
	digest, size, err := a.store.Put(ctx, dir, nil)
	return digest, size, final(err)
}
