package events_test

import (
	"bytes"
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	cloudevents "github.com/cloudevents/sdk-go/v2"
	"github.com/invopop/jsonschema"

	"github.com/skyisland/skyisland/internal/events"
	"github.com/skyisland/skyisland/internal/release"
)

var update = flag.Bool("update", false, "write the golden files")

var (
	noon  = time.Date(2026, 3, 2, 12, 0, 0, 123456000, time.UTC)
	lane  = release.Lane{Tenant: "demo", Application: "hello", Environment: "production"}
	three = release.ID{Lane: lane, Number: 3}
	here  = events.Installation{
		URL:      "https://sky.example.com",
		Workflow: func(id release.ID) string { return "https://temporal.example.com/" + id.WorkflowID() },
	}
	// rude is what strangers write.
	rude = "</script><b>\x00\xff\u2028\"line\"\nevent: forged\ndata: {}"
)

func entry(seq int64, of release.ID, e release.Entry) events.Entry {
	id := of.String() + "#" + string(rune('0'+e.Number))
	if of.Number == 0 {
		id = string(e.Kind) + "/the sale: 5 % off." + rude
	}
	e.At = noon
	return events.Entry{Seq: seq, ID: id, Release: of, Entry: e, Requester: release.Actor{Name: "ana", Source: "github", Person: "ana.lima", Groups: []string{"not told"}}}
}

func summary() release.Summary {
	return release.Summary{
		ID: three, Phase: release.RolledBack, Ref: "refs/heads/main", Commit: "8f3a21c9d0e1b2c3d4e5f60718293a4b5c6d7e8f", Message: "Say " + rude,
		Cause: &release.Cause{Kind: release.CauseAbort, Message: "ben stopped it", Details: []string{"not told"}, By: &release.Actor{Name: "ben", Source: "slack"}},
	}
}

func ask() *release.Ask {
	return &release.Ask{
		Number: 1, Point: release.BeforeRamp, PlanHash: strings.Repeat("9d3c52ab", 8), Until: noon.Add(time.Hour),
		Changes: []release.Change{
			{Component: "web", From: "web-000000000000", To: "web-111111111111", Artifact: release.Digest("sha256:" + strings.Repeat("a", 64))},
			{Component: "jobs", To: "jobs-111111111111"},
		},
		Answers: []release.Approved{{By: release.Actor{Name: "ben", Source: "dingtalk"}, Comment: "not told"}},
		Closed:  "approved by ben",
	}
}

func entries() []events.Entry {
	return []events.Entry{
		entry(1, three, release.Entry{Number: 1, Kind: release.EntryPhase, Phase: release.Building, Message: "building " + rude, Details: []string{"web", rude}}),
		entry(2, three, release.Entry{Number: 2, Kind: release.EntryClosed, Phase: release.Approving, Message: "approved", Ask: ask()}),
		entry(3, three, release.Entry{Number: 3, Kind: release.EntryStopped, Phase: release.Ramping, Message: "ben stopped it"}),
		entry(4, release.ID{Lane: lane}, release.Entry{Kind: release.EntryAlarm, Message: "errors are above 5%"}),
		entry(5, release.ID{Lane: release.Lane{Tenant: "demo"}}, release.Entry{Kind: release.EntryFreeze, Message: "demo is frozen"}),
		entry(6, release.ID{}, release.Entry{Kind: release.EntryPhase, Message: "what happened cannot be read"}),
	}
}

