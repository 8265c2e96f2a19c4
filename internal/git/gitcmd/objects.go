package gitcmd

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"strconv"
	"strings"
)

// ErrObjectMissing means that a repository does not have an object.
var ErrObjectMissing = errors.New("object is not in the repository")

// Objects reads many objects of one repository through one git process. It is not safe for concurrent use.
type Objects struct {
	ctx     context.Context // of the process, to tell a cancelled read from a broken one
	cmd     *exec.Cmd
	command Command
	stderr  *tail
	stdin   io.WriteCloser
	stdout  *bufio.Reader
	current *io.LimitedReader // the rest of the object opened last
}

// Object is one object as stored. Content is valid until the next Open, and need not be read to its end.
type Object struct {
	ID      string
	Type    string // blob, tree, commit or tag
	Size    int64  // bytes
	Content io.Reader
}

// Objects starts a reader of the repository in dir. Close it.
func (g *Git) Objects(ctx context.Context, dir string) (*Objects, error) {
	c := Command{Dir: dir, Args: []string{"cat-file", "--batch"}}
	cmd, stderr := g.prepare(ctx, c)
	stdin, err := cmd.StdinPipe()
	if err != nil {
		return nil, fmt.Errorf("git cat-file: %w", err)
	}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		return nil, fmt.Errorf("git cat-file: %w", err)
	}
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("start git cat-file: %w", err)
	}
	return &Objects{
		ctx: ctx, cmd: cmd, command: c, stderr: stderr,
		stdin: stdin, stdout: bufio.NewReaderSize(stdout, 64<<10),
	}, nil
}

// Open finds an object by a name git understands, such as an ID or "<id>^{commit}". The name must be one line.
// It fails with [ErrObjectMissing].
func (o *Objects) Open(name string) (Object, error) {
	if name == "" || strings.ContainsAny(name, "\n\x00") {
		return Object{}, fmt.Errorf("object name %q is not one line", name)
	}
	if err := o.skipRest(); err != nil {
		return Object{}, o.broken(err)
	}
	if _, err := io.WriteString(o.stdin, name+"\n"); err != nil {
		return Object{}, o.broken(err)
	}
	line, err := o.stdout.ReadString('\n')
	if err != nil {
		return Object{}, o.broken(err)
	}
	line = strings.TrimSuffix(line, "\n")
	if strings.HasSuffix(line, " missing") || strings.HasSuffix(line, " ambiguous") {
		return Object{}, fmt.Errorf("%s: %w", name, ErrObjectMissing)
	}
	fields := strings.Fields(line)
	if len(fields) != 3 {
		return Object{}, o.broken(fmt.Errorf("unexpected answer %q", line))
	}
	size, err := strconv.ParseInt(fields[2], 10, 64)
	if err != nil || size < 0 {
		return Object{}, o.broken(fmt.Errorf("unexpected size in %q", line))
	}
	o.current = &io.LimitedReader{R: o.stdout, N: size}
	return Object{ID: fields[0], Type: fields[1], Size: size, Content: o.current}, nil
}

// skipRest moves past what the caller left unread, and the newline git writes after every object.
func (o *Objects) skipRest() error {
	if o.current == nil {
		return nil
	}
	if _, err := io.Copy(io.Discard, o.current); err != nil {
		return err
	}
	o.current = nil
	_, err := o.stdout.Discard(1)
	return err
}

func (o *Objects) broken(err error) error {
	if o.ctx.Err() != nil {
		return fmt.Errorf("read objects: %w", context.Cause(o.ctx))
	}
	if errors.Is(err, io.EOF) {
		err = io.ErrUnexpectedEOF
	}
	return fmt.Errorf("read objects: %w", err)
}

// Close ends the process. It returns why git failed, if it did.
func (o *Objects) Close() error {
	_ = o.stdin.Close()
	// Without this a large object left unread would keep git writing, and Close waiting.
	_, _ = io.Copy(io.Discard, o.stdout)
	return finish(o.ctx, o.cmd, o.command, o.stderr)
}
