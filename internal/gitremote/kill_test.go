package gitremote

import (
	"bufio"
	"context"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/skyisland/skyisland/internal/git/gittest"
)

// childDir makes the test binary a remote on that directory, to be killed.
const childDir = "SKYISLAND_GITREMOTE_CHILD"

func TestMain(m *testing.M) {
	if dir := os.Getenv(childDir); dir != "" {
		fmt.Fprintln(os.Stderr, serveUntilKilled(dir))
		os.Exit(1)
	}
	os.Exit(m.Run())
}

// serveUntilKilled prints its URL and then each delivery, none of which it ever ends.
func serveUntilKilled(dir string) error {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	remote, err := New(context.Background(), Options{
		Dir: dir, PublicURL: "http://" + listener.Addr().String(), Patience: time.Hour, DeliveryTimeout: time.Hour,
		Deliver: func(ctx context.Context, d Delivery) (Answer, error) {
			fmt.Println(d.ID)
			<-ctx.Done()
			return Answer{}, ctx.Err()
		},
	})
	if err != nil {
		return err
	}
	fmt.Println("http://" + listener.Addr().String())
	server := &http.Server{Handler: remote, ReadHeaderTimeout: time.Minute}
	return server.Serve(listener)
}

func TestAProcessKilledWhileItDelivers(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "a [folder] of ours*?")
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	child := exec.CommandContext(t.Context(), self)
	child.Env = append(os.Environ(), childDir+"="+dir)
	stdout, err := child.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := child.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = child.Process.Kill() })
	said := bufio.NewScanner(stdout)
	line := func() string {
		t.Helper()
		if !said.Scan() {
			t.Fatalf("the child ended: %v", said.Err())
		}
		return said.Text()
	}
	repo := gittest.New(t)
	first := repo.Commit("first")
	repo.Git("remote", "add", "origin", line()+"/git/"+shop.String()+".git")
	pushed := make(chan struct{})
	go func() {
		defer close(pushed)
		_, _, _ = repo.Try("push", "origin", "main") // it may fail or not: its last words are cut off
	}()
	id := line()
	if err := child.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	<-pushed
	_ = child.Wait()

	again := openFixture(t, dir, newReceiver())
	again.run(t)
	d, e := again.receiver.event(t)
	if d.ID != id || e.After != first || !strings.HasSuffix(e.Repository.CloneURL, "/git/demo/shop.git") {
		t.Errorf("after the kill: %s %+v, want %s", d.ID, e, id)
	}
}