func make1(t *testing.T, e events.Entry) events.Event {
	t.Helper()
	of := summary()
	if e.Release.Number == 0 {
		of = release.Summary{}
	}
	out, err := here.Event(e, of)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func golden(t *testing.T, file string, got []byte) {
	t.Helper()
	if *update {
		if err := os.WriteFile(file, got, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Errorf("%s is not up to date: run the tests with -update and look at the difference\n%s", file, got)
	}
}

func TestEventsAreWhatTheyWere(t *testing.T) {
	var all bytes.Buffer
	for _, e := range entries() {
		if err := json.Indent(&all, make1(t, e).JSON, "", "  "); err != nil {
			t.Fatal(err)
		}
		all.WriteByte('\n')
	}
	golden(t, filepath.Join("testdata", "events.golden"), all.Bytes())
}

func TestEveryEventIsACloudEventInOneLineByTheirOwnReader(t *testing.T) {
	var before string
	for _, e := range entries() {
		made := make1(t, e)
		if bytes.ContainsAny(made.JSON, "\n\r\x00") {
			t.Errorf("%s has more than one line", made.ID)
		}
		var event cloudevents.Event
		if err := json.Unmarshal(made.JSON, &event); err != nil {
			t.Fatalf("%s: %v", made.JSON, err)
		}
		if err := event.Validate(); err != nil {
			t.Errorf("%s: %v", made.ID, err)
		}
		if event.ID() != made.ID || event.Type() != made.Type || !event.Time().Equal(noon) || event.Subject() != made.Subject() {
			t.Errorf("event %s, want %+v", event, made)
		}
		sequence, _ := event.Extensions()["sequence"].(string)
		if sequence <= before {
			t.Errorf("sequence %q does not sort after %q", sequence, before)
		}
		before = sequence
		var data events.Data
		if err := event.DataAs(&data); err != nil || data.Kind != e.Entry.Kind {
			t.Errorf("data %+v, %v", data, err)
		}
		if strings.Contains(string(made.JSON), "not told") {
			t.Errorf("%s tells what is nobody's business: %s", made.ID, made.JSON)
		}
		if strings.Trim(made.ID, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_/#%") != "" {
			t.Errorf("the name %q does not do in a header", made.ID)
		}
	}
}

func TestNoEventIsLargerThanAWebhookShouldBe(t *testing.T) {
	long := strings.Repeat("\x00", 1<<20)
	question := ask()
	question.Closed = long
	for i := range 200 {
		question.Changes = append(question.Changes, release.Change{Component: long, From: long, To: long, Artifact: release.Digest(long)})
		question.Answers = append(question.Answers, release.Approved{By: release.Actor{Name: long, Source: long, Person: long}, At: noon.Add(time.Duration(i))})
	}
	of := summary()
	of.Message, of.Ref, of.Commit, of.Cause = long, long, long, &release.Cause{Kind: release.CauseAbort, Message: long, By: &release.Actor{Name: long, Source: long, Person: long}}
	e := entry(1, three, release.Entry{Number: 1, Kind: release.EntryEnded, Message: long, Details: slices.Repeat([]string{long}, 100), Ask: question})
	e.Requester = release.Actor{Name: long, Source: long, Person: long}
	made, err := here.Event(e, of)
	if err != nil {
		t.Fatal(err)
	}
	if len(made.JSON) > 20<<10 || !strings.Contains(string(made.JSON), `"truncated":true`) {
		t.Errorf("the worst event has %d bytes", len(made.JSON))
	}
	// Text of people keeps its characters whole where it is cut.
	e = entry(1, three, release.Entry{Number: 1, Kind: release.EntryPhase, Message: strings.Repeat("发布", 1000)})
	made = make1(t, e)
	if strings.Contains(string(made.JSON), "\ufffd发") || !strings.Contains(string(made.JSON), "…") || strings.Contains(string(made.JSON), "布\ufffd") {
		t.Errorf("a character was cut: %s", made.JSON)
	}
}

func TestACauseIsToldFromWhenItIsKnown(t *testing.T) {
	for _, test := range []struct {
		kind  release.EntryKind
		phase release.Phase
		want  bool
	}{
		{release.EntryPhase, release.Building, false}, {release.EntryStep, release.Ramping, false}, {release.EntryStopped, release.Ramping, true},
		{release.EntryPhase, release.RollingBack, true}, {release.EntryPhase, release.Failed, true}, {release.EntryEnded, release.RolledBack, true},
	} {
		made := make1(t, entry(1, three, release.Entry{Number: 1, Kind: test.kind, Phase: test.phase}))
		if got := strings.Contains(string(made.JSON), `"cause"`); got != test.want {
			t.Errorf("%s %s tells the cause: %t, want %t", test.kind, test.phase, got, test.want)
		}
	}
}

func TestEveryKindHasATypeOfItsOwn(t *testing.T) {
	seen := map[string]bool{}
	for _, kind := range append(release.EntryKinds(), release.EntryAlarm, release.EntryFreeze) {
		made := events.TypeOf(three, kind)
		if seen[made] || !slices.Contains(events.Types(), made) {
			t.Errorf("the type of %s is %s", kind, made)
		}
		seen[made] = true
	}
	if got := len(events.Types()); got != len(seen)+1 {
		t.Errorf("%d types, want %d and that of what cannot be read", got, len(seen))
	}
}

func TestFiltersChooseByTypeAndByWhatAnEventIsAbout(t *testing.T) {
	of := func(id release.ID, kind release.EntryKind) events.Event {
		return events.Event{Type: events.TypeOf(id, kind), About: id}
	}
	step, alarm := of(three, release.EntryStep), of(release.ID{Lane: lane}, release.EntryAlarm)
	tenant, all := of(release.ID{Lane: release.Lane{Tenant: "demo"}}, release.EntryFreeze), of(release.ID{}, release.EntryFreeze)
	for _, test := range []struct {
		name   string
		filter events.Filter
		want   []bool // step, alarm, freeze of the tenant, freeze of all
	}{
		{"nothing left out", events.Filter{}, []bool{true, true, true, true}},
		{"a type", events.Filter{Types: []string{"dev.skyisland.release.step.v1"}}, []bool{true, false, false, false}},
		{"several types", events.Filter{Types: []string{"*.step.*", "dev.skyisland.freeze.v1"}}, []bool{true, false, true, true}},
		{"the application", events.Filter{Applications: []string{"hello"}}, []bool{true, true, true, true}},
		{"another application", events.Filter{Applications: []string{"other"}}, []bool{false, false, true, true}},
		{"another tenant", events.Filter{Tenants: []string{"other"}}, []bool{false, false, false, true}},
		{"another environment", events.Filter{Environments: []string{"staging"}}, []bool{false, false, true, true}},
		{"a release", events.Filter{Release: three}, []bool{true, false, false, false}},
		{"another release", events.Filter{Release: release.ID{Lane: lane, Number: 4}}, []bool{false, false, false, false}},
	} {
		got := []bool{test.filter.Matches(step), test.filter.Matches(alarm), test.filter.Matches(tenant), test.filter.Matches(all)}
		if !slices.Equal(got, test.want) {
			t.Errorf("%s: %v, want %v", test.name, got, test.want)
		}
	}
}

func TestTheSchemaIsThatOfTheData(t *testing.T) {
	reflector := jsonschema.Reflector{DoNotReference: true, Mapper: func(of reflect.Type) *jsonschema.Schema {
		if of == reflect.TypeFor[release.EntryKind]() {
			kinds := &jsonschema.Schema{Type: "string"}
			for _, kind := range append(release.EntryKinds(), release.EntryAlarm, release.EntryFreeze) {
				kinds.Enum = append(kinds.Enum, kind)
			}
			return kinds
		}
		return nil
	}}
	if err := reflector.AddGoComments("github.com/skyisland/skyisland/internal/events", "./"); err != nil {
		t.Fatal(err)
	}
	made := reflector.Reflect(events.Data{})
	made.ID = ""
	made.Title = "What an event of Sky Island says"
	// What later versions add must not be refused by those who check.
	text, err := json.Marshal(made)
	if err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	if err := json.Indent(&out, bytes.ReplaceAll(text, []byte(`"additionalProperties":false`), []byte(`"additionalProperties":true`)), "", "  "); err != nil {
		t.Fatal(err)
	}
	out.WriteByte('\n')
	golden(t, "schema.json", out.Bytes())
	if !json.Valid(events.Schema()) {
		t.Error("the schema is no JSON")
	}
}
