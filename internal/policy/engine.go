package policy

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net/http"
	"os"
	"sync/atomic"
	"time"

	"github.com/open-policy-agent/opa/v1/ast"
	"github.com/open-policy-agent/opa/v1/rego"
	"github.com/open-policy-agent/opa/v1/topdown"

	"github.com/skyisland/skyisland/internal/release"
)

// The codes of denials that no rule gave. Asking again may help after CodeTimeout; the others stay
// until somebody mends the rules or the data.
const (
	// CodeUndefined is that the rules have no answer to the question.
	CodeUndefined = "policy.undefined"
	// CodeError is that the rules, or the question, could not be evaluated.
	CodeError = "policy.error"
	// CodeTimeout is that the rules took longer than [Options.Timeout].
	CodeTimeout = "policy.timeout"
	// CodeMalformed is an answer that is no decision, or one that contradicts itself.
	CodeMalformed = "policy.malformed"
	// CodeData is a data file that cannot be used; the message names it.
	CodeData = "policy.data"
)

// defaultTimeout is a thousand times what the embedded rules need, so it ends only what would not end.
const defaultTimeout = time.Second

// Options say which rules an engine asks.
type Options struct {
	// Bundle holds the rules: every file named *.rego in it, at any depth, but for tests
	// (*_test.rego). It is read once. One of Bundle, Dir and Server is required.
	Bundle fs.FS
	// Dir is a folder of the same that is followed while [Engine.Run] runs, and Server a bundle server that is. The last
	// good rules stay in force.
	Dir    string
	Server *Server
	// Data is what the installation tells the rules, such as its freeze windows, as JSON would
	// decode it. It may not be set together with DataFile.
	Data map[string]any
	// DataFile is a file of the same, in YAML or JSON; at most 1 MiB. It is looked at for each decision, so a change is in force at once. A file that has never been
	// there is the same as an empty one. One that cannot be read or understood, or is no longer
	// there, denies everything until it is mended, since it may hold the freeze that counts now.
	DataFile string
	// Timeout is how long one evaluation may take; 0 means a second.
	Timeout time.Duration
	// Log hears of changed data and of questions that were not answered; nil is silent.
	Log *slog.Logger
}

// Engine answers questions by the rules of one bundle. It is safe for concurrent use.
type Engine struct {
	data    atomic.Pointer[source]
	timeout time.Duration
	log     *slog.Logger
	// origin is where rules come from that may change; nil when they do not.
	origin    origin
	dataFile  string
	fixedData map[string]any
	notes     notes
}

// New reads and compiles the rules. Rules that do not compile, that use a built-in function they may
// not have, or that do not define data.release.decision are an error, and so is Data they cannot
// have. What is wrong with a data file is told by each decision instead, because it can be mended
// while the engine runs.
func New(options Options) (*Engine, error) {
	given := 0
	for _, there := range []bool{options.Bundle != nil, options.Dir != "", options.Server != nil} {
		if there {
			given++
		}
	}
	switch {
	case given == 0:
		return nil, errors.New("policy: no bundle of rules is given")
	case given > 1:
		return nil, errors.New("policy: rules come from one place: give a bundle, a folder or a server")
	case options.Data != nil && options.DataFile != "":
		return nil, errors.New("policy: both data and a data file are given; give one")
	}
	engine := &Engine{timeout: options.Timeout, log: options.Log, dataFile: options.DataFile, fixedData: options.Data}
	if engine.timeout == 0 {
		engine.timeout = defaultTimeout
	}
	if engine.log == nil {
		engine.log = slog.New(slog.DiscardHandler)
	}
	switch {
	case options.Dir != "":
		if info, err := os.Stat(options.Dir); err != nil || !info.IsDir() {
			return nil, fmt.Errorf("read policies: %s is not a folder of rules", options.Dir)
		}
		engine.origin = &folder{dir: options.Dir}
	case options.Server != nil:
		return engine.beginRemote(*options.Server)
	default:
		rules, err := load(options.Bundle)
		if err != nil {
			return nil, fmt.Errorf("read policies: %w", err)
		}
		data, err := engine.dataFor(rules)
		if err != nil {
			return nil, err
		}
		engine.data.Store(&data)
		engine.notes.take(candidate{})
		return engine, nil
	}
	if err := engine.begin(context.Background()); err != nil {
		return nil, fmt.Errorf("read policies: %w", err)
	}
	return engine, nil
}

