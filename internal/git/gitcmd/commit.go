package gitcmd

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// commitRead is how many bytes of a commit are looked at. Longer messages are cut.
const commitRead = 64 << 10

// subjectRunes is how long a subject can be before it is cut.
const subjectRunes = 200

var objectID = regexp.MustCompile(`^([0-9a-f]{40}|[0-9a-f]{64})$`)

// ValidID reports whether id is a full object ID: 40 or 64 lower-case hexadecimal digits.
func ValidID(id string) bool { return objectID.MatchString(id) }

// Person is who a commit says made it. Nothing proves it.
type Person struct {
	Name  string
	Email string
}

// Commit is what a commit says about itself.
type Commit struct {
	// ID is 40 or 64 hexadecimal digits.
	ID string
	// Author wrote the change, Committer put it into the history.
	Author, Committer Person
	// Subject is the first line of the message, at most 200 characters.
	Subject string
	// Message is the whole message, at most about 64 KiB.
	Message string
	// At is when it was committed, in the zone of the committer.
	At time.Time
}

// Commits reads the named commits, in that order. A tag stands for its commit. It fails with [ErrObjectMissing],
// also for an object that leads to no commit.
func (g *Git) Commits(ctx context.Context, dir string, ids ...string) (commits []Commit, err error) {
	objects, err := g.Objects(ctx, dir)
	if err != nil {
		return nil, err
	}
	defer func() {
		if closeErr := objects.Close(); err == nil && closeErr != nil {
			commits, err = nil, closeErr
		}
	}()
	for _, id := range ids {
		if !ValidID(id) {
			return nil, fmt.Errorf("%q is not a commit ID (40 or 64 hexadecimal digits)", id)
		}
		object, err := objects.Open(id + "^{commit}")
		if err != nil {
			return nil, err
		}
		raw, err := io.ReadAll(io.LimitReader(object.Content, commitRead))
		if err != nil {
			return nil, objects.broken(err)
		}
		commits = append(commits, parseCommit(object.ID, raw))
	}
	return commits, nil
}

// History lists the commits reachable from to and from none of exclude, newest first, at most limit.
func (g *Git) History(ctx context.Context, dir, to string, exclude []string, limit int) ([]Commit, error) {
	args := []string{"rev-list", "--max-count=" + strconv.Itoa(limit), to}
	for _, id := range exclude {
		args = append(args, "^"+id)
	}
	for _, id := range append([]string{to}, exclude...) {
		if !ValidID(id) {
			return nil, fmt.Errorf("%q is not a commit ID (40 or 64 hexadecimal digits)", id)
		}
	}
	out, err := g.Output(ctx, Command{Dir: dir, Args: append(args, "--")}, int64(limit)*65)
	if err != nil {
		return nil, err
	}
	ids := strings.Fields(string(out))
	if len(ids) == 0 {
		return nil, nil
	}
	return g.Commits(ctx, dir, ids...)
}

// IsAncestor reports whether the commit ancestor is descendant or one of its ancestors.
func (g *Git) IsAncestor(ctx context.Context, dir, ancestor, descendant string) (bool, error) {
	err := g.Run(ctx, Command{Dir: dir, Args: []string{"merge-base", "--is-ancestor", "--", ancestor, descendant}})
	var exit *ExitError
	if errors.As(err, &exit) && exit.Code == 1 {
		return false, nil
	}
	return err == nil, err
}

// parseCommit reads the stored form: header lines, an empty line, the message. A malformed part is left empty, since
// a history may hold commits of any age and maker.
func parseCommit(id string, raw []byte) Commit {
	header, message, _ := bytes.Cut(raw, []byte("\n\n"))
	commit := Commit{ID: id}
	decode := toUTF8
	var author, committer []byte
	for line := range bytes.SplitSeq(header, []byte("\n")) {
		key, value, _ := bytes.Cut(line, []byte(" "))
		switch string(key) {
		case "author":
			author = value
		case "committer":
			committer = value
		case "encoding":
			if isLatin1(string(value)) {
				decode = latin1
			}
		}
	}
	commit.Author, _ = parsePerson(decode(author))
	commit.Committer, commit.At = parsePerson(decode(committer))
	commit.Message = decode(message)
	commit.Subject = subject(commit.Message)
	return commit
}

// parsePerson reads "Name <email> seconds zone".
func parsePerson(text string) (Person, time.Time) {
	open, end := strings.LastIndex(text, "<"), strings.LastIndex(text, ">")
	if open < 0 || end < open {
		return Person{Name: strings.TrimSpace(text)}, time.Time{}
	}
	person := Person{Name: strings.TrimSpace(text[:open]), Email: strings.TrimSpace(text[open+1 : end])}
	fields := strings.Fields(text[end+1:])
	if len(fields) != 2 {
		return person, time.Time{}
	}
	seconds, err := strconv.ParseInt(fields[0], 10, 64)
	if err != nil {
		return person, time.Time{}
	}
	at := time.Unix(seconds, 0).UTC()
	if zone, err := time.Parse("-0700", fields[1]); err == nil {
		_, offset := zone.Zone()
		at = at.In(time.FixedZone("", offset))
	}
	return person, at
}

func subject(message string) string {
	line, _, _ := strings.Cut(strings.TrimLeft(message, "\n"), "\n")
	line = strings.TrimSpace(line)
	if runes := []rune(line); len(runes) > subjectRunes {
		return string(runes[:subjectRunes-1]) + "…"
	}
	return line
}

func isLatin1(name string) bool {
	name = strings.ToLower(name)
	return name == "iso-8859-1" || name == "latin1" || name == "latin-1"
}

func toUTF8(raw []byte) string { return strings.ToValidUTF8(string(raw), "\uFFFD") }

func latin1(raw []byte) string {
	runes := make([]rune, len(raw))
	for i, b := range raw {
		runes[i] = rune(b)
	}
	return string(runes)
}
