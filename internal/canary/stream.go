package canary

import (
	"bytes"
	"encoding/json"
	"fmt"
	"reflect"
)

// Arm says which of the two versions a unit was assigned to.
type Arm uint8

const (
	// Stable is the version that serves now. It is the zero value.
	Stable Arm = iota
	// Canary is the candidate.
	Canary
)

// String returns "stable" or "canary".
func (a Arm) String() string {
	if a == Canary {
		return "canary"
	}
	return "stable"
}

// Stream is one kind of "bad". Every request gets at most one mark on each stream.
type Stream uint8

const (
	// StreamError marks failed requests: 5xx, refused or broken connections, timeouts.
	StreamError Stream = iota
	// StreamClientError marks 4xx answers other than 429 and 499. It moves when the release itself
	// starts to refuse requests, since both arms see the same clients.
	StreamClientError
	// StreamBody marks requests slower than stable's 90th percentile.
	StreamBody
	// StreamTail marks requests far slower than stable's 99th percentile.
	StreamTail

	// Streams is the number of streams.
	Streams = 4
)

var streamNames = [Streams]string{"error", "client_error", "body", "tail"}

// String returns the stream's name as it stands in JSON and in sentences for people.
func (s Stream) String() string {
	if int(s) < Streams {
		return streamNames[s]
	}
	return fmt.Sprintf("stream(%d)", uint8(s))
}

// MarshalText returns the stream's name, and an error for a value that is no stream.
func (s Stream) MarshalText() ([]byte, error) {
	if int(s) >= Streams {
		return nil, fmt.Errorf("stream %d does not exist, there are %d", s, Streams)
	}
	return []byte(s.String()), nil
}

// UnmarshalText reads a stream's name.
func (s *Stream) UnmarshalText(text []byte) error {
	for i, name := range streamNames {
		if string(text) == name {
			*s = Stream(i)
			return nil
		}
	}
	return fmt.Errorf("stream %q does not exist, want one of %v", text, streamNames)
}

// StreamSet is a set of streams in one byte. The zero value is empty.
type StreamSet uint8

// Has reports whether s is in the set.
func (set StreamSet) Has(s Stream) bool { return set&(1<<s) != 0 }

// With returns the set with s in it.
func (set StreamSet) With(s Stream) StreamSet { return set | 1<<s }

// PerStream holds one T for every stream, indexed by [Stream]. In JSON it is an object keyed by the
// streams' names; zero values are left out, so an idle gateway's batch stays small.
type PerStream[T any] [Streams]T

// MarshalJSON writes the streams in their order, which makes the text canonical.
func (p PerStream[T]) MarshalJSON() ([]byte, error) {
	var out bytes.Buffer
	out.WriteByte('{')
	for i, v := range p {
		if reflect.ValueOf(v).IsZero() {
			continue
		}
		text, err := json.Marshal(v)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", Stream(i), err)
		}
		if out.Len() > 1 {
			out.WriteByte(',')
		}
		fmt.Fprintf(&out, "%q:%s", streamNames[i], text)
	}
	out.WriteByte('}')
	return out.Bytes(), nil
}

// UnmarshalJSON reads what MarshalJSON wrote. An unknown stream or field is an error.
func (p *PerStream[T]) UnmarshalJSON(text []byte) error {
	var byName map[Stream]json.RawMessage
	if err := json.Unmarshal(text, &byName); err != nil {
		return err
	}
	var read PerStream[T]
	for s, raw := range byName {
		dec := json.NewDecoder(bytes.NewReader(raw))
		dec.DisallowUnknownFields()
		if err := dec.Decode(&read[s]); err != nil {
			return fmt.Errorf("%s: %w", s, err)
		}
	}
	*p = read
	return nil
}
