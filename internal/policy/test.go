package policy

import (
	"context"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strings"
	"time"

	"github.com/open-policy-agent/opa/v1/ast"
	"github.com/open-policy-agent/opa/v1/cover"
	"github.com/open-policy-agent/opa/v1/storage/inmem"
	"github.com/open-policy-agent/opa/v1/tester"
)

// testTimeout bounds one test of rules.
const testTimeout = 10 * time.Second

// TestReport is how the tests of a folder of rules ended.
type TestReport struct {
	Passed int `json:"passed"`
	// Failed are the tests that did not pass, with why.
	Failed []string `json:"failed,omitempty"`
	// Coverage is the part of the rules' lines that the tests reached, in percent; Missed names the others as file:lines.
	Coverage float64  `json:"coverage"`
	Missed   []string `json:"missed,omitempty"`
}

// Test runs the tests (rules that begin with test_ in *_test.rego) of a folder of rules. Its error is of rules that cannot
// be read or compiled; a test that fails is in the report.
func Test(ctx context.Context, bundle fs.FS) (TestReport, error) {
	modules := map[string]*ast.Module{}
	err := fs.WalkDir(bundle, ".", func(name string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() || path.Ext(name) != ".rego" {
			return err
		}
		text, err := fs.ReadFile(bundle, name)
		if err != nil {
			return err
		}
		modules[name], err = ast.ParseModuleWithOpts(name, string(text), ast.ParserOptions{ProcessAnnotation: true, RegoVersion: ast.RegoV1})
		return err
	})
	if err != nil {
		return TestReport{}, fmt.Errorf("read policies: %w", err)
	}
	if len(modules) == 0 {
		return TestReport{}, fmt.Errorf("read policies: there is no *.rego file")
	}
	coverage := cover.New()
	store := inmem.New()
	runner := tester.NewRunner().SetStore(store).SetModules(modules).SetTimeout(testTimeout).SetCoverageQueryTracer(coverage).CapturePrintOutput(true).
		SetDefaultRegoVersion(ast.RegoV1)
	txn, err := store.NewTransaction(ctx)
	if err != nil {
		return TestReport{}, fmt.Errorf("test policies: %w", err)
	}
	defer store.Abort(ctx, txn)
	results, err := runner.RunTests(ctx, txn)
	if err != nil {
		return TestReport{}, fmt.Errorf("test policies: %w", err)
	}
	var report TestReport
	for result := range results {
		if result.Pass() || result.Skip {
			report.Passed++
			continue
		}
		why := "it is false"
		if result.Error != nil {
			why = result.Error.Error()
		}
		if output := strings.TrimSpace(string(result.Output)); output != "" {
			why += ": " + output
		}
		report.Failed = append(report.Failed, fmt.Sprintf("%s: %s.%s: %s", result.Location, result.Package, result.Name, why))
	}
	slices.Sort(report.Failed)
	covered := coverage.Report(modules)
	report.Coverage = covered.Coverage
	for _, name := range sortedFiles(covered.Files) {
		for _, missed := range covered.Files[name].NotCovered {
			report.Missed = append(report.Missed, fmt.Sprintf("%s:%d-%d", name, missed.Start.Row, missed.End.Row))
		}
	}
	return report, ctx.Err()
}

func sortedFiles(files map[string]*cover.FileReport) []string {
	var out []string
	for name := range files {
		if !strings.HasSuffix(name, "_test.rego") {
			out = append(out, name)
		}
	}
	slices.Sort(out)
	return out
}
