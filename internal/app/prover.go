package app

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"strings"

	"github.com/skyisland/skyisland/activities"
	"github.com/skyisland/skyisland/internal/cases"
	"github.com/skyisland/skyisland/internal/pressure"
	"github.com/skyisland/skyisland/internal/release"
)

// shownFailures is how many failed cases a release's cause lists.
const shownFailures = 10

// prover tries candidates with the function cases and the pressure gate.
type prover struct{}

// Cases runs the component's cases against every instance.
func (prover) Cases(ctx context.Context, dir string, candidate activities.Candidate, progress func(string)) (activities.ProofReport, error) {
	all, err := loadCases(dir, candidate.Patterns)
	if err != nil {
		return casesUnusable(err), nil
	}
	target := cases.Target{Endpoints: candidate.Endpoints, Host: candidate.Ingress.Host, Path: candidate.Ingress.Path}
	result, err := cases.Run(ctx, target, all, func(n, of int) { progress(fmt.Sprintf("%d of %d cases", n, of)) })
	if err != nil {
		return activities.ProofReport{}, err
	}
	report := activities.ProofReport{Summary: fmt.Sprintf("%d cases passed on %d instances", len(all), len(candidate.Endpoints))}
	if failed := result.Failed(); failed > 0 {
		report.Failure = fmt.Sprintf("%d of %d answers were wrong", failed, failed+result.Passed)
		for _, failure := range result.Failures[:min(shownFailures, len(result.Failures))] {
			report.Details = append(report.Details, failure.String())
		}
	}
	return report, nil
}

// Press drives the load of the manifest at the candidate. What is asked are its cases' requests, or
// its route when it has none.
func (prover) Press(ctx context.Context, dir string, candidate activities.Candidate, spec release.Pressure, progress func(string)) (activities.ProofReport, error) {
	requests := []pressure.Request{{Path: candidate.Ingress.Path}}
	if len(candidate.Patterns) > 0 {
		all, err := loadCases(dir, candidate.Patterns)
		if err != nil {
			return casesUnusable(err), nil
		}
		if requests, err = pressureRequests(all, candidate.Ingress.Path); err != nil {
			return activities.ProofReport{}, err
		}
	}
	report, err := pressure.Run(ctx, pressure.Job{
		Endpoints: candidate.Endpoints, Host: candidate.Ingress.Host, Requests: requests, Spec: spec, OnProgress: progress,
	})
	if err != nil {
		return activities.ProofReport{}, err
	}
	proof := activities.ProofReport{Summary: report.Verdict.Summary, Details: report.Verdict.Reasons}
	if !report.Verdict.Pass {
		proof.Failure = report.Verdict.Summary
		if len(report.Verdict.Reasons) > 0 {
			proof.Failure = report.Verdict.Reasons[0]
		}
	}
	return proof, nil
}

// loadCases reads the case files of a working copy; links that leave it are not followed.
func loadCases(dir string, patterns []string) ([]cases.Case, error) {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, fmt.Errorf("open the working copy: %w", err)
	}
	defer func() { _ = root.Close() }()
	return cases.Load(root.FS(), patterns)
}

// casesUnusable is the report on case files that cannot be read. They are the commit's own: reading
// them again would not make them better.
func casesUnusable(err error) activities.ProofReport {
	return activities.ProofReport{Failure: "the case files cannot be used", Details: strings.Split(err.Error(), "\n")}
}

// pressureRequests are the requests of the cases that are meant to succeed. A case that expects an
// error would count as a failure under load.
func pressureRequests(all []cases.Case, path string) ([]pressure.Request, error) {
	var out []pressure.Request
	for _, c := range all {
		if c.Expect.Status >= http.StatusBadRequest {
			continue
		}
		request := pressure.Request{Method: c.Request.Method, Path: c.Request.Path, Header: http.Header{}, Body: []byte(c.Request.Body)}
		if request.Path == "" {
			request.Path = path
		}
		if len(c.Request.Query) > 0 {
			query := url.Values{}
			for name, value := range c.Request.Query {
				query.Set(name, value)
			}
			request.Path += "?" + query.Encode()
		}
		for name, value := range c.Request.Headers {
			request.Header.Set(name, value)
		}
		if c.Request.JSON != nil {
			body, err := json.Marshal(c.Request.JSON)
			if err != nil {
				return nil, fmt.Errorf("case %s: %w", c.Name, err)
			}
			request.Body = body
			request.Header.Set("Content-Type", "application/json")
		}
		out = append(out, request)
	}
	if len(out) == 0 {
		return []pressure.Request{{Path: path}}, nil
	}
	return out, nil
}
