package subscription_test

import (
	"crypto/x509"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/skyisland/skyisland/internal/events"
	"github.com/skyisland/skyisland/internal/release"
	"github.com/skyisland/skyisland/internal/store"
	"github.com/skyisland/skyisland/internal/subscription"
)

func TestASubscriberHearsOfWhatItAskedForAndOfNothingFromBefore(t *testing.T) {
	onEach(t, func(t *testing.T, one, _ *store.Store) {
		c := newClock()
		r := receive(t, c, nil)
		narrow := r.subscriber("narrow")
		narrow.Filter = events.Filter{Types: []string{"dev.skyisland.*.v1"}, Environments: []string{"staging"}}
		p := start(t, one, c, false)
		happen(t, one, p, lane(1), 1)
		p.stop()
		p = start(t, one, c, false, narrow)
		subscribed(t, one, "narrow")
		happen(t, one, p, lane(1), 2)
		// A freeze of the tenant is about staging too.
		freeze, err := release.NewFreeze("demo", time.Hour, "the sale", release.Actor{Name: "ada"}, epoch)
		if err != nil {
			t.Fatal(err)
		}
		freeze.ID = "f.1"
		if err := one.AddFreeze(t.Context(), freeze); err != nil {
			t.Fatal(err)
		}
		p.feed.Kick()
		if got := hear(t, "the freeze", p.became); got != "sent freeze/f%2E1" {
			t.Errorf("it %s", got)
		}
		p.stop()
		if got := len(r.got()); got != 1 {
			t.Errorf("%d posts, want one", got)
		}
	})
}

func TestAnAddressOfThisMachineIsNotAskedUnlessItMayBe(t *testing.T) {
	s, err := store.Open(t.Context(), t.TempDir()+"/store.db")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	c := newClock()
	var may atomic.Bool
	asked := httptest.NewTLSServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
		if !may.Load() {
			t.Error("it was asked")
		}
	}))
	defer asked.Close()
	address := strings.Replace(asked.URL, "127.0.0.1", "localhost", 1) // a name, which is an address only when it is dialled
	p := start(t, s, c, false, subscription.Subscriber{Name: "ci", URL: address, Secrets: []string{secret}})
	subscribed(t, s, "ci")
	happen(t, s, p, lane(1), 1)
	hear(t, "an attempt", p.became)
	waiting := deliveries(t, s, "ci", events.Waiting)
	if len(waiting) != 1 || !strings.Contains(waiting[0].Reason, "of this machine or of a private network: allow-private: true lets it") {
		t.Errorf("deliveries %+v", waiting)
	}
	// With leave it is asked, and is not believed who it is.
	p.stop()
	p = start(t, s, c, false, subscription.Subscriber{Name: "ci", URL: address, Secrets: []string{secret}, AllowPrivate: true})
	next(t, s, p, c, "ci")
	if waiting := deliveries(t, s, "ci", events.Waiting); len(waiting) != 1 || !strings.Contains(waiting[0].Reason, "certificate") {
		t.Errorf("deliveries %+v", waiting)
	}
	p.stop()
	may.Store(true)
	roots := x509.NewCertPool()
	roots.AddCert(asked.Certificate())
	trusted := subscription.Subscriber{Name: "ci", URL: asked.URL, Secrets: []string{secret}, AllowPrivate: true}
	p = startWith(t, s, c, false, subscription.Options{Subscribers: []subscription.Subscriber{trusted}, Roots: roots})
	if got := next(t, s, p, c, "ci"); got != "sent demo/hello/production/1#1" {
		t.Errorf("with somebody to vouch for it, it %s", got)
	}
	p.stop()
}
