package authn

import (
	"crypto/sha256"
	"crypto/subtle"
	"errors"
	"hash"
	"io"
)

// ErrBody is what reading the body of a signed request ends with when the body is not the one that was signed.
var ErrBody = errors.New("the body is not the one that was signed")

// provenBody hashes a body while it is read, and lets no reader see the end of a wrong one. Of a body whose length is
// known it keeps the last piece back until all of it is proven: an instance waits for that piece. The end of any other
// is the end of file, so there the instance may have all of it, and never learns that this was all.
type provenBody struct {
	io.ReadCloser
	hash hash.Hash
	want [sha256.Size]byte
	// left is how much is to come; less than 0 is unknown.
	left   int64
	proven bool
	err    error
}

func newProvenBody(body io.ReadCloser, length int64, want [sha256.Size]byte) *provenBody {
	return &provenBody{ReadCloser: body, hash: sha256.New(), want: want, left: max(-1, length)}
}

// Read reads on. It gives no bytes together with [ErrBody].
func (b *provenBody) Read(p []byte) (int, error) {
	if b.err != nil {
		return 0, b.err
	}
	n, err := b.ReadCloser.Read(p)
	if n == 0 && err == nil {
		return 0, nil
	}
	b.hash.Write(p[:n])
	if b.left > 0 {
		b.left = max(0, b.left-int64(n))
	}
	if b.proven && n > 0 {
		b.proven = false // more than its length
	}
	if !b.proven && (b.left == 0 || err == io.EOF) { // readers return it bare
		var sum [sha256.Size]byte
		if subtle.ConstantTimeCompare(b.hash.Sum(sum[:0]), b.want[:]) != 1 {
			clear(p[:n])
			b.err = ErrBody
			return 0, b.err
		}
		b.proven = true
	}
	return n, err
}
