package canary

import (
	"bytes"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"time"
)

const (
	stateVersion = 1
	maxState     = 1 << 20
	maxTime      = int64(1) << 62
)

// ErrConfigChanged means that a state was made under another configuration. A test cannot go on with
// changed rules; finish the attempt, or begin a new one.
var ErrConfigChanged = errors.New("the canary configuration changed in the middle of a rollout")

// Restore reads a state that [Test.MarshalJSON] wrote and continues it, to the last bit. The error is
// [ErrConfigChanged] when the state belongs to another configuration. Batches since the state was
// written are simply applied again: the test knows which it has.
func Restore(cfg Config, state []byte) (*Test, error) {
	t := &Test{}
	if err := t.UnmarshalJSON(state); err != nil {
		return nil, fmt.Errorf("restore canary test: %w", err)
	}
	if t.hash != cfg.Hash() {
		return nil, fmt.Errorf("restore canary test: %w", ErrConfigChanged)
	}
	return t, nil
}

// logNumber is a log wealth in JSON, where -Inf has no number and is a string.
type logNumber float64

func (l logNumber) MarshalJSON() ([]byte, error) {
	if math.IsInf(float64(l), -1) {
		return []byte(`"-Inf"`), nil
	}
	return json.Marshal(float64(l))
}

func (l *logNumber) UnmarshalJSON(text []byte) error {
	if string(text) == `"-Inf"` {
		*l = logNumber(math.Inf(-1))
		return nil
	}
	return json.Unmarshal(text, (*float64)(l))
}

type weightJSON struct {
	Version int     `json:"v"`
	Share   float64 `json:"w"`
	At      int64   `json:"at"`
	Canary  int64   `json:"c,omitempty"`
	Stable  int64   `json:"s,omitempty"`
}

type senderJSON struct {
	Run      uint64      `json:"run,omitempty"`
	Last     uint64      `json:"last"`
	Gaps     [][2]uint64 `json:"gaps,omitempty"`
	Heard    int64       `json:"heard"`
	Expected bool        `json:"expected,omitempty"`
	Open     bool        `json:"open,omitempty"`
}

type absoluteJSON struct {
	Cash  float64     `json:"cash"`
	Logs  []logNumber `json:"l"`
	Bad   int64       `json:"bad"`
	Good  int64       `json:"good"`
	MaxLn float64     `json:"max_ln"`
}

type stateJSON struct {
	V        int                        `json:"v"`
	Hash     string                     `json:"config_hash"`
	Config   Config                     `json:"config"`
	Phase    Phase                      `json:"phase"`
	Alpha    float64                    `json:"alpha"` // in force; follows from the rest, here for readers
	Restarts int                        `json:"restarts,omitempty"`
	Anew     bool                       `json:"anew,omitempty"`
	Due      bool                       `json:"due,omitempty"`
	ByAbs    bool                       `json:"by_absolute,omitempty"`
	Now      int64                      `json:"now"`
	Weights  []weightJSON               `json:"weights"`
	Started  bool                       `json:"started"`
	Since    int64                      `json:"since"`
	Injected int64                      `json:"injected"`
	WarmFrom int64                      `json:"warm_from"`
	WarmDone bool                       `json:"warm_done"`
	LastSeen int64                      `json:"last_seen"`
	Cash     float64                    `json:"cash"`
	Logs     [Streams][]logNumber       `json:"l"`
	Counts   PerStream[Counts]          `json:"counts"`
	Units    [Streams][2]int64          `json:"units"`
	MaxLn    float64                    `json:"max_ln"`
	Absolute absoluteJSON               `json:"absolute"`
	Split    [len(splitFactors)]float64 `json:"split"`
	Wrong    bool                       `json:"split_wrong,omitempty"`
	Slot     int64                      `json:"stable_slot"`
	Recent   []int64                    `json:"stable_recent"`
	Sets     PerStream[string]          `json:"sessions"`
	Senders  map[string]senderJSON      `json:"gateways"`
}

