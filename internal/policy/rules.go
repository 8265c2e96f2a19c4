package policy

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"hash"
	"io/fs"
	"maps"
	"slices"
	"strings"

	"github.com/open-policy-agent/opa/v1/ast"
	"github.com/open-policy-agent/opa/v1/rego"
	"github.com/open-policy-agent/opa/v1/storage/inmem"
)

// entrypoint is the only document that is ever asked for.
const entrypoint = "data.release.decision"

// maxRules bounds a bundle; the embedded one has some tens of kilobytes.
const maxRules = 16 << 20

// rules are compiled, and wait for data.
type rules struct {
	compiler *ast.Compiler
	// digest is the hash of names and contents of all files.
	digest []byte
	// roots are the first names of the rules' packages; data may not hide them.
	roots []string
	// packages are the whole names, with slashes.
	packages []string
	// keys are the first names of the data that rules read; nil when that cannot be told.
	keys []string
}

// view is rules together with data: all a question needs.
type view struct {
	query    rego.PreparedEvalQuery
	revision string
	// broken says why there is nothing to ask; empty when there is.
	broken string
}

func load(bundle fs.FS) (*rules, error) {
	files, err := readRules(bundle)
	if err != nil {
		return nil, err
	}
	return compile(files)
}

func compile(files map[string][]byte) (*rules, error) {
	modules := map[string]*ast.Module{}
	for _, name := range sortedNames(files) {
		module, err := ast.ParseModuleWithOpts(name, string(files[name]), ast.ParserOptions{RegoVersion: ast.RegoV1, Capabilities: capabilities()})
		if err != nil {
			return nil, err
		}
		modules[name] = module
	}
	digest := digestOf(files)
	out := &rules{digest: digest[:], keys: keys(modules), roots: roots(modules), packages: packages(modules)}
	// Print statements are enabled so that they are seen, and refused for want of the function.
	out.compiler = ast.NewCompiler().WithCapabilities(capabilities()).WithStrict(true).WithEnablePrintStatements(true)
	if out.compiler.Compile(modules); out.compiler.Failed() {
		return nil, out.compiler.Errors
	}
	if len(out.compiler.GetRulesExact(ast.MustParseRef(entrypoint))) == 0 {
		return nil, fmt.Errorf("no rule defines %s", entrypoint)
	}
	return out, nil
}

// capabilities are the built-in functions rules may call: those whose result depends on nothing but
// their arguments. Without them a rule that asks the network or the clock does not compile.
func capabilities() *ast.Capabilities {
	all := ast.CapabilitiesForThisVersion()
	all.Builtins = slices.DeleteFunc(all.Builtins, func(b *ast.Builtin) bool {
		return b.Nondeterministic || strings.HasPrefix(b.Name, "net.") ||
			slices.Contains([]string{"http.send", "opa.runtime", "print", "internal.print", "trace"}, b.Name)
	})
	all.AllowNet = []string{}
	return all
}

// with joins the rules with data.
func (r *rules) with(ctx context.Context, data map[string]any) (view, error) {
	encoded, err := json.Marshal(data)
	if err != nil {
		return view{}, fmt.Errorf("it cannot be written as JSON: %w", err)
	}
	if err := r.check(data); err != nil {
		return view{}, err
	}
	if data == nil {
		data = map[string]any{}
	}
	query, err := rego.New(
		rego.Query(entrypoint), rego.Compiler(r.compiler),
		rego.Store(inmem.NewFromObjectWithOpts(r.prepare(ctx, data), inmem.OptReturnASTValuesOnRead(true))),
		// A built-in function that fails would otherwise only make its rule undefined, and a rule
		// that is undefined denies nothing.
		rego.StrictBuiltinErrors(true),
	).PrepareForEval(ctx)
	if err != nil {
		return view{}, err
	}
	return view{query: query, revision: r.revision("data", encoded)}, nil
}

// revision names the rules together with data.
func (r *rules) revision(kind string, data []byte) string {
	sum := sha256.New()
	write(sum, r.digest)
	write(sum, []byte(kind))
	write(sum, data)
	return hex.EncodeToString(sum.Sum(nil)[:8])
}

// check refuses data that no rule reads: a misspelt freeze_windows would freeze nothing, silently.
func (r *rules) check(data map[string]any) error {
	var problems []error
	for _, key := range slices.Sorted(maps.Keys(data)) {
		switch {
		case slices.Contains(r.roots, key):
			problems = append(problems, fmt.Errorf("%s: this name belongs to the rules themselves", key))
		case r.keys != nil && !slices.Contains(r.keys, key):
			problems = append(problems, fmt.Errorf("%s: no rule reads this; they read %s", key, strings.Join(r.keys, ", ")))
		}
	}
	return errors.Join(problems...)
}

func roots(modules map[string]*ast.Module) []string {
	found := map[string]bool{}
	for _, module := range modules {
		if name, ok := first(module.Package.Path); ok {
			found[name] = true
		}
	}
	return slices.Sorted(maps.Keys(found))
}

func packages(modules map[string]*ast.Module) []string {
	found := map[string]bool{}
	for _, module := range modules {
		var parts []string
		for _, term := range module.Package.Path[1:] {
			if part, ok := term.Value.(ast.String); ok {
				parts = append(parts, string(part))
			}
		}
		found[strings.Join(parts, "/")] = true
	}
	return slices.Sorted(maps.Keys(found))
}

// keys are the names right below data that the modules mention, without those of packages. A rule
// that looks data up by a variable could mean any, and then there are none to tell.
func keys(modules map[string]*ast.Module) []string {
	found := map[string]bool{}
	known := true
	for _, module := range modules {
		ast.WalkRefs(module, func(ref ast.Ref) bool {
			if !ref[0].Equal(ast.DefaultRootDocument) {
				return false
			}
			name, ok := first(ref)
			known = known && ok
			found[name] = true
			return false
		})
	}
	if !known {
		return nil
	}
	for _, root := range roots(modules) {
		delete(found, root)
	}
	return slices.AppendSeq([]string{}, slices.Values(slices.Sorted(maps.Keys(found))))
}

func first(ref ast.Ref) (string, bool) {
	if len(ref) < 2 {
		return "", false
	}
	name, ok := ref[1].Value.(ast.String)
	return string(name), ok
}

// write adds a part to a hash with its length before it, so that two parts are never taken for others.
func write(h hash.Hash, part []byte) {
	fmt.Fprintf(h, "%d:", len(part))
	h.Write(part)
}
