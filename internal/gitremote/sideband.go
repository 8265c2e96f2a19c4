package gitremote

import (
	"errors"
	"io"
	"net/http"
	"strings"
	"time"
)

// The bands of a multiplexed answer (git: Documentation/gitprotocol-pack.txt).
const (
	bandData     = 1
	bandProgress = 2
	bandError    = 3
)

// bandText is how much text one packet carries. Clients with the older side-band take packets of 1000 bytes at most.
const bandText = 1000 - packetHead - 1

// writeTime is how long a client may take to accept a piece of an answer.
const writeTime = 30 * time.Second

// answerWriter writes an answer piece by piece, so that progress is seen as it happens.
type answerWriter struct {
	w           http.ResponseWriter
	control     *http.ResponseController
	contentType string
	started     bool
}

func newAnswerWriter(w http.ResponseWriter, contentType string) *answerWriter {
	return &answerWriter{w: w, control: http.NewResponseController(w), contentType: contentType}
}

func (a *answerWriter) Write(p []byte) (int, error) {
	if !a.started {
		a.w.Header().Set("Content-Type", a.contentType)
		a.started = true
	}
	// Not every ResponseWriter has deadlines; the server's own then hold.
	_ = a.control.SetWriteDeadline(time.Now().Add(writeTime))
	n, err := a.w.Write(p)
	if err != nil {
		return n, err
	}
	if err := a.control.Flush(); err != nil && !errors.Is(err, http.ErrNotSupported) {
		return n, err
	}
	return n, nil
}

// relay copies what receive-pack answers. When the answer is multiplexed it keeps back the flush that ends it, and
// reports so: the caller can then add progress, and must write that flush.
func relay(dst io.Writer, src io.Reader) (open bool, err error) {
	packets := newPacketReader(src)
	for multiplexed := false; ; {
		p, err := packets.next()
		if errors.Is(err, io.EOF) {
			return false, nil
		}
		if err != nil {
			return false, err
		}
		if p.isSpecial() {
			if multiplexed && p.isFlush() {
				return true, nil
			}
			if _, err := dst.Write(packets.buf[:packetHead]); err != nil {
				return false, err
			}
			continue
		}
		// A plain report begins with "unpack".
		if !multiplexed && (len(p.payload) == 0 || p.payload[0] > bandError) {
			if _, err := dst.Write(packets.buf[:p.length]); err != nil {
				return false, err
			}
			_, err := io.Copy(dst, packets.src)
			return false, err
		}
		multiplexed = true
		if _, err := dst.Write(packets.buf[:p.length]); err != nil {
			return false, err
		}
	}
}

// appendBand appends text on a band, in as many packets as it needs.
func appendBand(dst []byte, band byte, text string) []byte {
	for len(text) > 0 {
		n := min(len(text), bandText)
		dst = appendPacket(dst, string(rune(band))+text[:n])
		text = text[n:]
	}
	return dst
}

const (
	// messageLines and messageWidth bound what one event may print on a pusher's terminal.
	messageLines = 20
	messageWidth = 500
)

// speaker is how the lines on a pusher's terminal begin.
const speaker = "Sky Island: "

// terminal makes a message from outside into lines for a pusher's terminal.
func terminal(message string) string {
	var out strings.Builder
	lines := 0
	for line := range strings.Lines(message) {
		line = printable(line, messageWidth)
		if line == "" {
			continue
		}
		if lines++; lines > messageLines {
			break
		}
		if !strings.HasPrefix(line, speaker) {
			line = speaker + line
		}
		out.WriteString(line + "\n")
	}
	return out.String()
}
