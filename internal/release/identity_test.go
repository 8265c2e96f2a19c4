package release_test

import (
	"strings"
	"testing"

	"github.com/skyisland/skyisland/internal/release"
)

func TestCheckName(t *testing.T) {
	for name, ok := range map[string]bool{
		"a": true, "rail-tour": true, "v2": true, "2v": true, strings.Repeat("a", 63): true,
		"": false, "-a": false, "a-": false, "A": false, "a_b": false, "a.b": false, "a/b": false, "ä": false, "a\n": false, strings.Repeat("a", 64): false,
	} {
		if err := release.CheckName(name); (err == nil) != ok {
			t.Errorf("%q: %v, want a name: %t", name, err, ok)
		}
	}
}

func TestLanesAndReleasesAreNamedByPaths(t *testing.T) {
	lane := release.Lane{Tenant: "fliggy", Application: "rail-tour", Environment: "production"}
	id := release.ID{Lane: lane, Number: 12}
	if got, err := release.ParseLane(lane.String()); err != nil || got != lane {
		t.Errorf("%s reads as %+v, %v", lane, got, err)
	}
	if got, err := release.ParseID(id.String()); err != nil || got != id {
		t.Errorf("%s reads as %+v, %v", id, got, err)
	}
	if lane.WorkflowID() != "lane/fliggy/rail-tour/production" || id.WorkflowID() != "release/fliggy/rail-tour/production/12" {
		t.Errorf("workflows are %s and %s", lane.WorkflowID(), id.WorkflowID())
	}
	for _, s := range []string{"", "a/b", "a/b/c/d", "a//c", "A/b/c"} {
		if _, err := release.ParseLane(s); err == nil {
			t.Errorf("%q is read as a lane", s)
		}
	}
	for _, s := range []string{"", "12", "a/b/c", "a/b/c/0", "a/b/c/-1", "a/b/c/x", "a/b/3", "a/b/c/d/1"} {
		if _, err := release.ParseID(s); err == nil || !strings.Contains(err.Error(), "demo/hello/production/3") {
			t.Errorf("%q: %v, want an error with an example", s, err)
		}
	}
}

func TestLaneCheckNamesThePartThatIsWrong(t *testing.T) {
	for want, lane := range map[string]release.Lane{
		"tenant": {Application: "a", Environment: "e"}, "application": {Tenant: "t", Application: "A", Environment: "e"},
		"environment": {Tenant: "t", Application: "a", Environment: "e/"},
	} {
		if err := lane.Check(); err == nil || !strings.HasPrefix(err.Error(), want) {
			t.Errorf("%+v: %v, want %s", lane, err, want)
		}
	}
}
