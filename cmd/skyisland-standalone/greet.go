package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net/url"
	"os"
	"strings"
	"time"

	"golang.org/x/term"

	"github.com/skyisland/skyisland/internal/api/client"
	"github.com/skyisland/skyisland/internal/gitremote"
	"github.com/skyisland/skyisland/internal/release"
)

// greet says where everything is, and takes the newcomer on the tour.
func (s *standalone) greet(ctx context.Context) error {
	fmt.Fprintf(s.out, "Sky Island is up. Its state is in %s\n\n", s.options.data)
	fmt.Fprintf(s.out, "    Temporal UI   %s   every release as it happens\n", s.temporal.UIURL())
	for _, unit := range s.ports.units {
		fmt.Fprintf(s.out, "    unit %-8s http://%s   where clients come in\n", unit.name, unit.traffic.Addr())
	}
	fmt.Fprintf(s.out, "    git remote    %s/git/TENANT/APPLICATION.git   push here\n", s.base())
	fmt.Fprintf(s.out, "    API           %s   for the skyisland command, from this folder\n", s.base())
	take, err := s.wantsTour(ctx)
	if err != nil || !take {
		return err
	}
	if err := s.takeTour(ctx); err != nil {
		if ctx.Err() != nil {
			// Stopped in the middle: the next start goes on with it.
			return ctx.Err()
		}
		if s.options.exit {
			return err
		}
		fmt.Fprintf(s.out, "\nThe tour ended early: %v\n", err)
		return s.answerTour("over")
	}
	if s.options.exit {
		return errTourOver
	}
	fmt.Fprintf(s.out, "Sky Island stays up; Ctrl-C stops it.\n")
	return nil
}

// wantsTour asks on the first start. A tour that was begun goes on; one that was refused or is over
// is not offered again.
func (s *standalone) wantsTour(ctx context.Context) (bool, error) {
	switch s.options.tour {
	case tourTake:
		return true, nil
	case tourSkip:
		return false, nil
	}
	answer, err := os.ReadFile(s.options.file("tour-answer"))
	if err == nil {
		return strings.TrimSpace(string(answer)) == tourTake, nil
	}
	if !errors.Is(err, os.ErrNotExist) {
		return false, fmt.Errorf("read the answer to the tour: %w", err)
	}
	reply := tourTake
	// Without a terminal nobody can be asked; the tour is what a first start is for.
	if term.IsTerminal(int(os.Stdin.Fd())) {
		fmt.Fprintf(s.out, "\nTake the tour? A sample goes live, gets better, then breaks and is rolled back: about two minutes. [Y/n] ")
		line, err := readLine(ctx, os.Stdin)
		if err != nil {
			fmt.Fprintln(s.out)
			return false, err
		}
		if strings.HasPrefix(strings.ToLower(strings.TrimSpace(line)), "n") {
			reply = tourSkip
		}
	}
	return reply == tourTake, s.answerTour(reply)
}

// readLine is the next line of in, or what there is of it. A read from a terminal cannot be ended: when
// ctx ends first, the read is left behind, or Ctrl-C at the question would wait for the answer.
func readLine(ctx context.Context, in io.Reader) (string, error) {
	lines := make(chan string, 1)
	go func() {
		line, _ := bufio.NewReader(in).ReadString('\n')
		lines <- line
	}()
	select {
	case line := <-lines:
		return line, nil
	case <-ctx.Done():
		return "", ctx.Err()
	}
}

func (s *standalone) answerTour(reply string) error {
	if err := os.WriteFile(s.options.file("tour-answer"), []byte(reply+"\n"), 0o600); err != nil {
		return fmt.Errorf("keep the answer to the tour: %w", err)
	}
	return nil
}

// page is where a release is to be seen.
func (s *standalone) page(id release.ID) string {
	return s.temporal.UIURL() + "/namespaces/" + url.PathEscape(s.temporal.Namespace()) + "/workflows/" + url.PathEscape(id.WorkflowID())
}

// The longest time that a question of the tour waits: for a person at a terminal, and where there is none.
const (
	tourPatience    = time.Minute
	tourPatienceOff = time.Second
)

func (s *standalone) takeTour(ctx context.Context) error {
	patience := tourPatienceOff
	if term.IsTerminal(int(os.Stdin.Fd())) && !s.options.exit {
		patience = tourPatience
	}
	api, err := client.New(s.base(), s.secrets.token)
	if err != nil {
		return err
	}
	name := gitremote.Name{Tenant: tourTenant, Application: tourApplication}
	t := &tour{
		out: s.out, dir: s.options.file("tour", tourApplication), api: api,
		remote: s.base() + "/git/" + name.Tenant + "/" + name.Application + ".git",
		page:   s.page,
		answer: s.answerLink, token: s.options.file("token"), patience: patience,
		entry: "http://" + s.ports.units[0].traffic.Addr().String() + "/" + tourApplication + "?from=beijing&to=shanghai",
	}
	if err := t.run(ctx); err != nil {
		return err
	}
	return s.answerTour("over")
}
