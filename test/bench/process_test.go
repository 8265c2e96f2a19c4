package bench_test

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// process is a role played by a process of its own.
type process struct {
	hello
	role string
	pid  int
	in   io.WriteCloser
	out  *bufio.Reader
}

// startProcess starts this very program in a role, and waits until it listens. It ends with the benchmark.
func startProcess(b *testing.B, role string, env ...string) *process {
	b.Helper()
	self, err := os.Executable()
	require.NoError(b, err)
	command := exec.Command(self)
	env = append(env, roleVariable+"="+role)
	if *profiles != "" {
		env = append(env, fmt.Sprintf("%s=%s", profileVariable, filepath.Join(*profiles, fmt.Sprintf("%s-%d.pprof", role, time.Now().UnixNano()))))
	}
	command.Env = append(os.Environ(), env...)
	command.Stderr = os.Stderr
	p := &process{role: role}
	p.in, err = command.StdinPipe()
	require.NoError(b, err)
	out, err := command.StdoutPipe()
	require.NoError(b, err)
	p.out = bufio.NewReader(out)
	require.NoError(b, command.Start())
	p.pid = command.Process.Pid
	b.Cleanup(func() {
		_ = p.in.Close()
		_ = command.Wait()
	})
	line, err := p.out.ReadBytes('\n')
	require.NoError(b, err, "%s did not start", role)
	require.NoError(b, json.Unmarshal(line, &p.hello))
	return p
}

// cpu is what the process has used so far.
func (p *process) cpu(b *testing.B) time.Duration {
	b.Helper()
	return time.Duration(p.tells(b, askCPU))
}

// tells asks the process for a number.
func (p *process) tells(b *testing.B, question string) int64 {
	b.Helper()
	_, err := fmt.Fprintln(p.in, question)
	require.NoError(b, err)
	line, err := p.out.ReadString('\n')
	require.NoError(b, err)
	number, err := strconv.ParseInt(strings.TrimSpace(line), 10, 64)
	require.NoError(b, err)
	return number
}

// resident is the memory of the process that is in RAM, in bytes; 0 where the system does not tell.
func (p *process) resident() int64 {
	content, err := os.ReadFile(fmt.Sprintf("/proc/%d/statm", p.pid))
	if err != nil {
		return 0
	}
	fields := strings.Fields(string(content))
	if len(fields) < 2 {
		return 0
	}
	pages, err := strconv.ParseInt(fields[1], 10, 64)
	if err != nil {
		return 0
	}
	return pages * int64(os.Getpagesize())
}
