package gitremote

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"

	"github.com/skyisland/skyisland/internal/git/gitcmd"
	"github.com/skyisland/skyisland/internal/release"
)

const receiveResult = "application/x-git-receive-pack-result"

// receivePack serves a push: git changes the refs, the ledger notes the events, and the pusher is shown what comes of
// them. Once the refs have changed, nothing fails the push any more.
func (r *Remote) receivePack(w http.ResponseWriter, req *http.Request) {
	body, p, ok := r.begin(w, req, receiveService, r.opts.MaxPushBytes)
	if !ok {
		return
	}
	defer func() { _ = body.Close() }()
	commands, capabilities, err := readCommands(body)
	if err == nil {
		err = rewind(body)
	}
	if err != nil {
		refuse(w, err)
		return
	}
	out := newAnswerWriter(w, receiveResult)
	if len(commands) == 0 { // git probes like this whether it may push
		_, _ = out.Write(nil)
		return
	}
	if p == nil {
		p, err = r.createFor(req)
	} else {
		err = p.acceptsPush()
	}
	if err != nil {
		r.refusePush(out, capabilities, err)
		return
	}
	changes, open, err := r.receive(out, req, p, body)
	if err != nil {
		r.opts.Log.WarnContext(req.Context(), "push not completed", "repository", p.name.String(), "error", err)
		r.later(p.name) // whatever did change is found there
		if out.started {
			return
		}
		http.Error(w, "git did not complete the push; the server's log says why", http.StatusInternalServerError)
		return
	}
	text := r.announce(req.Context(), p, changes)
	if open {
		_, _ = out.Write(appendFlush(appendBand(nil, bandProgress, text)))
	}
}

func (r *Remote) createFor(req *http.Request) (*repository, error) {
	name, err := nameOf(req)
	if err != nil {
		return nil, err
	}
	p, err := r.create(req.Context(), name)
	if err != nil && !errors.Is(err, errTooManyRepositories) {
		r.opts.Log.ErrorContext(req.Context(), "git repository not created", "repository", name.String(), "error", err)
		err = errors.New("the repository could not be created; the server's log says why")
	}
	return p, err
}

// refusePush tells why there was no push: on the error band, which git shows, when the client has it.
func (r *Remote) refusePush(out *answerWriter, capabilities []string, err error) {
	text := printable(err.Error(), messageWidth)
	if !hasSideBand(capabilities) {
		http.Error(out.w, text, http.StatusServiceUnavailable)
		return
	}
	_, _ = out.Write(appendFlush(appendBand(nil, bandError, speaker+text+"\n")))
}

// receive runs git for a push and returns the events that came of it. Open says that the answer still lacks its end.
func (r *Remote) receive(out io.Writer, req *http.Request, p *repository, body *os.File) ([]change, bool, error) {
	ctx := req.Context()
	if err := p.pushing.take(ctx); err != nil {
		return nil, false, err
	}
	defer p.pushing.release()
	release, err := r.process(ctx)
	if err != nil {
		return nil, false, err
	}
	defer release()
	// What a killed push left is its own event, and not one of this pusher.
	if _, err := r.reconcile(ctx, p, ""); err != nil {
		return nil, false, err
	}
	open, err := r.runReceivePack(ctx, out, p, body, protocolVersion(req, receiveService))
	// The refs may have changed although the client is gone, or git failed after some of them.
	changes, reconcileErr := r.reconcile(context.WithoutCancel(ctx), p, pusher(req))
	if reconcileErr != nil {
		r.opts.Log.ErrorContext(ctx, "push not recorded", "repository", p.name.String(), "error", reconcileErr)
		r.later(p.name)
	}
	return changes, open, err
}

func (r *Remote) runReceivePack(ctx context.Context, out io.Writer, p *repository, body *os.File, version string) (open bool, err error) {
	src, dst := io.Pipe()
	var relayErr error
	relayed := make(chan struct{})
	go func() {
		defer close(relayed)
		open, relayErr = relay(out, src)
		drain(src)
	}()
	err = r.git.Run(ctx, gitcmd.Command{
		Args:   []string{receiveService, "--stateless-rpc", "--", p.dir},
		Config: r.serviceConfig(),
		Env:    protocolEnv(version),
		Stdin:  body,
		Stdout: dst,
	})
	_ = dst.Close()
	<-relayed
	if err == nil && relayErr != nil {
		err = fmt.Errorf("answer push: %w", relayErr)
	}
	return open, err
}

// announce delivers the events of a push and returns what to show for them.
func (r *Remote) announce(ctx context.Context, p *repository, changes []change) string {
	if len(changes) == 0 {
		return ""
	}
	// The events are due whether or not the pusher is still there.
	within, cancel := context.WithTimeout(context.WithoutCancel(ctx), r.opts.Patience)
	defer cancel()
	err := r.deliverPending(within, p)
	if err != nil {
		r.opts.Log.WarnContext(ctx, "push events queued", "repository", p.name.String(), "error", err)
		r.later(p.name)
	}
	var text strings.Builder
	queued := 0
	for _, c := range changes {
		got, ok := p.answer(c.ID)
		switch {
		case !ok:
			queued++
		case got.refused:
			text.WriteString(terminal(fmt.Sprintf("%s is stored, but starts nothing: %s", release.RefName(c.Ref), got.message)))
		case got.message == "":
			text.WriteString(terminal("received " + release.RefName(c.Ref)))
		default:
			text.WriteString(terminal(got.message))
		}
	}
	if queued > 0 {
		text.WriteString(terminal(fmt.Sprintf("your push is stored; %d of its events could not be delivered yet, and will be", queued)))
	}
	return text.String()
}
