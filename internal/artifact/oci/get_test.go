package oci

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"testing"
)

func TestWhereARegistryKeepsItsBlobsIsNotShown(t *testing.T) {
	registry := serve(t)
	named := push(t, registry, "acme/api:1", image(t, "amd64", []entry{{name: "a", content: "x"}}))
	registry.then(func(w http.ResponseWriter, r *http.Request, next http.Handler) {
		if r.Method == http.MethodGet && strings.Contains(r.URL.Path, "/blobs/") {
			http.Redirect(w, r, "http://127.0.0.1:1/storage/blob?signature=a-secret", http.StatusTemporaryRedirect)
			return
		}
		next.ServeHTTP(w, r)
	})
	_, err := flatten(t, client(nil), named)
	if err == nil || strings.Contains(err.Error(), "a-secret") || !strings.Contains(err.Error(), "127.0.0.1:1/storage/blob") {
		t.Errorf("%v, want where it could not be read from, without what lets one in", err)
	}
}

func TestTakingAnImageEndsWithItsContext(t *testing.T) {
	registry := serve(t)
	named := push(t, registry, "acme/api:1", layered(t))
	ctx, cancel := context.WithCancel(t.Context())
	registry.then(func(w http.ResponseWriter, r *http.Request, next http.Handler) {
		if strings.Contains(r.URL.Path, "/blobs/") {
			cancel()
		}
		next.ServeHTTP(w, r)
	})
	if err := client(nil).Flatten(ctx, named, t.TempDir(), t.TempDir()); !errors.Is(err, context.Canceled) {
		t.Errorf("%v, want the end of the context", err)
	}
}
