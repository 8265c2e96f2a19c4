package cases

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"
	"slices"

	"github.com/skyisland/skyisland/internal/release"
	"github.com/skyisland/skyisland/internal/yamldoc"
)

// maxFiles bounds how many files the patterns of one component may match.
const maxFiles = 200

// Load reads all case files that the patterns match in a component's folder, in the order of their
// names, each once. A pattern that matches nothing is an error: the cases it was meant for would
// silently not be run. The folder is the user's, so it should not follow links out of itself
// ([os.Root.FS] does not). What is wrong with the files is returned as [release.Problems] of all of them.
func Load(folder fs.FS, patterns []string) ([]Case, error) {
	files, err := match(folder, patterns)
	if err != nil {
		return nil, err
	}
	var all []Case
	var problems release.Problems
	for _, name := range files {
		data, err := readBounded(folder, name)
		if err != nil {
			return nil, fmt.Errorf("read case file %s: %w", name, err)
		}
		found, err := Read(name, data)
		var wrong release.Problems
		if errors.As(err, &wrong) {
			problems = append(problems, wrong...)
		} else if err != nil {
			return nil, fmt.Errorf("read case file %s: %w", name, err)
		}
		all = append(all, found...)
	}
	if len(problems) > 0 {
		return all, problems
	}
	return all, nil
}

func match(folder fs.FS, patterns []string) ([]string, error) {
	var files []string
	for _, pattern := range patterns {
		found, err := fs.Glob(folder, path.Clean(pattern))
		if err != nil {
			return nil, fmt.Errorf("match case files %s: %w", pattern, err)
		}
		if len(found) == 0 {
			return nil, release.Problems{{
				File: pattern, Message: "no case file matches", Fix: "add one, or correct cases in the manifest",
			}}
		}
		files = append(files, found...)
	}
	slices.Sort(files)
	files = slices.Compact(files)
	if len(files) > maxFiles {
		return nil, fmt.Errorf("match case files: %d files, the most is %d", len(files), maxFiles)
	}
	return files, nil
}

// readBounded reads a file, one byte over the largest at most, so that what it means is judged by
// who parses it.
func readBounded(folder fs.FS, name string) ([]byte, error) {
	f, err := folder.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close() //nolint:errcheck // It was only read.
	return io.ReadAll(io.LimitReader(f, yamldoc.MaxSize+1))
}
