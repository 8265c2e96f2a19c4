package api_test

import (
	"net/http/httptest"
	"testing"

	"github.com/skyisland/skyisland/internal/api"
	"github.com/skyisland/skyisland/internal/api/apitest"
)

// newWeb serves a server until the test ends.
func newWeb(t *testing.T, server *api.Server) string {
	t.Helper()
	web := httptest.NewServer(apitest.Checked(t, server.Handler()))
	t.Cleanup(web.Close)
	return web.URL
}
