// Package events says what happens to releases in the words other systems know: CloudEvents 1.0.
//
// Its one idea is that an event is a pure function of what the outbox keeps. So the same thing that happened is the same
// event, byte for byte but for the bounds of this program's version, whoever asks for it, when, and how often: subscribers,
// the stream, a second server. docs/events.md is the reference.
package events

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/url"
	"strings"
	"time"

	"github.com/skyisland/skyisland/internal/release"
)

// ContentType is the media type of an event in structured mode.
const ContentType = "application/cloudevents+json; charset=utf-8"

// SchemaPath is where an installation serves the schema of the data of all events.
const SchemaPath = "/api/v1/events/schema"

// Entry is something that happened, as the outbox has it.
type Entry struct {
	// Seq is the order of storing, without holes; ID is the entry's name for ever.
	Seq int64
	ID  string
	// Release is zero for what is about no release. Without a number it is the lane that an alarm or a freeze is about,
	// of which parts may be empty.
	Release   release.ID
	Entry     release.Entry
	Requester release.Actor
}

// Event is one CloudEvent, ready to be sent.
type Event struct {
	// Sequence orders the events of an installation; it has no holes.
	Sequence int64
	// ID names the event for ever. It holds letters, digits and -_/#% only, so that it can stand in a header.
	ID   string
	Type string
	// About is the release, or without a number the lane, of which parts may be empty: those are about all.
	About release.ID
	// JSON is the event in structured mode, in one line of at most 20 KiB.
	JSON []byte
}

// Subject is what an event is about in one word; the events of one subject are told in their order. Empty is everything.
func (e Event) Subject() string { return subject(e.About) }

func subject(of release.ID) string {
	switch {
	case of.Number > 0:
		return of.String()
	case of.Lane == (release.Lane{}):
		return ""
	default:
		return of.Lane.String()
	}
}

// Installation is where events come from.
type Installation struct {
	// URL is how others reach it, without a slash at the end.
	URL string
	// Workflow is where people see a release at work; nil where they cannot.
	Workflow func(release.ID) string
}

// envelope is a CloudEvent in structured mode.
type envelope struct {
	SpecVersion string     `json:"specversion"`
	ID          string     `json:"id"`
	Source      string     `json:"source"`
	Type        string     `json:"type"`
	Subject     string     `json:"subject,omitempty"`
	Time        *time.Time `json:"time,omitempty"`
	ContentType string     `json:"datacontenttype"`
	Schema      string     `json:"dataschema"`
	// Sequence is the extension of this name. Its texts sort as the numbers do.
	Sequence string `json:"sequence"`
	// The lane, for those who choose by attributes.
	Tenant      string `json:"tenant,omitempty"`
	Application string `json:"application,omitempty"`
	Environment string `json:"environment,omitempty"`
	Data        Data   `json:"data"`
}

// Event is what an entry is as an event. The summary is its release's, as it was stored with the entry or later; zero for
// what is about no release.
func (in Installation) Event(entry Entry, summary release.Summary) (Event, error) {
	out := Event{Sequence: entry.Seq, ID: identifier(entry.ID), Type: TypeOf(entry.Release, entry.Entry.Kind), About: entry.Release}
	lane := entry.Release.Lane
	whole := envelope{
		SpecVersion: "1.0", ID: out.ID, Source: in.source(entry), Type: out.Type, Subject: out.Subject(),
		ContentType: "application/json", Schema: in.URL + SchemaPath, Sequence: fmt.Sprintf("%020d", entry.Seq),
		Tenant: lane.Tenant, Application: lane.Application, Environment: lane.Environment,
	}
	if at := entry.Entry.At; !at.IsZero() {
		at = at.UTC()
		whole.Time = &at
	}
	for _, room := range rooms() {
		whole.Data = in.data(entry, summary, room)
		encoded, err := line(whole)
		if err != nil {
			return Event{}, fmt.Errorf("write event %s: %w", entry.ID, err)
		}
		if out.JSON = encoded; len(encoded) <= mostBytes {
			break
		}
	}
	return out, nil
}

// source is the context in which an event happened, as a place that can be looked at.
func (in Installation) source(entry Entry) string {
	lane := entry.Release.Lane
	switch {
	case entry.Release.Number > 0 || lane.Tenant != "" && lane.Application != "" && lane.Environment != "":
		return in.URL + "/api/v1/lanes/" + lanePath(lane)
	case entry.Entry.Kind == release.EntryFreeze:
		return in.URL + "/api/v1/freezes"
	default:
		return in.URL + "/api/v1"
	}
}

func lanePath(lane release.Lane) string {
	return url.PathEscape(lane.Tenant) + "/" + url.PathEscape(lane.Application) + "/" + url.PathEscape(lane.Environment)
}

// line is a value as JSON in one line, with < and > as they are.
func line(value any) ([]byte, error) {
	var out bytes.Buffer
	encoder := json.NewEncoder(&out)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(value); err != nil {
		return nil, err
	}
	return bytes.TrimSuffix(out.Bytes(), []byte("\n")), nil
}

// identifier is an entry's name with everything escaped that would not do in a header, or in what is signed: there the full
// stop ends it. That of a release's entry stays as it is, such as demo/hello/production/3#4.
func identifier(name string) string {
	var out strings.Builder
	for _, b := range []byte(name) {
		switch {
		case 'a' <= b && b <= 'z', 'A' <= b && b <= 'Z', '0' <= b && b <= '9', strings.IndexByte("-_/#", b) >= 0:
			out.WriteByte(b)
		default:
			fmt.Fprintf(&out, "%%%02X", b)
		}
	}
	return out.String()
}
