package policy

import (
	"context"
	"maps"
	"time"

	"github.com/open-policy-agent/opa/v1/ast"
	"github.com/open-policy-agent/opa/v1/rego"
	"github.com/open-policy-agent/opa/v1/storage/inmem"
)

// Rules may define one document that depends on the data alone, and find it again at another place. Reading a
// thousand freeze windows takes longer than a decision may, and their answer is the same until they change.
const (
	preparation = "data.release.prepare"
	// preparedRoot and preparedName are where the document is put: a place that data of an installation cannot have,
	// since the name is the rules' own.
	preparedRoot = "release"
	preparedName = "prepared"
)

// preparedWithin ends a preparation that would not end. It is far longer than a megabyte of data takes.
const preparedWithin = 10 * time.Second

// prepare adds to the data what the rules work out from it. Where that fails, each decision works it out for itself
// and denies for the same failure, so there is nothing to report here.
func (r *rules) prepare(ctx context.Context, data map[string]any) map[string]any {
	if len(r.compiler.GetRulesExact(ast.MustParseRef(preparation))) == 0 {
		return data
	}
	ctx, cancel := context.WithTimeout(ctx, preparedWithin)
	defer cancel()
	results, err := rego.New(
		rego.Query(preparation), rego.Compiler(r.compiler), rego.Store(inmem.NewFromObject(data)), rego.StrictBuiltinErrors(true),
	).Eval(ctx)
	if err != nil || len(results) != 1 || len(results[0].Expressions) != 1 {
		return data
	}
	out := maps.Clone(data)
	out[preparedRoot] = map[string]any{preparedName: results[0].Expressions[0].Value}
	return out
}