// beginRemote takes the rules of a server, or the last good ones that it gave.
func (e *Engine) beginRemote(server Server) (*Engine, error) {
	if err := server.check(); err != nil {
		return nil, err
	}
	if server.Client == nil {
		server.Client = &http.Client{Timeout: serverTimeout}
	}
	server.Client = careful(*server.Client)
	from := &remote{Server: server}
	e.origin = from
	// The kept rules come first, so that what the server gives is measured by them as it is while the program runs.
	unkept := e.beginKept(from)
	if err := e.begin(context.Background()); err != nil {
		return nil, fmt.Errorf("read policies: %w", errors.Join(err, unkept))
	}
	return e, nil
}

// beginKept takes the last good rules of a server.
func (e *Engine) beginKept(from *remote) error {
	there, err := from.kept()
	if err != nil {
		return err
	}
	rules, err := there.compile()
	if err != nil {
		return fmt.Errorf("the kept bundle %s: %w", from.Cache, err)
	}
	data, err := e.dataFor(rules)
	if err != nil {
		return err
	}
	e.data.Store(&data)
	e.notes.take(candidate{rules: rules, revision: there.manifest.Revision})
	return nil
}

// view is what a question is asked of now.
func (e *Engine) view(ctx context.Context) view { return (*e.data.Load()).view(ctx) }

// Decide asks the rules. The decision is never the zero value: without a yes from the rules it
// denies, and says why. Its ID is made from the question, the bundle and the answer, so that asking
// again gives the same decision. The only error is ctx's, when it ended before there was an answer;
// the decision denies then too, and must not be recorded as the rules' own.
func (e *Engine) Decide(ctx context.Context, question release.Question) (release.Decision, error) {
	view := e.view(ctx)
	encoded, err := json.Marshal(question)
	var reply answer
	if err != nil {
		reply = refusal(CodeError, "the question cannot be written as JSON: %v", err)
	} else {
		reply = e.ask(ctx, view, encoded)
	}
	decision := reply.decision(question.Gate, encoded, view.revision)
	if err := ctx.Err(); err != nil {
		return decision, fmt.Errorf("ask policy about %s of %s: %w", question.Gate, question.About(), err)
	}
	if reply.failed {
		e.log.WarnContext(ctx, "policy gave no answer", "about", question.About(), "gate", question.Gate,
			"code", reply.deny[0].Code, "reason", reply.deny[0].Message, "bundle", view.revision)
	}
	return decision, nil
}

// Bundle is the revision of the rules and data that would answer now: 16 hexadecimal digits.
func (e *Engine) Bundle(ctx context.Context) string { return e.view(ctx).revision }

func (e *Engine) ask(ctx context.Context, view view, question []byte) answer {
	if view.broken != "" {
		return refusal(CodeData, "%s", view.broken)
	}
	input, err := ast.ValueFromReader(bytes.NewReader(question))
	if err != nil {
		return refusal(CodeError, "the question cannot be read: %v", err)
	}
	ctx, cancel := context.WithTimeout(ctx, e.timeout)
	defer cancel()
	results, err := view.query.Eval(ctx, rego.EvalParsedInput(input))
	switch {
	// OPA looks at the context now and then only, so an answer may come after its end.
	case ctx.Err() != nil || topdown.IsCancel(err):
		return refusal(CodeTimeout, "the rules gave no answer within %s", e.timeout)
	case err != nil:
		return refusal(CodeError, "the rules failed: %v", err)
	case len(results) != 1 || len(results[0].Expressions) != 1:
		return refusal(CodeUndefined, "the rules have no answer: %s is undefined", entrypoint)
	}
	return read(results[0].Expressions[0].Value)
}
