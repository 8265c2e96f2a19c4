package gitremote

import (
	"bufio"
	"errors"
	"fmt"
	"io"
)

// maxPacket is the longest pkt-line with its length (git: Documentation/gitprotocol-common.txt).
const maxPacket = 65520

// packetHead is the length of a pkt-line's length.
const packetHead = 4

// errBadPacket is a stream that is no sequence of pkt-lines.
var errBadPacket = errors.New("not a git pkt-line")

// packet is one pkt-line. The special ones (flush, delimiter, response end) have no payload and a length under 4.
type packet struct {
	length  int    // as written, with its four digits
	payload []byte // valid until the next read
}

func (p packet) isFlush() bool   { return p.length == 0 }
func (p packet) isSpecial() bool { return p.length < packetHead }

// packetReader reads pkt-lines.
type packetReader struct {
	src *bufio.Reader
	buf [maxPacket]byte
}

func newPacketReader(src io.Reader) *packetReader {
	return &packetReader{src: bufio.NewReader(src)}
}

// next returns io.EOF at the end of the stream, and errBadPacket for what is no pkt-line or is cut off.
func (r *packetReader) next() (packet, error) {
	n, err := io.ReadFull(r.src, r.buf[:packetHead])
	if errors.Is(err, io.EOF) && n == 0 {
		return packet{}, io.EOF
	}
	if err != nil {
		return packet{}, cutOff(err)
	}
	length := 0
	for _, c := range r.buf[:packetHead] {
		digit, ok := hexDigit(c)
		if !ok {
			return packet{}, fmt.Errorf("%w: length %q is not four hexadecimal digits", errBadPacket, r.buf[:packetHead])
		}
		length = length<<4 | digit
	}
	switch {
	case length < 3:
		return packet{length: length}, nil
	case length == 3 || length > maxPacket:
		return packet{}, fmt.Errorf("%w: length %d is not possible", errBadPacket, length)
	}
	payload := r.buf[packetHead:length]
	if _, err := io.ReadFull(r.src, payload); err != nil {
		return packet{}, cutOff(err)
	}
	return packet{length: length, payload: payload}, nil
}

func cutOff(err error) error {
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return fmt.Errorf("%w: it is cut off", errBadPacket)
	}
	return err
}

func hexDigit(c byte) (int, bool) {
	switch {
	case c >= '0' && c <= '9':
		return int(c - '0'), true
	case c >= 'a' && c <= 'f':
		return int(c-'a') + 10, true
	case c >= 'A' && c <= 'F':
		return int(c-'A') + 10, true
	}
	return 0, false
}

// appendPacket appends a pkt-line. The payload must have at most maxPacket-4 bytes.
func appendPacket(dst []byte, payload string) []byte {
	return fmt.Appendf(dst, "%04x%s", len(payload)+packetHead, payload)
}

// appendFlush appends the pkt-line that ends a section.
func appendFlush(dst []byte) []byte { return append(dst, "0000"...) }
