package gitremote

import (
	"bytes"
	"cmp"
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/skyisland/skyisland/internal/git/gitcmd"
)

// zeroID stands for a ref that does not exist.
const zeroID = "0000000000000000000000000000000000000000"

// ledgerFile is the ledger's name inside the repository.
const ledgerFile = "skyisland-ledger.json"

// ledger is what is known on disk about a repository's events: Refs as of the last event made, and the events made and
// not yet delivered. What git holds beyond Refs is the next event.
type ledger struct {
	Version int `json:"version"`
	// Born tells this repository from another one of the same name, deleted before.
	Born string `json:"born"`
	// Count is how many events were made.
	Count   int64             `json:"count"`
	Refs    map[string]string `json:"refs"`
	Pending []change          `json:"pending"`
}

// change is one ref that changed: an event not delivered yet.
type change struct {
	ID     string `json:"id"`
	Ref    string `json:"ref"`
	Before string `json:"before"`
	After  string `json:"after"`
	// Base is where the default branch was. A branch that is new has its own commits beyond it.
	Base string `json:"base,omitempty"`
	// Pusher is who a client said it was. Empty when it did not say, or a kill came between.
	Pusher string    `json:"pusher,omitempty"`
	At     time.Time `json:"at"`
}

func (c change) created() bool { return isZero(c.Before) }
func (c change) deleted() bool { return isZero(c.After) }

func isZero(id string) bool { return strings.Trim(id, "0") == "" }

func newLedger() *ledger {
	return &ledger{Version: 1, Born: rand.Text(), Refs: map[string]string{}}
}

// observe makes an event of each ref that is not as it was, branches first, and returns the new events.
func (l *ledger) observe(repository Name, refs map[string]string, defaultRef, pusher string, now time.Time) []change {
	base := l.Refs[defaultRef]
	var changes []change
	for ref, after := range refs {
		if l.Refs[ref] != after {
			changes = append(changes, change{Ref: ref, Before: cmp.Or(l.Refs[ref], zeroID), After: after})
		}
	}
	for ref, before := range l.Refs {
		if _, still := refs[ref]; !still {
			changes = append(changes, change{Ref: ref, Before: before, After: zeroID})
		}
	}
	// Sorted, so that after a kill the same differences get the same numbers. "heads" is before "tags".
	slices.SortFunc(changes, func(a, b change) int { return cmp.Compare(a.Ref, b.Ref) })
	for i := range changes {
		c := &changes[i]
		c.Pusher, c.At = pusher, now.UTC()
		if c.created() && c.Ref != defaultRef {
			c.Base = base
		}
		l.Count++
		c.ID = deliveryID(repository.String(), l.Born, c.Ref, c.Before, c.After, l.Count)
	}
	l.Refs = refs
	l.Pending = append(l.Pending, changes...)
	return changes
}

// settle takes an event off the list. It reports whether it was on it.
func (l *ledger) settle(id string) bool {
	before := len(l.Pending)
	l.Pending = slices.DeleteFunc(l.Pending, func(c change) bool { return c.ID == id })
	return len(l.Pending) < before
}

// deliveryID is a UUID (version 8: made by rules of our own) of what happened, and not of when it was seen.
func deliveryID(repository, born, ref, before, after string, count int64) string {
	hash := sha256.New()
	for _, part := range []string{"skyisland push", repository, born, ref, before, after} {
		hash.Write(binary.BigEndian.AppendUint32(nil, uint32(len(part)))) //nolint:gosec // names are short
		hash.Write([]byte(part))
	}
	hash.Write(binary.BigEndian.AppendUint64(nil, uint64(count))) //nolint:gosec // counts from 1
	sum := hash.Sum(nil)[:16]
	sum[6] = sum[6]&0x0f | 0x80
	sum[8] = sum[8]&0x3f | 0x80
	text := hex.EncodeToString(sum)
	return text[:8] + "-" + text[8:12] + "-" + text[12:16] + "-" + text[16:20] + "-" + text[20:]
}

// readLedger reads the ledger of the repository in dir. A repository without one, put there by hand, has told nobody
// of its refs yet.
func readLedger(dir string) (*ledger, error) {
	raw, err := os.ReadFile(filepath.Join(dir, ledgerFile))
	if errors.Is(err, os.ErrNotExist) {
		l := newLedger()
		return l, writeLedger(dir, l) // Born must be the same the next time
	}
	if err != nil {
		return nil, fmt.Errorf("read ledger: %w", err)
	}
	l := newLedger()
	decoder := json.NewDecoder(bytes.NewReader(raw))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(l); err != nil {
		return nil, fmt.Errorf("read ledger %s: %w; a copy of it from a backup, or none at all, would be right",
			filepath.Join(dir, ledgerFile), err)
	}
	if l.Version != 1 {
		return nil, fmt.Errorf("read ledger: version %d was written by a newer program; this one knows version 1", l.Version)
	}
	for ref, id := range l.Refs {
		if !gitcmd.ValidID(id) {
			return nil, fmt.Errorf("read ledger: %s has the ID %q", printable(ref, 80), printable(id, 80))
		}
	}
	return l, nil
}

// writeLedger replaces the ledger. When it returns without error, a power cut does not bring the old one back.
func writeLedger(dir string, l *ledger) error {
	raw, err := json.Marshal(l)
	if err != nil {
		return fmt.Errorf("write ledger: %w", err)
	}
	file, err := os.CreateTemp(dir, ledgerFile+".*")
	if err != nil {
		return fmt.Errorf("write ledger: %w", err)
	}
	_, err = file.Write(raw)
	if err == nil {
		err = file.Sync()
	}
	err = errors.Join(err, file.Close())
	if err == nil {
		err = os.Rename(file.Name(), filepath.Join(dir, ledgerFile))
	}
	if err != nil {
		return fmt.Errorf("write ledger: %w", errors.Join(err, os.Remove(file.Name())))
	}
	return syncDir(dir)
}

// syncDir makes a rename in dir last.
func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return fmt.Errorf("sync %s: %w", dir, err)
	}
	if err := errors.Join(d.Sync(), d.Close()); err != nil {
		return fmt.Errorf("sync %s: %w", dir, err)
	}
	return nil
}
