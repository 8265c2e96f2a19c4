// Command skyisland is the server, the gateway and the client of Sky Island in one lean program. It needs
// a Temporal server beside it; skyisland-standalone brings one along.
package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/skyisland/skyisland/internal/app"
	"github.com/skyisland/skyisland/internal/cli"
)

func main() { os.Exit(run()) }

func run() int {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	// The second signal ends the program at once: what does not end in time must not hold people.
	context.AfterFunc(ctx, stop)
	defer stop()
	dir, err := os.Getwd()
	if err != nil {
		fmt.Fprintln(os.Stderr, "skyisland: find the working directory:", err)
		return cli.ExitError
	}
	// Somebody without a home has no token there, and that is all.
	home, _ := os.UserHomeDir()
	return cli.Run(ctx, cli.Options{
		Version: app.Version(), Extra: []*cobra.Command{server(), gateway()},
		Stdin: os.Stdin, Stdout: os.Stdout, Stderr: os.Stderr, Getenv: os.Getenv, Dir: dir, Home: home,
	}, os.Args[1:])
}
