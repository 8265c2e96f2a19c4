package api_test

import (
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/skyisland/skyisland/internal/api"
	"github.com/skyisland/skyisland/internal/api/apitest"
	"github.com/skyisland/skyisland/internal/release"
)

// three of everything that is listed, the names in them are 1, 2 and 3.
func threeOfEach(t *testing.T) string {
	t.Helper()
	i := apitest.New()
	events := make([]api.EventDelivery, 0, 3)
	for n := 1; n <= 3; n++ {
		id := release.ID{Lane: release.Lane{Tenant: "demo", Application: "hello", Environment: "production"}, Number: n}
		i.Put(status(id, release.Completed))
		i.SetDecisions(id, api.Decision{At: noon.Add(time.Duration(n) * time.Hour), Decision: release.Decision{ID: fmt.Sprint("item-", n)}})
		i.Deliver(api.Delivery{ID: fmt.Sprint("item-", n), Target: "slack:x", Title: "t", State: "sent", Created: noon})
		freeze := release.Freeze{ID: fmt.Sprint("item-", n), Starts: noon.Add(time.Duration(n) * time.Hour), Reason: "r"}
		if err := i.AddFreeze(t.Context(), freeze); err != nil {
			t.Fatal(err)
		}
		application := release.Application{Tenant: "demo", Name: fmt.Sprint("item-", n), Repository: fmt.Sprint("https://example.com/", n)}
		if err := i.SaveApplication(t.Context(), application); err != nil {
			t.Fatal(err)
		}
		i.Receive(api.Event{Source: "github", Delivery: fmt.Sprint("item-", n), Kind: "push", Received: noon}, "{}")
		i.WriteBack(api.Writeback{Release: id.String(), State: "settled", Updated: noon, Objects: []api.WritebackObject{{Name: fmt.Sprint("item-", n), State: "sent"}}})
		events = append(events, api.EventDelivery{ID: fmt.Sprint("item-", n), State: "sent", Created: noon})
	}
	i.Subscribe(api.Subscription{Name: "ci", State: api.SubscriptionActive}, events...)
	return i.Start(t, api.Info{})
}

// Every list comes in pages in the same way, found by its description: what is added is walked through too.
func TestEveryListIsReadPageByPage(t *testing.T) {
	server := threeOfEach(t)
	item, link := regexp.MustCompile(`"(?:item-|number":)(\d)`), regexp.MustCompile(`^<([^>]+)>; rel="next"$`)
	lists := 0
	for _, o := range api.Operations() {
		if !o.Pages {
			continue
		}
		lists++
		t.Run(o.ID, func(t *testing.T) {
			address := strings.ReplaceAll(o.Path, "{subscription}", "ci") + "?limit=1"
			for _, param := range o.Query {
				if param.Required {
					address += "&" + param.Name + "=2026-01-01T00:00:00Z"
				}
			}
			var seen []string
			for range 3 {
				got := ask(t, apitest.Reader, "GET", server+address, "")
				var body struct {
					Next string `json:"next"`
				}
				if err := json.Unmarshal([]byte(got.body), &body); err != nil || got.status != 200 {
					t.Fatalf("%s: %d %s", address, got.status, got.body)
				}
				found := item.FindAllStringSubmatch(got.body, -1)
				if len(found) != 1 {
					t.Fatalf("a page of one is %s", got.body)
				}
				seen = append(seen, found[0][1])
				next := link.FindStringSubmatch(got.header.Get("Link"))
				if (next != nil) != (body.Next != "") {
					t.Fatalf("linked to %q, and next is %q", got.header.Get("Link"), body.Next)
				}
				if next == nil {
					break
				}
				if !strings.Contains(next[1], "limit=1") || !strings.Contains(next[1], "cursor="+body.Next) {
					t.Errorf("next is %s and linked to is %s", body.Next, next[1])
				}
				address = next[1]
			}
			slices.Sort(seen)
			if !slices.Equal(seen, []string{"1", "2", "3"}) {
				t.Errorf("saw %v", seen)
			}
			if got := ask(t, apitest.Reader, "GET", server+strings.Replace(address, "limit=1", "limit=9999", 1), ""); got.status != 400 {
				t.Errorf("a limit beyond the most: %d %s", got.status, got.body)
			}
		})
	}
	if lists < 5 {
		t.Errorf("only %d lists come in pages", lists)
	}
}

func TestWhatIsPagedKeepsItsFilter(t *testing.T) {
	server := threeOfEach(t)
	got := ask(t, apitest.Reader, "GET", server+"/api/v1/releases?limit=1&phase=completed&tenant=demo", "")
	if link := got.header.Get("Link"); !strings.Contains(link, "phase=completed") || !strings.Contains(link, "tenant=demo") {
		t.Errorf("linked to %s", link)
	}
	var page api.ReleasePage
	if err := json.Unmarshal([]byte(got.body), &page); err != nil {
		t.Fatal(err)
	}
	// The name of old goes on to work, and is not what is linked to.
	got = ask(t, apitest.Reader, "GET", server+"/api/v1/releases?limit=1&before="+page.Next, "")
	if link := got.header.Get("Link"); !strings.Contains(got.body, `"number":2`) || strings.Contains(link, "before") || !strings.Contains(link, "cursor") {
		t.Errorf("got %s, linked to %s", got.body, link)
	}
}
