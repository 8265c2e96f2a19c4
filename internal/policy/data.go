package policy

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"sync"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/lexer"
	"github.com/goccy/go-yaml/token"
)

// maxData bounds a data file: some ten thousand freeze windows.
const maxData = 1 << 20

// source is where the data of a decision comes from.
type source interface {
	view(ctx context.Context) view
}

// fixed is data that does not change.
type fixed struct{ only view }

func (f fixed) view(context.Context) view { return f.only }

// file is data that is read anew for each decision. Comparing the content, and not only its time and
// size, costs some microseconds and misses no change.
type file struct {
	path  string
	rules *rules
	log   *slog.Logger

	mu      sync.Mutex
	read    bool
	sum     [sha256.Size]byte
	current view
	// seen is whether the file has been there.
	seen bool
}

func (f *file) view(ctx context.Context) view {
	f.mu.Lock()
	defer f.mu.Unlock()
	content, err := slurp(f.path)
	if errors.Is(err, fs.ErrNotExist) && !f.seen {
		content, err = nil, nil
	} else if err == nil {
		f.seen = true
	}
	// The error is hashed in the place of the content it stands for, so that it is told once.
	fingerprint := content
	if err != nil {
		fingerprint = []byte("unreadable: " + err.Error())
	}
	sum := sha256.Sum256(fingerprint)
	if f.read && sum == f.sum {
		return f.current
	}
	next, err := f.understand(content, err)
	if err != nil {
		next = view{
			broken:   fmt.Sprintf("policy data %s cannot be used, so nothing is allowed: %v", f.path, err),
			revision: f.rules.revision("broken", fingerprint),
		}
		f.log.WarnContext(ctx, "policy data denies everything", "file", f.path, "error", err)
	} else {
		f.log.InfoContext(ctx, "policy data in force", "file", f.path, "bundle", next.revision)
	}
	f.read, f.sum, f.current = true, sum, next
	return next
}

func (f *file) understand(content []byte, err error) (view, error) {
	if errors.Is(err, fs.ErrNotExist) {
		return view{}, errors.New("it was there and is gone; put it back, or an empty one in its place")
	}
	if err != nil {
		return view{}, err
	}
	data, err := parse(content)
	if err != nil {
		return view{}, err
	}
	// Not the caller's context: the view outlives the decision that happened to find it.
	return f.rules.with(context.Background(), data)
}

func slurp(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	content, err := io.ReadAll(io.LimitReader(f, maxData+1))
	if err != nil {
		return nil, err
	}
	if len(content) > maxData {
		return nil, fmt.Errorf("it has more than %d bytes", maxData)
	}
	return content, nil
}

// parse reads YAML, and so JSON too. Names given twice, aliases and further documents are errors:
// whatever is read last would silently win.
func parse(content []byte) (map[string]any, error) {
	for _, t := range lexer.Tokenize(string(content)) {
		if t.Type == token.AliasType {
			// A few lines of aliases can stand for gigabytes.
			return nil, fmt.Errorf("line %d: aliases are not allowed here; write the value out", t.Position.Line)
		}
	}
	var parsed map[string]any
	decoder := yaml.NewDecoder(bytes.NewReader(content))
	if err := decoder.Decode(&parsed); err != nil && !errors.Is(err, io.EOF) {
		return nil, err
	}
	if err := decoder.Decode(new(any)); !errors.Is(err, io.EOF) {
		return nil, errors.New("more than one YAML document; write one")
	}
	// The rules know JSON's types only.
	encoded, err := json.Marshal(parsed)
	if err != nil {
		return nil, err
	}
	out := json.NewDecoder(bytes.NewReader(encoded))
	out.UseNumber()
	var data map[string]any
	if err := out.Decode(&data); err != nil {
		return nil, err
	}
	return data, nil
}
