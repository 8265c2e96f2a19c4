package gitremote

import (
	"bytes"
	"errors"
	"io"
	"strings"
	"testing"
)

func TestPacketReader(t *testing.T) {
	for name, c := range map[string]struct {
		in   string
		want []string // payloads; "0", "1", "2" for the special ones
		err  error
	}{
		"lines and a flush":          {"0006a\n0005b0000", []string{"a\n", "b", "0"}, io.EOF},
		"delimiter, response end":    {"00010002", []string{"1", "2"}, io.EOF},
		"an empty line":              {"0004", []string{""}, io.EOF},
		"upper case":                 {"000Bhello!!", []string{"hello!!"}, io.EOF},
		"the longest":                {"fff0" + strings.Repeat("x", maxPacket-4), []string{strings.Repeat("x", maxPacket-4)}, io.EOF},
		"one longer":                 {"fff1" + strings.Repeat("x", maxPacket), nil, errBadPacket},
		"length three":               {"0003", nil, errBadPacket},
		"no length":                  {"00g0", nil, errBadPacket},
		"cut off in the length":      {"00", nil, errBadPacket},
		"cut off in the payload":     {"0006a", nil, errBadPacket},
		"cut off before the payload": {"0006", nil, errBadPacket},
		"nothing":                    {"", nil, io.EOF},
	} {
		t.Run(name, func(t *testing.T) {
			packets := newPacketReader(strings.NewReader(c.in))
			for _, want := range c.want {
				p, err := packets.next()
				if err != nil {
					t.Fatal(err)
				}
				got := string(p.payload)
				if p.isSpecial() {
					got = string(rune('0' + p.length))
				}
				if got != want {
					t.Errorf("packet %q, want %q", got, want)
				}
			}
			if _, err := packets.next(); !errors.Is(err, c.err) {
				t.Errorf("at the end: %v, want %v", err, c.err)
			}
		})
	}
}

func FuzzReadCommands(f *testing.F) {
	id := strings.Repeat("a", 40)
	f.Add(appendFlush(appendPacket(nil, id+" "+id+" refs/heads/main\x00report-status side-band-64k\n")))
	f.Add([]byte("0000"))
	f.Add([]byte("0003"))
	f.Add(appendFlush(appendPacket(nil, "shallow "+id)))
	f.Fuzz(func(t *testing.T, in []byte) {
		commands, _, err := readCommands(bytes.NewReader(in))
		if err != nil && commands != nil {
			t.Errorf("commands beside the error %v", err)
		}
		if len(commands) > maxCommands {
			t.Errorf("%d commands", len(commands))
		}
		for _, c := range commands {
			if !strings.HasPrefix(c.ref, "refs/") || len(c.ref) > maxRefName || len(c.old) < 40 || len(c.new) < 40 {
				t.Errorf("command %+v", c)
			}
		}
	})
}

func FuzzPackets(f *testing.F) {
	f.Add([]byte("0006a\n0005b0000"))
	f.Add([]byte("00010002"))
	f.Add([]byte("fff0"))
	f.Fuzz(func(t *testing.T, in []byte) {
		// Whatever was read is written again as the same bytes.
		packets := newPacketReader(bytes.NewReader(in))
		var out []byte
		for {
			p, err := packets.next()
			if err != nil {
				if errors.Is(err, io.EOF) && !bytes.EqualFold(out, in) {
					t.Errorf("%q became %q", in, out)
				}
				return
			}
			if p.isSpecial() {
				out = append(out, "000"...)
				out = append(out, byte('0'+p.length))
				continue
			}
			out = appendPacket(out, string(p.payload))
		}
	})
}

func FuzzRelay(f *testing.F) {
	f.Add(appendFlush(appendBand(nil, bandData, "unpack ok")))
	f.Add(appendFlush(appendPacket(nil, "unpack ok\n")))
	f.Add([]byte("0005\x0200050000"))
	f.Fuzz(func(t *testing.T, in []byte) {
		var out bytes.Buffer
		open, err := relay(&out, bytes.NewReader(in))
		if !bytes.HasPrefix(in, out.Bytes()) {
			t.Errorf("%q became %q", in, out.Bytes())
		}
		if err == nil && !open && out.Len() != len(in) {
			t.Errorf("%q lost its end: %q", in, out.Bytes())
		}
		if open && !bytes.HasPrefix(in[out.Len():], []byte("0000")) {
			t.Errorf("%q is not open after %q", in, out.Bytes())
		}
	})
}
