package main

import (
	"context"
	"fmt"
	"log/slog"
	"os"

	"github.com/spf13/cobra"
	"go.temporal.io/sdk/client"
	"golang.org/x/sync/errgroup"

	"github.com/skyisland/skyisland/internal/app"
	"github.com/skyisland/skyisland/internal/cli"
	"github.com/skyisland/skyisland/internal/config"
)

// server is the command that runs the API, the webhooks and the worker against a Temporal cluster.
func server() *cobra.Command {
	var file string
	cmd := &cobra.Command{
		Use: "server --config FILE", Short: "Run the API, the webhooks and the worker against a Temporal cluster", Args: cobra.NoArgs,
		Long: "Runs until it is interrupted. The configuration says where Temporal, the database and the gateways are;\n" +
			"docs/operations.md lists its fields.",
		RunE: func(cmd *cobra.Command, _ []string) error { return serve(cmd.Context(), file) },
	}
	cmd.Flags().StringVar(&file, "config", "", "YAML file with the configuration")
	return cmd
}

func serve(ctx context.Context, file string) error {
	if file == "" {
		return cli.UsageError("name the configuration with --config")
	}
	c, err := config.Read(file)
	if err != nil {
		return err
	}
	log := slog.New(slog.NewTextHandler(os.Stderr, nil))
	listener, err := app.Listen(ctx, "the API and the webhooks", "listen in "+file, c.Listen)
	if err != nil {
		return err
	}
	defer listener.Close()
	temporal, err := client.DialContext(ctx, client.Options{
		HostPort: c.Temporal.Address, Namespace: c.Temporal.Namespace, Logger: log.With("component", "temporal-client"),
	})
	if err != nil {
		return fmt.Errorf("connect to Temporal at %s: %w", c.Temporal.Address, err)
	}
	defer temporal.Close()
	if err := app.EnsureSearchAttributes(ctx, temporal, c.Temporal.Namespace); err != nil {
		return err
	}
	a, err := app.New(ctx, app.Options{Config: c, Temporal: temporal, Version: app.Version(), Detach: true, Log: log})
	if err != nil {
		return err
	}
	defer func() {
		if err := a.Close(); err != nil {
			log.ErrorContext(ctx, "server not closed well", "error", err)
		}
	}()
	log.InfoContext(ctx, "server serves", "address", listener.Addr().String(), "temporal", c.Temporal.Address, "namespace", c.Temporal.Namespace)
	group, running := errgroup.WithContext(ctx)
	group.Go(func() error { return a.Run(running) })
	group.Go(func() error { return app.ServeHTTP(running, a.Handler(), listener, a.CloseStreams) })
	return group.Wait()
}
