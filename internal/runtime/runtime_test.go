package runtime

import (
	"context"
	"testing"
)

func TestRunIsOnceAndEndsWithItsContextOrTheRuntime(t *testing.T) {
	open := func() *Runtime {
		r, err := New(Options{Dir: t.TempDir(), Unpack: unpack})
		if err != nil {
			t.Fatal(err)
		}
		return r
	}
	stopped := open()
	for range 2 {
		if err := stopped.Stop(t.Context()); err != nil {
			t.Errorf("Stop: %v", err)
		}
	}
	if err := stopped.Run(t.Context()); err != nil {
		t.Errorf("Run after Stop: %v, want nothing to do", err)
	}

	twice := start(t, t.TempDir())
	// A deployment shows that the first Run is at work.
	deploy(t, twice, deployment("serve"))
	if err := twice.Run(t.Context()); err == nil {
		t.Error("a second Run: want an error")
	}

	ended := open()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := ended.Run(ctx); err != nil {
		t.Errorf("Run with a context that has ended: %v", err)
	}
	ended.Detach()
	if _, err := New(ended.options); err != nil {
		t.Errorf("the folder after Detach: %v, want it free", err)
	}
}