// MarshalJSON writes the whole state, under 100 KB even when every set is full, and loses no bit of it.
func (t *Test) MarshalJSON() ([]byte, error) {
	out := stateJSON{
		V: stateVersion, Hash: t.hash, Config: t.cfg, Phase: t.phase, Alpha: t.Alpha(), Restarts: t.restarts,
		Anew: t.anew, Due: t.due, ByAbs: t.byAbs, Now: t.now, Started: t.started, Since: t.since,
		Injected: t.injected, WarmFrom: t.warmFrom, WarmDone: t.warmDone, LastSeen: t.lastSeen,
		Cash: t.wealth.cash, Counts: t.counts, Units: t.units, MaxLn: t.maxLn,
		Absolute: absoluteJSON{t.absolute.cash, toLogs(t.absolute.logs), t.absolute.bad, t.absolute.good, t.absolute.maxLn},
		Split:    t.split.logs, Wrong: t.split.wrong, Slot: t.finished.slot, Recent: t.finished.counts[:],
		Weights: make([]weightJSON, len(t.weights)), Senders: make(map[string]senderJSON, len(t.senders)),
	}
	for i, w := range t.weights {
		out.Weights[i] = weightJSON{w.version, w.share, w.at, w.canary, w.stable}
	}
	for s := range out.Logs {
		out.Logs[s] = toLogs(t.wealth.logs[s])
		out.Sets[s] = packSessions(t.sets[s])
	}
	for name, s := range t.senders {
		j := senderJSON{Run: s.run, Last: s.last, Heard: s.heard, Expected: s.expected, Open: s.open}
		for _, g := range s.gaps {
			j.Gaps = append(j.Gaps, [2]uint64{g.from, g.to})
		}
		out.Senders[name] = j
	}
	return json.Marshal(out)
}

// UnmarshalJSON reads a state, with the configuration it was made under. A state that is damaged, or
// made by a version of this package that is not understood, is refused whole and t stays as it was. Use
// [Restore] where the configuration is known.
func (t *Test) UnmarshalJSON(text []byte) error {
	if len(text) > maxState {
		return fmt.Errorf("state of %d bytes is over %d", len(text), maxState)
	}
	var in stateJSON
	dec := json.NewDecoder(bytes.NewReader(text))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&in); err != nil {
		return fmt.Errorf("state: %w", err)
	}
	if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		return errors.New("state: something follows it")
	}
	read, err := in.test()
	if err != nil {
		return fmt.Errorf("state: %w", err)
	}
	*t = *read
	return nil
}

// test builds the test a state describes, or says what in it cannot be.
func (in *stateJSON) test() (*Test, error) {
	if in.V != stateVersion {
		return nil, fmt.Errorf("version %d is not understood, want %d", in.V, stateVersion)
	}
	if in.Now < 0 || in.Now > maxTime {
		return nil, fmt.Errorf("time %d is out of range", in.Now)
	}
	t, err := New(in.Config, time.Unix(0, in.Now))
	if err != nil {
		return nil, err
	}
	if t.hash != in.Hash {
		return nil, fmt.Errorf("hash %q is not that of its configuration: %w", in.Hash, ErrConfigChanged)
	}
	t.phase, t.restarts, t.anew, t.due, t.byAbs = in.Phase, in.Restarts, in.Anew, in.Due, in.ByAbs
	t.started, t.since, t.injected, t.warmFrom = in.Started, in.Since, in.Injected, in.WarmFrom
	t.warmDone, t.lastSeen = in.WarmDone, in.LastSeen
	t.counts, t.units, t.maxLn = in.Counts, in.Units, in.MaxLn
	t.split = split{logs: in.Split, wrong: in.Wrong}
	for _, read := range []func(*Test) error{
		in.readRun, in.readWeights, in.readWealth, in.readCounts, in.readSenders,
	} {
		if err := read(t); err != nil {
			return nil, err
		}
	}
	return t, nil
}

func toLogs(xs []float64) []logNumber {
	out := make([]logNumber, len(xs))
	for i, x := range xs {
		out[i] = logNumber(x)
	}
	return out
}

// packSessions writes a set in its order, 6 bytes each, as base64.
func packSessions(set sessions) string {
	raw := make([]byte, 0, len(set)*sessionBits/8)
	var word [8]byte
	for _, id := range set.sorted() {
		binary.BigEndian.PutUint64(word[:], id)
		raw = append(raw, word[8-sessionBits/8:]...)
	}
	return base64.StdEncoding.EncodeToString(raw)
}

func unpackSessions(text string) (sessions, error) {
	const size = sessionBits / 8
	raw, err := base64.StdEncoding.DecodeString(text)
	if err != nil {
		return nil, err
	}
	if len(raw)%size != 0 || len(raw)/size > maxSessions {
		return nil, fmt.Errorf("%d bytes are no set of sessions", len(raw))
	}
	set := make(sessions, len(raw)/size)
	for ; len(raw) > 0; raw = raw[size:] {
		var word [8]byte
		copy(word[8-size:], raw[:size])
		set[binary.BigEndian.Uint64(word[:])] = struct{}{}
	}
	return set, nil
}
