package policy

import (
	"context"
	"crypto/sha256"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path"
	"slices"
	"strings"
)

// folder is rules in a folder. What has changed there is given when two looks in a row have seen the same: files are copied
// one after the other, and half of them may compile, without the denials of the other half.
type folder struct {
	dir    string
	looked bool
	last   [sha256.Size]byte
}

func (f *folder) String() string { return f.dir }

func (f *folder) look(context.Context) (*finding, error) {
	files, err := readRules(os.DirFS(f.dir))
	if err != nil {
		return nil, err
	}
	sum := digestOf(files)
	// A start has to take what is there.
	moving := f.looked && sum != f.last
	f.looked, f.last = true, sum
	return &finding{sum: sum, moving: moving, open: func() (content, error) { return content{files: files}, nil }}, nil
}

func (f *folder) taken() {}

func (f *folder) again() {}

// keep has nothing to do: a folder is there at the next start, or the start fails.
func (f *folder) keep() error { return nil }

func (f *folder) pace() *pace { return &pace{each: folderPoll, fixed: true} }

// readRules are the rules of a folder, without their tests.
func readRules(bundle fs.FS) (map[string][]byte, error) {
	files, size := map[string][]byte{}, 0
	err := fs.WalkDir(bundle, ".", func(name string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() || !isRule(name) {
			return err
		}
		text, err := fs.ReadFile(bundle, name)
		if err != nil {
			return err
		}
		if size += len(text); size > maxRules {
			return fmt.Errorf("the bundle has more than %d bytes", maxRules)
		}
		files[name] = text
		return nil
	})
	return files, err
}

func isRule(name string) bool {
	return path.Ext(name) == ".rego" && !strings.HasSuffix(name, "_test.rego")
}

func sortedNames(files map[string][]byte) []string { return slices.Sorted(maps.Keys(files)) }

// digestOf names files and their contents.
func digestOf(files map[string][]byte) [sha256.Size]byte {
	sum := sha256.New()
	for _, name := range sortedNames(files) {
		write(sum, []byte(name))
		write(sum, files[name])
	}
	return [sha256.Size]byte(sum.Sum(nil))
}
