package gitremote

import (
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
	"time"

	"github.com/skyisland/skyisland/internal/git/gitcmd"
)

const (
	// maxFetchRequest bounds the body of a fetch: wants and haves, 50 bytes each.
	maxFetchRequest = 16 << 20
	// maxCommands bounds the refs of one push. Each becomes an event.
	maxCommands = 1000
	// maxRefName is the longest ref name in bytes.
	maxRefName = 512
	// uploadTime bounds how long a client may take to send its body.
	uploadTime = 15 * time.Minute
)

// errBodyTooLarge is a request body over its limit.
var errBodyTooLarge = errors.New("request body is too large")

// spool stores the body of a request in an unnamed file, at most limit bytes, uncompressed.
//
// A slow client then keeps no lock and no git waiting, and one that goes away halfway has touched nothing. Also, HTTP/1
// does not promise that a body can be read on once the answer has begun, which is what git would do.
func (r *Remote) spool(w http.ResponseWriter, req *http.Request, limit int64) (*os.File, error) {
	// Not every ResponseWriter has deadlines; the server's own then hold.
	control := http.NewResponseController(w)
	_ = control.SetReadDeadline(time.Now().Add(uploadTime))
	// Left in place it would cut off a long answer: the server reads on, to see whether the client is still there.
	defer func() { _ = control.SetReadDeadline(time.Time{}) }()
	var body io.Reader = http.MaxBytesReader(w, req.Body, limit)
	switch encoding := req.Header.Get("Content-Encoding"); encoding {
	case "", "identity":
	case "gzip", "x-gzip":
		unzipped, err := gzip.NewReader(body)
		if err != nil {
			return nil, fmt.Errorf("request body: %w", err)
		}
		body = unzipped
	default:
		return nil, fmt.Errorf("request body: encoding %q is not known; gzip is", printable(encoding, 40))
	}
	file, err := os.CreateTemp(r.opts.Dir, ".body-*")
	if err != nil {
		return nil, storageError{err}
	}
	// Nameless from the start: nothing to remove, whatever happens.
	if err := os.Remove(file.Name()); err != nil {
		_ = file.Close()
		return nil, storageError{err}
	}
	n, err := io.Copy(file, io.LimitReader(body, limit+1))
	var tooLarge *http.MaxBytesError
	if n > limit || errors.As(err, &tooLarge) {
		err = fmt.Errorf("%w: over %d bytes", errBodyTooLarge, limit)
	}
	if err == nil {
		_, err = file.Seek(0, io.SeekStart)
	}
	if err != nil {
		_ = file.Close()
		return nil, err
	}
	return file, nil
}

// storageError is a failure on our side of the connection.
type storageError struct{ error }

func (e storageError) Unwrap() error { return e.error }

// refuse answers a request that could not be taken in.
func refuse(w http.ResponseWriter, err error) {
	var storage storageError
	switch {
	case errors.Is(err, errBodyTooLarge):
		http.Error(w, err.Error(), http.StatusRequestEntityTooLarge)
	case errors.As(err, &storage):
		http.Error(w, "the request could not be stored", http.StatusInternalServerError)
	default:
		http.Error(w, printable(err.Error(), 300), http.StatusBadRequest)
	}
}

// checkPackets makes sure that file holds pkt-lines and nothing else, before git sees it.
func checkPackets(file *os.File) error {
	packets := newPacketReader(file)
	for {
		_, err := packets.next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return err
		}
	}
	return rewind(file)
}

func rewind(file *os.File) error {
	if _, err := file.Seek(0, io.SeekStart); err != nil {
		return storageError{err}
	}
	return nil
}

// command is one ref a push wants to change. All zeros as old or new stand for "not there".
type command struct {
	old, new, ref string
}

// readCommands reads the commands a push begins with, and what the client can do. No commands at all is valid: git
// probes in this way whether it may send.
func readCommands(src io.Reader) (commands []command, capabilities []string, err error) {
	packets := newPacketReader(src)
	for lines := 0; ; lines++ {
		p, err := packets.next()
		if errors.Is(err, io.EOF) {
			return nil, nil, fmt.Errorf("%w: the list of commands has no end", errBadPacket)
		}
		if err != nil {
			return nil, nil, err
		}
		if p.isFlush() {
			return commands, capabilities, nil
		}
		if p.isSpecial() {
			return nil, nil, fmt.Errorf("%w: unexpected delimiter among the commands", errBadPacket)
		}
		if lines >= 2*maxCommands || len(commands) >= maxCommands {
			return nil, nil, fmt.Errorf("a push can change at most %d refs; push fewer at once", maxCommands)
		}
		line, after, found := bytes.Cut(p.payload, []byte{0})
		if found {
			capabilities = append(capabilities, strings.Fields(string(after))...)
		}
		text := strings.TrimSuffix(string(line), "\n")
		if strings.HasPrefix(text, "shallow ") {
			continue
		}
		c, err := parseCommand(text)
		if err != nil {
			return nil, nil, err
		}
		commands = append(commands, c)
	}
}

func parseCommand(text string) (command, error) {
	fields := strings.SplitN(text, " ", 3)
	if len(fields) != 3 || !gitcmd.ValidID(fields[0]) || !gitcmd.ValidID(fields[1]) ||
		!strings.HasPrefix(fields[2], "refs/") || len(fields[2]) > maxRefName {
		return command{}, fmt.Errorf("%q is not a command of a push: old ID, new ID, ref", printable(text, 120))
	}
	return command{old: fields[0], new: fields[1], ref: fields[2]}, nil
}
