// Package gateway is the data plane: it decides for every request whether stable or canary serves it,
// carries it there, and bears witness to how it ended.
//
// Its one idea is that a route is an immutable document behind an atomic pointer. A change swaps the
// pointer and nothing else: requests under way keep the document they started with, and what outlives
// a document (connections, counters, latencies, evidence) hangs on the route's key and not on its
// version. A canary's weight is a lease on top of that: when nobody renews it the gateway returns to
// stable by itself, at the request, whether or not anything else is still alive.
package gateway
