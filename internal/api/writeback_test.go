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
)

func TestWhatGitHubRefusedIsSeenAndToldAgain(t *testing.T) {
	i := apitest.New()
	i.Clock(func() time.Time { return noon })
	i.WriteBack(api.Writeback{Release: "demo/hello/production/1", State: "settled", Objects: []api.WritebackObject{{Name: "deployment", State: "sent"}}})
	i.WriteBack(api.Writeback{Release: "demo/hello/production/2", State: "settled", Objects: []api.WritebackObject{{Name: "check", State: "dead", Reason: "GitHub answered 403"}}})
	c, err := client.New(i.Start(t, api.Info{}), apitest.Operator)
	if err != nil {
		t.Fatal(err)
	}
	if all, err := c.Writebacks(t.Context(), "", false, 10, ""); err != nil || len(all.Writebacks) != 2 {
		t.Errorf("all are %+v, %v", all, err)
	}
	if one, err := c.Writebacks(t.Context(), "demo/hello/production/1", false, 10, ""); err != nil || len(one.Writebacks) != 1 || one.Writebacks[0].Objects[0].Name != "deployment" {
		t.Errorf("of one release: %+v, %v", one, err)
	}
	trouble, err := c.Writebacks(t.Context(), "", true, 10, "")
	if err != nil || len(trouble.Writebacks) != 1 || trouble.Writebacks[0].Objects[0].Reason != "GitHub answered 403" {
		t.Errorf("trouble is %+v, %v", trouble, err)
	}
	if err := c.RetryWriteback(t.Context(), "demo/hello/production/2"); err != nil {
		t.Error(err)
	}
	if told, err := c.Writebacks(t.Context(), "demo/hello/production/2", false, 10, ""); err != nil || !told.Writebacks[0].Due.Equal(noon) {
		t.Errorf("told again: %+v, %v; want it due by the server's clock", told, err)
	}
	var problem *client.Error
	if err := c.RetryWriteback(t.Context(), "demo/hello/production/2"); !errors.As(err, &problem) || problem.Problem.Status != http.StatusNotFound || !strings.Contains(problem.Problem.Detail, "trouble=true") {
		t.Errorf("retried again: %v", err)
	}
	for _, wrong := range []error{
		second(c.Writebacks(t.Context(), "3", false, 10, "")), second(c.Writebacks(t.Context(), "", false, 5000, "")), c.RetryWriteback(t.Context(), "production"),
	} {
		if !errors.As(wrong, &problem) || problem.Problem.Status != http.StatusBadRequest {
			t.Errorf("a wrong question: %v", wrong)
		}
	}
}

func second[T any](_ T, err error) error { return err }
