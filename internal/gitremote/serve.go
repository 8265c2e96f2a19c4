package gitremote

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"slices"
	"strings"

	"github.com/skyisland/skyisland/internal/git/gitcmd"
)

// The two services of the protocol.
const (
	uploadService  = "upload-pack"  // what clone and fetch ask for
	receiveService = "receive-pack" // what push asks for
)

// nameOf reads the repository's name from the path, with or without ".git".
func nameOf(req *http.Request) (Name, error) {
	return ParseName(req.PathValue("tenant"), strings.TrimSuffix(req.PathValue("repository"), ".git"))
}

// advertise answers the request every fetch and push begins with: which refs there are.
func (r *Remote) advertise(w http.ResponseWriter, req *http.Request) {
	service, ok := strings.CutPrefix(req.URL.Query().Get("service"), "git-")
	if !ok || service != uploadService && service != receiveService {
		http.Error(w, "this git remote speaks only the smart HTTP protocol", http.StatusForbidden)
		return
	}
	version := protocolVersion(req, service)
	out := newAnswerWriter(w, "application/x-git-"+service+"-advertisement")
	var head []byte
	if !strings.Contains(version, "version=2") {
		head = appendFlush(appendPacket(nil, "# service=git-"+service+"\n"))
	}
	dir, err := r.advertised(req, service)
	if err != nil {
		// Git shows the text of an ERR packet to its user, and of an HTTP error only the number.
		_, _ = out.Write(appendPacket(head, "ERR "+printable(err.Error(), messageWidth)))
		return
	}
	release, err := r.process(req.Context())
	if err != nil {
		return // the client is gone
	}
	defer release()
	if _, err := out.Write(head); err != nil {
		return
	}
	err = r.git.Run(req.Context(), gitcmd.Command{
		Args:   []string{service, "--stateless-rpc", "--advertise-refs", "--", dir},
		Config: r.serviceConfig(),
		Env:    protocolEnv(version),
		Stdout: out,
	})
	r.logFailure(req, "advertise", err)
}

// advertised is the directory to advertise, or a sentence for the user of git.
func (r *Remote) advertised(req *http.Request, service string) (string, error) {
	name, err := nameOf(req)
	if err != nil {
		return "", err
	}
	p := r.find(name)
	if p == nil && service == uploadService {
		return "", fmt.Errorf("there is no repository %s yet; its first push creates it", name)
	}
	if p == nil {
		return r.template(), nil
	}
	if service == receiveService {
		if err := p.acceptsPush(); err != nil {
			return "", err
		}
	}
	return p.dir, nil
}

// maxPending is how many events of a repository may wait before it takes no more pushes.
const maxPending = 2000

func (p *repository) acceptsPush() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	l, err := readLedger(p.dir)
	if err != nil {
		return err
	}
	if len(l.Pending) >= maxPending {
		return fmt.Errorf("%d push events of %s wait to be delivered; push again when they are", len(l.Pending), p.name)
	}
	return nil
}

// uploadPack serves clone and fetch.
func (r *Remote) uploadPack(w http.ResponseWriter, req *http.Request) {
	body, p, ok := r.begin(w, req, uploadService, maxFetchRequest)
	if !ok {
		return
	}
	defer func() { _ = body.Close() }()
	if err := checkPackets(body); err != nil {
		refuse(w, err)
		return
	}
	if p == nil {
		http.Error(w, "there is no such repository", http.StatusNotFound)
		return
	}
	release, err := r.process(req.Context())
	if err != nil {
		return // the client is gone
	}
	defer release()
	out := newAnswerWriter(w, "application/x-git-upload-pack-result")
	err = r.git.Run(req.Context(), gitcmd.Command{
		Args:   []string{uploadService, "--stateless-rpc", "--", p.dir},
		Config: r.serviceConfig(),
		Env:    protocolEnv(protocolVersion(req, uploadService)),
		Stdin:  body,
		Stdout: out,
	})
	r.logFailure(req, "fetch", err)
	if err == nil || out.started {
		return
	}
	http.Error(w, "git did not accept the request", http.StatusBadRequest)
}

// begin checks what both services have in common, and takes in the body. The repository is nil when there is none yet.
func (r *Remote) begin(w http.ResponseWriter, req *http.Request, service string, limit int64) (*os.File, *repository, bool) {
	name, err := nameOf(req)
	if err != nil {
		refuse(w, err)
		return nil, nil, false
	}
	// A page in a browser cannot send this type to another origin without asking first.
	want := "application/x-git-" + service + "-request"
	if req.Header.Get("Content-Type") != want {
		http.Error(w, "the content type must be "+want, http.StatusUnsupportedMediaType)
		return nil, nil, false
	}
	body, err := r.spool(w, req, limit)
	if err != nil {
		r.logFailure(req, "take in", err)
		refuse(w, err)
		return nil, nil, false
	}
	return body, r.find(name), true
}

// serviceConfig are the settings of the git processes that serve clients.
func (r *Remote) serviceConfig() []string {
	return []string{
		"core.fsync=all", // a push that was confirmed survives a power cut
		"receive.autogc=false",
		"receive.advertisePushOptions=false",
		fmt.Sprintf("receive.maxInputSize=%d", r.opts.MaxPushBytes),
		"uploadpack.allowAnySHA1InWant=true", // a release may need a commit that was forced away meanwhile
	}
}

// protocolVersion is what the client's Git-Protocol header asks for. Anything unusual counts as nothing, which is
// version 0; pushes know no version 2.
func protocolVersion(req *http.Request, service string) string {
	wanted := req.Header.Get("Git-Protocol")
	for part := range strings.SplitSeq(wanted, ":") {
		if part == "version=1" || part == "version=2" && service == uploadService {
			return part
		}
	}
	return ""
}

func protocolEnv(version string) []string {
	if version == "" {
		return nil
	}
	return []string{"GIT_PROTOCOL=" + version}
}

// logFailure logs what no client caused by going away or by asking for nonsense. The step says how far the request came.
func (r *Remote) logFailure(req *http.Request, step string, err error) {
	var exit *gitcmd.ExitError
	var storage storageError
	switch {
	case err == nil || req.Context().Err() != nil:
	case errors.As(err, &exit):
		r.opts.Log.InfoContext(req.Context(), "git request failed", "step", step, "path", req.URL.Path, "error", err)
	case errors.As(err, &storage):
		r.opts.Log.ErrorContext(req.Context(), "git request failed", "step", step, "path", req.URL.Path, "error", err)
	}
}

// hasSideBand reports whether a client can be shown text.
func hasSideBand(capabilities []string) bool {
	return slices.Contains(capabilities, "side-band-64k") || slices.Contains(capabilities, "side-band")
}

// drain reads on, so that git ends its work although nobody listens any more.
func drain(src io.Reader) { _, _ = io.Copy(io.Discard, src) }
