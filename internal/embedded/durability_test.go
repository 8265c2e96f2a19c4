package embedded

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.temporal.io/api/enums/v1"
	"go.temporal.io/sdk/client"
)

// childDataFile names the variable that turns the test binary into a server to be killed.
const childDataFile = "EMBEDDED_CHILD_DATA_FILE"

func TestMain(m *testing.M) {
	if file := os.Getenv(childDataFile); file != "" {
		if err := runChild(file); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	os.Exit(m.Run())
}

func TestRestart(t *testing.T) {
	file := filepath.Join(t.TempDir(), "temporal.db")
	first := startServer(t, Options{DataFile: file, SearchAttributes: testAttributes()})
	c := connect(t, first)
	w := newWorker(c)
	require.NoError(t, w.Start())
	_, err := approve(testContext(t), c, "waiting", "ada")
	require.NoError(t, err)
	w.Stop()
	c.Close()
	first.Stop()
	log, err := os.Stat(file + "-wal")
	require.True(t, errors.Is(err, os.ErrNotExist) || log.Size() == 0, "a stopped server leaves everything in the data file")

	attributes := testAttributes()
	attributes["TestAdded"] = enums.INDEXED_VALUE_TYPE_BOOL
	second := startServer(t, Options{DataFile: file, SearchAttributes: attributes})
	c = connect(t, second)
	startWorker(t, c)
	ctx := testContext(t)
	require.NoError(t, c.SignalWorkflow(ctx, "waiting", "", "alarm", "restart"))
	var result string
	require.NoError(t, c.GetWorkflow(ctx, "waiting", "").Get(ctx, &result))
	require.Equal(t, "approved by ada, worked on restart", result)
	require.Equal(t, "waiting", awaitListed(ctx, t, c, "TestTenant = 'waiting' AND TestAdded IS NULL"))
}

func TestKill(t *testing.T) {
	file := filepath.Join(t.TempDir(), "temporal.db")
	child := exec.CommandContext(testContext(t), os.Args[0])
	child.Env = append(os.Environ(), childDataFile+"="+file)
	child.Stderr = t.Output()
	out, err := child.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, child.Start())
	line, err := bufio.NewReader(out).ReadString('\n')
	require.NoError(t, err)
	require.Equal(t, "approved by child\n", line)

	_, err = Start(testContext(t), Options{DataFile: file})
	require.ErrorIs(t, err, ErrDataFileInUse)

	require.NoError(t, child.Process.Kill())
	require.Error(t, child.Wait(), "the child must have been killed")

	s := startServer(t, Options{DataFile: file, SearchAttributes: testAttributes()})
	c := connect(t, s)
	startWorker(t, c)
	ctx := testContext(t)
	began := time.Now()
	require.NoError(t, c.SignalWorkflow(ctx, "killed", "", "alarm", "kill"))
	var result string
	require.NoError(t, c.GetWorkflow(ctx, "killed", "").Get(ctx, &result))
	t.Logf("the workflow went on in %s", time.Since(began).Round(time.Millisecond))
	require.Equal(t, "approved by child, worked on kill", result)
}

// runChild starts a server and a workflow, says so, and waits for its death.
func runChild(file string) error {
	ctx := context.Background()
	s, err := Start(ctx, Options{DataFile: file, SearchAttributes: testAttributes()})
	if err != nil {
		return err
	}
	c, err := s.Client(ctx, client.Options{})
	if err != nil {
		return err
	}
	if err := newWorker(c).Start(); err != nil {
		return err
	}
	answer, err := approve(ctx, c, "killed", "child")
	if err != nil {
		return err
	}
	fmt.Println(answer)
	select {}
}
