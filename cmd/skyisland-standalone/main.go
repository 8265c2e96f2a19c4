// Command skyisland-standalone is all of Sky Island in one process: Temporal and its UI, the API, the
// worker, a gateway for every unit, the process runtime, and a git remote whose pushes become releases.
package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"syscall"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	// The second signal ends the program at once: what does not end in time must not hold people.
	context.AfterFunc(ctx, stop)
	err := command().ExecuteContext(ctx)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "skyisland-standalone:", err)
		os.Exit(1)
	}
}
