package git

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"strconv"
	"strings"

	"github.com/skyisland/skyisland/internal/git/gitcmd"
)

// mode is the kind of a tree entry, as git writes it.
type mode string

const (
	modeFile       mode = "100644"
	modeExecutable mode = "100755"
	modeLink       mode = "120000"
	modeSubmodule  mode = "160000"
	modeDirectory  mode = "040000"
)

func (m mode) String() string {
	switch m {
	case modeFile:
		return "file"
	case modeExecutable:
		return "executable file"
	case modeLink:
		return "symbolic link"
	case modeSubmodule:
		return "submodule"
	case modeDirectory:
		return "directory"
	}
	return "entry of mode " + string(m)
}

// file is one entry of a tree.
type file struct {
	mode mode
	id   string
	size int64 // bytes; 0 for what is not a blob
	path string
}

// parseEntry reads a record of `git ls-tree -z -l`: mode, type, ID and size, then a tab and the path as stored.
func parseEntry(record string) (file, error) {
	head, name, ok := strings.Cut(record, "\t")
	fields := strings.Fields(head)
	if !ok || len(fields) != 4 {
		return file{}, fmt.Errorf("git ls-tree: unexpected record %q", clip(record))
	}
	entry := file{mode: mode(fields[0]), id: fields[2], path: name}
	if entry.mode == "100664" { // written by gits before 2005
		entry.mode = modeFile
	}
	if fields[3] != "-" {
		size, err := strconv.ParseInt(fields[3], 10, 64)
		if err != nil || size < 0 {
			return file{}, fmt.Errorf("git ls-tree: unexpected size in %q", clip(record))
		}
		entry.size = size
	}
	return entry, nil
}

// list returns every file and link of a commit. It refuses a tree over the limits, and one that names what must not be
// written: submodules, paths that leave the tree, and .git.
func (s *Source) list(ctx context.Context, mirror, commit string) ([]file, error) {
	const perEntry = 1 << 10 // generous: a record is about 60 bytes and its path
	out, err := s.git.Output(ctx, gitcmd.Command{
		Dir: mirror, Args: []string{"ls-tree", "-r", "-z", "-l", "--full-tree", commit},
	}, int64(s.opts.ExportFiles+1)*perEntry)
	if errors.Is(err, gitcmd.ErrOutputTooLarge) {
		return nil, fmt.Errorf("the list of its files is %w", ErrTooLarge)
	}
	if err != nil {
		return nil, err
	}
	var files []file
	var total int64
	for record := range strings.SplitSeq(strings.TrimSuffix(string(out), "\x00"), "\x00") {
		if record == "" { // an empty tree
			continue
		}
		entry, err := parseEntry(record)
		if err != nil {
			return nil, err
		}
		if err := entry.check(); err != nil {
			return nil, err
		}
		files = append(files, entry)
		total += entry.size
		if len(files) > s.opts.ExportFiles {
			return nil, fmt.Errorf("the commit is %w: over %d files", ErrTooLarge, s.opts.ExportFiles)
		}
		if total > s.opts.ExportBytes {
			return nil, fmt.Errorf("the commit is %w: its files have over %d bytes", ErrTooLarge, s.opts.ExportBytes)
		}
	}
	return files, nil
}

func (f file) check() error {
	switch f.mode {
	case modeFile, modeExecutable, modeLink:
	case modeSubmodule:
		return fmt.Errorf("%w: %q is a submodule; put its files into the repository instead", ErrUnsupported, clip(f.path))
	default:
		return fmt.Errorf("%w: %q is an %s", ErrUnsupported, clip(f.path), f.mode)
	}
	if !fs.ValidPath(f.path) && !validRaw(f.path) {
		return fmt.Errorf("%w: path %q leads out of the tree", ErrUnsupported, clip(f.path))
	}
	for part := range strings.SplitSeq(f.path, "/") {
		if strings.EqualFold(part, ".git") {
			return fmt.Errorf("%w: path %q has a part named .git", ErrUnsupported, clip(f.path))
		}
	}
	return nil
}

// validRaw is fs.ValidPath for names that are not UTF-8, which git and Linux allow.
func validRaw(name string) bool {
	return fs.ValidPath(strings.ToValidUTF8(name, "?"))
}

// followed is how many links one path may go through before it counts as a loop, as in Linux.
const followed = 40

// checkLinks refuses a link that leads out of the tree, also by way of other links. targets maps each link's path to
// what it points at.
func checkLinks(targets map[string]string) error {
	for name := range targets {
		if escapes(targets, name) {
			return fmt.Errorf("%w: symbolic link %q points outside the repository, to %q",
				ErrUnsupported, clip(name), clip(targets[name]))
		}
	}
	return nil
}

// escapes follows the link at name as the kernel would, with the root of the tree as the only place to be.
// Loops do not escape: the kernel refuses to follow them.
func escapes(targets map[string]string, name string) bool {
	at := path.Dir(name)
	todo := strings.Split(targets[name], "/")
	if strings.HasPrefix(targets[name], "/") {
		return true
	}
	for hops := 0; len(todo) > 0; {
		part := todo[0]
		todo = todo[1:]
		switch part {
		case "", ".":
			continue
		case "..":
			if at == "." {
				return true
			}
			at = path.Dir(at)
			continue
		}
		next := path.Join(at, part)
		target, isLink := targets[next]
		if !isLink {
			at = next
			continue
		}
		if strings.HasPrefix(target, "/") {
			return true
		}
		if hops++; hops > followed {
			return false
		}
		todo = append(strings.Split(target, "/"), todo...)
	}
	return false
}
