package gateway

import (
	"errors"
	"net"
	"net/http"
	"sync/atomic"

	"github.com/skyisland/skyisland/internal/gateway/http1"
)

// The part of a route's requests that may be sent again: one in five in the long run, and ten at once. More would double
// the load on a revision at the worst moment.
const (
	retryShare = 5
	retryBurst = 10
)

// retryBudget is what is left for sending again, in fifths.
type retryBudget struct{ fifths atomic.Int64 }

func newRetryBudget() *retryBudget {
	b := &retryBudget{}
	b.fifths.Store(retryShare * retryBurst)
	return b
}

// earn notes a request.
func (b *retryBudget) earn() {
	for {
		have := b.fifths.Load()
		if have >= retryShare*retryBurst || b.fifths.CompareAndSwap(have, have+1) {
			return
		}
	}
}

// spend takes a repetition, or says that there is none left.
func (b *retryBudget) spend() bool {
	for {
		have := b.fifths.Load()
		if have < retryShare {
			return false
		}
		if b.fifths.CompareAndSwap(have, have-retryShare) {
			return true
		}
	}
}

// repeatable says that a request asks for nothing to be done, so that it may be sent twice.
func repeatable(req *http.Request) bool {
	switch req.Method {
	case http.MethodGet, http.MethodHead, http.MethodOptions:
		return !http1.HasBody(req)
	}
	return false
}

// again says whether an attempt is worth another, and counts against the revision what it was. An instance that was too
// slow once is not asked twice: it has the first request still.
func (x *exchange) again(out *http.Request, resp *http.Response, err error) bool {
	most := x.route.doc.Ingress.Retries
	if most == 0 || x.retries >= most || !repeatable(out) || x.client.Err() != nil {
		return false
	}
	var network net.Error
	switch {
	case err != nil && errors.As(err, &network) && network.Timeout():
		return false
	case err == nil && resp.StatusCode != http.StatusBadGateway && resp.StatusCode != http.StatusServiceUnavailable &&
		resp.StatusCode != http.StatusGatewayTimeout:
		return false
	}
	if !x.route.live.retries.spend() {
		return false
	}
	x.retries++
	x.prove()
	return true
}

// tries are the endpoints that a request has been to.
type tries struct{ endpoints []*endpoint }

func (t *tries) add(e *endpoint) { t.endpoints = append(t.endpoints, e) }
