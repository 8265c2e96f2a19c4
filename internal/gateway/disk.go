package gateway

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"github.com/skyisland/skyisland/internal/release"
)

// ErrNotSaved is returned for a change that was refused because it could not be written.
var ErrNotSaved = errors.New("gateway state cannot be written")

const (
	stateFile   = "routes.json"
	stateFormat = "skyisland/gateway-routes/v1"
	maxState    = 64 << 20
	// saveWait bounds how long a change waits for the disk.
	saveWait = 2 * time.Second
)

// disk holds the copy of the routes that the gateway starts from.
type disk struct {
	path string
	// mu orders writes; what is written is composed while it is held, so the last write is the newest.
	mu sync.Mutex
	// unsaved says that the copy is not what is in force.
	unsaved atomic.Bool
}

// record is a route on disk. Times are the wall clock's, because the monotonic one ends with the process.
type record struct {
	Route release.Route `json:"route"`
	grantRecord
}

// grantRecord is what the disk knows of a route beyond its document.
type grantRecord struct {
	Granted  time.Time     `json:"granted,omitzero"`
	Until    time.Time     `json:"until,omitzero"`
	Lapsed   bool          `json:"lapsed,omitempty"`
	ErrorAge time.Duration `json:"error_age_ns,omitempty"`
	// GuardRuns is how often the guard's evidence was lost, Tripped what it found against the canary.
	GuardRuns int               `json:"guard_runs,omitempty"`
	Tripped   *release.Evidence `json:"tripped,omitempty"`
}

type stateDocument struct {
	Format string   `json:"format"`
	Routes []record `json:"routes"`
}

func newDisk(dir string) (*disk, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, err
	}
	return &disk{path: filepath.Join(dir, stateFile)}, nil
}

// read returns the file's content; nil when there is none.
func (d *disk) read() ([]byte, error) {
	file, err := os.Open(d.path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	defer file.Close()
	content, err := io.ReadAll(io.LimitReader(file, maxState+1))
	if err != nil {
		return nil, err
	}
	if len(content) > maxState {
		return nil, fmt.Errorf("%s is larger than %d bytes", d.path, maxState)
	}
	return content, nil
}

func decodeState(content []byte) ([]record, error) {
	var doc stateDocument
	if err := decodeStrict(content, &doc); err != nil {
		return nil, fmt.Errorf("read %s: %w", stateFile, err)
	}
	if doc.Format != stateFormat {
		return nil, fmt.Errorf("read %s: format %.100q, want %q", stateFile, doc.Format, stateFormat)
	}
	return doc.Routes, nil
}

// decodeStrict reads one JSON value and refuses unknown fields and whatever comes after it.
func decodeStrict(content []byte, into any) error {
	dec := json.NewDecoder(bytes.NewReader(content))
	dec.DisallowUnknownFields()
	if err := dec.Decode(into); err != nil {
		return err
	}
	if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		return errors.New("more than one JSON value")
	}
	return nil
}

// setAside keeps a file that cannot be read where a person finds it, and returns its new name.
func (d *disk) setAside(now time.Time) (string, error) {
	aside := d.path + ".unreadable-" + now.UTC().Format("20060102T150405.000000000")
	return aside, os.Rename(d.path, aside)
}

// write replaces the file. Salts are in it, so nobody else may read it.
func (d *disk) write(content []byte) error {
	temporary := d.path + ".new"
	file, err := os.OpenFile(temporary, os.O_CREATE|os.O_WRONLY|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	_, err = file.Write(content)
	if err = errors.Join(err, file.Sync(), file.Close()); err != nil {
		return errors.Join(err, os.Remove(temporary))
	}
	if err := os.Rename(temporary, d.path); err != nil {
		return err
	}
	// The new name is only certain once the directory is on disk too.
	dir, err := os.Open(filepath.Dir(d.path))
	if err != nil {
		return err
	}
	return errors.Join(dir.Sync(), dir.Close())
}
