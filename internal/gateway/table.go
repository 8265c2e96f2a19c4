package gateway

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"maps"
	"net"
	"slices"
	"strings"
	"time"

	"github.com/skyisland/skyisland/internal/release"
)

// table is every route in force. It is never changed once it is shared.
type table struct {
	routes map[string]*route
	// paths finds a route by its path without the last slash, then by its host; "" is any host.
	paths map[string]map[string]*route
	// longest is the length of the longest path, so that a long request path costs no more than it.
	longest int
	// bells wake who waits for evidence, by release.
	bells  map[string]*bell
	digest string
}

// lookup finds the route with the longest path that is a prefix of the request's at a path segment;
// among those with the same path, the one that names the request's host.
func (t *table) lookup(host, path string) *route {
	for end := len(path); end >= 0; end = strings.LastIndexByte(path[:end], '/') {
		if end > t.longest {
			continue
		}
		hosts := t.paths[path[:end]]
		if len(hosts) == 0 {
			continue
		}
		if len(hosts) > 1 || hosts[""] == nil {
			if r := hosts[hostName(host)]; r != nil {
				return r
			}
		}
		if r := hosts[""]; r != nil {
			return r
		}
	}
	return nil
}

// hostName is a Host header without its port, in lower case.
func hostName(host string) string {
	if strings.IndexByte(host, ':') >= 0 {
		if name, _, err := net.SplitHostPort(host); err == nil {
			host = name
		}
	}
	return strings.ToLower(host)
}

// plan returns those of the documents that change something, or why they may not: an older version,
// the same version with other content, weight for a canary whose lease ran out, or a path that belongs
// to another route.
func (t *table) plan(docs []*document, uptime time.Duration) ([]*document, error) {
	var changed []*document
	merged := make(map[string]*document, len(t.routes)+len(docs))
	for key, r := range t.routes {
		merged[key] = r.doc
	}
	for _, d := range docs {
		if old, found := t.routes[d.Key]; found {
			same := old.doc.digest == d.digest
			switch {
			case d.Version < old.doc.Version:
				return nil, fmt.Errorf("%w: route %s is at version %d, so version %d comes too late",
					release.ErrConflict, d.Key, old.doc.Version, d.Version)
			case d.Version == old.doc.Version && !same:
				return nil, fmt.Errorf("%w: route %s has other content at version %d; a change needs a higher version",
					release.ErrConflict, d.Key, d.Version)
			case d.Weight > release.NoWeight && d.Release == old.doc.Release && old.tripped() != nil:
				return nil, fmt.Errorf("%w: the guard of route %s found the canary of this release bad, and it gets no more weight: %s",
					release.ErrLapsed, d.Key, old.tripped().Sentence)
			case same && old.lapsed(uptime):
				// Whoever repeats it believes that the weight is in force.
				return nil, fmt.Errorf("%w: route %s returned to stable at version %d, and only a new ramp brings the canary back",
					release.ErrLapsed, d.Key, d.Version)
			case same:
				continue
			case d.Weight > release.NoWeight && !d.fresh && d.Release == old.doc.Release && old.lapsed(uptime):
				// A raise that was decided before the lapse: nobody has watched the canary since.
				return nil, fmt.Errorf("%w: route %s returned to stable at version %d, so version %d may not raise it to %s without a new ramp",
					release.ErrLapsed, d.Key, old.doc.Version, d.Version, d.Weight)
			}
		}
		merged[d.Key] = d
		changed = append(changed, d)
	}
	if len(merged) > maxRoutes {
		return nil, fmt.Errorf("%w: %d routes, at most %d", ErrInvalid, len(merged), maxRoutes)
	}
	return changed, checkOwners(merged, changed)
}

// checkOwners refuses a path that two routes claim for the same host. It looks at the routes as they
// will be, so one list may give a path from one route to another.
func checkOwners(merged map[string]*document, changed []*document) error {
	type place struct{ host, path string }
	owners := make(map[place]string, len(merged))
	for key, d := range merged {
		if d.gone() {
			continue
		}
		at := place{d.host, d.path}
		if first, second := owners[at], key; first != "" {
			// Name the one that was there before, whichever the map gave first.
			if slices.ContainsFunc(changed, func(d *document) bool { return d.Key == first }) {
				first, second = second, first
			}
			return fmt.Errorf("%w: path %s%s of route %s belongs to route %s",
				release.ErrConflict, d.host, d.Ingress.Path, second, first)
		}
		owners[at] = key
	}
	return nil
}

// newTable indexes routes. The bells of releases that stay are kept, so nobody who waits is forgotten.
func newTable(routes map[string]*route, old *table) *table {
	t := &table{routes: routes, paths: make(map[string]map[string]*route, len(routes)), bells: map[string]*bell{}}
	for _, r := range routes {
		if r.doc.gone() {
			continue
		}
		t.longest = max(t.longest, len(r.doc.path))
		hosts := t.paths[r.doc.path]
		if hosts == nil {
			hosts = make(map[string]*route, 1)
			t.paths[r.doc.path] = hosts
		}
		hosts[r.doc.host] = r
		if r.evidence != nil {
			t.bells[r.doc.Release] = r.evidence.bell
		}
	}
	if old != nil && maps.EqualFunc(old.routes, routes, func(a, b *route) bool { return a.doc == b.doc }) {
		t.digest = old.digest
		return t
	}
	sums := make(map[string][sha256.Size]byte, len(routes))
	for key, r := range routes {
		sums[key] = r.doc.digest
	}
	t.digest = digestOf(sums)
	return t
}

func digestOf(sums map[string][sha256.Size]byte) string {
	h := sha256.New()
	h.Write([]byte("skyisland/routes/v1\n"))
	for _, key := range slices.Sorted(maps.Keys(sums)) {
		sum := sums[key]
		h.Write(sum[:])
	}
	return "sha256:" + hex.EncodeToString(h.Sum(nil))
}

// Digest is the digest a gateway reports when it serves exactly these routes, in any order. Comparing
// it finds drift without reading routes back. It fails as [ErrInvalid] for a route no gateway takes.
func Digest(routes []release.Route) (string, error) {
	sums := make(map[string][sha256.Size]byte, len(routes))
	for _, r := range routes {
		d, err := newDocument(r)
		if err != nil {
			return "", err
		}
		sums[d.Key] = d.digest
	}
	return digestOf(sums), nil
}
