package authn

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strings"
)

// Bounds of a credential's file.
const (
	maxFile   = 1 << 20
	maxLines  = 10_000
	maxFaults = 10
)

// fileKind is what a credential holds, which depends on what it is named for.
type fileKind uint8

const (
	apiKeyFile fileKind = iota
	secretFile
	keySetFile
)

var kinds = map[fileKind]struct {
	name string
	read func([]byte) (*content, error)
	// private says that the file is worth hiding.
	private bool
}{
	apiKeyFile: {"API keys", readAPIKeys, true},
	secretFile: {"secrets", readSecrets, true},
	keySetFile: {"JWK set", readKeySetFile, false},
}

// content is a file's, as one of its kinds. It never changes.
type content struct {
	entries int
	apiKeys apiKeys
	secrets secrets
	keySet  *keySet
}

// fault is what is wrong in a file. It says nothing of what the file holds.
type fault struct {
	line int // 0 is the whole file
	text string
}

func (f *fault) Error() string {
	if f.line == 0 {
		return f.text
	}
	return fmt.Sprintf("line %d: %s", f.line, f.text)
}

// eachLine gives the fields of each line that is neither empty nor a comment. What take says is wrong with it.
func eachLine(text []byte, take func(fields []string) (wrong string)) error {
	var faults []error
	line, taken := 0, 0
	for one := range strings.Lines(string(text)) {
		if line++; line > maxLines {
			return &fault{text: fmt.Sprintf("more than %d lines", maxLines)}
		}
		if one = strings.TrimSpace(one); one == "" || one[0] == '#' {
			continue
		}
		taken++
		if wrong := take(strings.Fields(one)); wrong != "" && len(faults) < maxFaults {
			faults = append(faults, &fault{line, wrong})
		}
	}
	if taken == 0 {
		return &fault{text: "nothing is in it; want a line for each key, and no file at all to let nobody in"}
	}
	return errors.Join(faults...)
}

// errChanging is a file that was written to while it was read. The next look finds it again.
var errChanging = errors.New("it is being written")

// readFile reads a file that looked like info.
func readFile(path string, info fs.FileInfo) ([]byte, error) {
	if info.Size() > maxFile {
		return nil, tooLarge()
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, bare(err)
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, maxFile+1))
	if err != nil {
		return nil, bare(err)
	}
	if len(text) > maxFile {
		return nil, tooLarge()
	}
	after, err := f.Stat()
	if err != nil {
		return nil, bare(err)
	}
	if !same(info, after) {
		return nil, errChanging
	}
	return text, nil
}

func tooLarge() error { return &fault{text: fmt.Sprintf("more than %d bytes", maxFile)} }

// bare is an error without its path, which whoever reports it knows.
func bare(err error) error {
	var path *fs.PathError
	if errors.As(err, &path) {
		return path.Err
	}
	return err
}

// same says whether two looks saw one file that nobody has written to in between.
func same(a, b fs.FileInfo) bool {
	return a != nil && b != nil && os.SameFile(a, b) && a.ModTime().Equal(b.ModTime()) && a.Size() == b.Size() && a.Mode() == b.Mode()
}
