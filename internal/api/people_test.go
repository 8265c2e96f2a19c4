package api_test

import (
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/skyisland/skyisland/internal/api"
	"github.com/skyisland/skyisland/internal/api/apitest"
	"github.com/skyisland/skyisland/internal/api/client"
	"github.com/skyisland/skyisland/internal/release"
)

func TestFreezesAreDeclaredListedAndLifted(t *testing.T) {
	i := apitest.New()
	c, err := client.New(i.Start(t, api.Info{}), apitest.Operator)
	if err != nil {
		t.Fatal(err)
	}
	freeze, err := c.AddFreeze(t.Context(), api.FreezeBody{About: "demo/hello", For: release.Duration(2 * time.Hour), Reason: "launch", Line: true})
	if err != nil || freeze.ID == "" || freeze.By.Name != "olga" || freeze.About() != "demo/hello" || !freeze.Line || freeze.Ends.Sub(freeze.Starts) != 2*time.Hour {
		t.Fatalf("declared %+v, %v", freeze, err)
	}
	if list, err := c.Freezes(t.Context()); err != nil || len(list.Freezes) != 1 || list.Freezes[0].ID != freeze.ID {
		t.Errorf("listed %+v, %v", list, err)
	}
	if lifted, err := c.LiftFreeze(t.Context(), freeze.ID); err != nil || lifted.ID != freeze.ID {
		t.Errorf("lifted %+v, %v", lifted, err)
	}
	if _, err := c.LiftFreeze(t.Context(), freeze.ID); err == nil || !strings.Contains(err.Error(), "GET /api/v1/freezes") {
		t.Errorf("lifted again: %v", err)
	}
	for name, body := range map[string]api.FreezeBody{
		"without a reason":  {About: "all"},
		"of nothing":        {About: "No Name", Reason: "x"},
		"of too many parts": {About: "a/b/c/d", Reason: "x"},
		"that is too long":  {About: "all", Reason: "x", For: release.Duration(1000 * time.Hour)},
		"that ends before":  {About: "all", Reason: "x", For: release.Duration(-time.Hour)},
	} {
		if made, err := c.AddFreeze(t.Context(), body); err == nil {
			t.Errorf("a freeze %s was declared: %+v", name, made)
		}
	}
}

func TestAFreezeThatTheRulesDenyIsForbidden(t *testing.T) {
	i := apitest.New()
	i.Break(&release.DeniedError{Decision: release.Decision{Deny: []release.Denial{{Code: "freezers.not_allowed", Message: "olga may not"}}}})
	c, err := client.New(i.Start(t, api.Info{}), apitest.Operator)
	if err != nil {
		t.Fatal(err)
	}
	_, err = c.AddFreeze(t.Context(), api.FreezeBody{About: "demo/hello", Reason: "launch"})
	var problem *client.Error
	if !errors.As(err, &problem) || problem.Problem.Status != http.StatusForbidden || problem.Problem.Code() != api.CodeRefused || !strings.Contains(problem.Problem.Detail, "olga may not") {
		t.Errorf("declared with %v, want what the rules say", err)
	}
}

func TestMessagesThatWereGivenUpAreSentAgain(t *testing.T) {
	i := apitest.New()
	i.Deliver(api.Delivery{ID: "one", Target: "slack:C1", Title: "asked", State: "sent"})
	i.Deliver(api.Delivery{ID: "two", Target: "slack:C2", Title: "asked", State: "dead", Reason: "channel_not_found"})
	c, err := client.New(i.Start(t, api.Info{}), apitest.Operator)
	if err != nil {
		t.Fatal(err)
	}
	if all, err := c.Deliveries(t.Context(), false, 10); err != nil || len(all.Deliveries) != 2 || all.Deliveries[0].ID != "two" {
		t.Errorf("all are %+v, %v", all, err)
	}
	dead, err := c.Deliveries(t.Context(), true, 10)
	if err != nil || len(dead.Deliveries) != 1 || dead.Deliveries[0].Reason != "channel_not_found" {
		t.Errorf("dead are %+v, %v", dead, err)
	}
	if err := c.RetryDelivery(t.Context(), "two"); err != nil {
		t.Error(err)
	}
	if err := c.RetryDelivery(t.Context(), "two"); err == nil || !strings.Contains(err.Error(), "dead=true") {
		t.Errorf("retried again: %v", err)
	}
	if _, err := c.Deliveries(t.Context(), false, 5000); err == nil || !strings.Contains(err.Error(), "1 to 500") {
		t.Errorf("asked for 5000: %v", err)
	}
}
