// Package openapi describes the API for programs: the OpenAPI 3.1 document of what package api lists and of the Go types
// that it names, and what would break those who rely on an earlier one.
package openapi

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/skyisland/skyisland/internal/api"
	"github.com/skyisland/skyisland/internal/release"
)

// Version is the version of the contract: its first part is that of the path, and grows when something breaks. The second
// grows when something is added.
const Version = "1.1"

// object is a JSON object on its way; it is written with its keys in order.
type object = map[string]any

// Document is the OpenAPI document of operations. Root is the repository's folder, where the comments of types are read.
func Document(operations []api.Operation, root string) ([]byte, error) {
	types, err := newTypes(root)
	if err != nil {
		return nil, err
	}
	paths := object{}
	for _, o := range operations {
		described, err := describe(o, types)
		if err != nil {
			return nil, fmt.Errorf("describe %s: %w", o.ID, err)
		}
		path, _ := paths[o.Path].(object)
		if path == nil {
			path = object{}
			paths[o.Path] = path
		}
		path[strings.ToLower(o.Method)] = described
	}
	if _, err := types.response(api.Problem{}); err != nil {
		return nil, err
	}
	document := object{
		"openapi": "3.1.0",
		"info": object{
			"title": "Sky Island", "version": Version,
			"description": "Takes a git push to full production traffic, safely, and brings it back by itself when it was wrong. docs/api.md explains it to people. " +
				"Within /api/v1 things are added and nothing is taken away: take no offence at fields and values that you do not know.",
			"license": object{"name": "Apache 2.0", "identifier": "Apache-2.0"},
		},
		"servers": []any{object{"url": "/"}},
		"paths":   paths,
		"components": object{
			"schemas": types.all,
			"securitySchemes": object{"token": object{
				"type": "http", "scheme": "bearer",
				"description": "A token of the server's configuration. Each operation names the scope that it needs: " + scopes() + ".",
			}},
		},
	}
	var out bytes.Buffer
	encoder := json.NewEncoder(&out)
	encoder.SetEscapeHTML(false)
	encoder.SetIndent("", "  ")
	if err := encoder.Encode(document); err != nil {
		return nil, fmt.Errorf("write the document: %w", err)
	}
	return out.Bytes(), nil
}

func scopes() string {
	names := make([]string, 0, len(release.Scopes()))
	for _, scope := range release.Scopes() {
		names = append(names, string(scope))
	}
	return strings.Join(names, ", ")
}

// describe is one operation.
func describe(o api.Operation, types *types) (object, error) {
	out := object{"operationId": o.ID, "tags": []string{o.Tag}, "summary": o.Summary, "x-skyisland-tenants": string(o.Tenants)}
	if o.Scope != "" {
		out["x-skyisland-scope"] = string(o.Scope)
	}
	if o.Tenants == api.TenantPublic {
		out["security"] = []any{}
	} else {
		out["security"] = []any{object{"token": []string{}}}
		if o.Scope != "" {
			// OpenAPI 3.1 lets any security scheme name what a role must have.
			out["security"] = []any{object{"token": []string{string(o.Scope)}}}
		}
	}
	if all := parameters(o); len(all) > 0 {
		out["parameters"] = all
	}
	if o.Body != nil {
		schema, err := types.request(o.Body)
		if err != nil {
			return nil, err
		}
		if len(o.Needs) > 0 {
			schema = object{"allOf": []any{schema, object{"required": o.Needs}}}
		}
		required, err := types.demands(o)
		if err != nil {
			return nil, err
		}
		out["requestBody"] = object{"required": required, "content": object{"application/json": object{"schema": schema}}}
	}
	responses, err := responses(o, types)
	out["responses"] = responses
	return out, err
}

func responses(o api.Operation, types *types) (object, error) {
	good := object{"description": "Done."}
	switch {
	case o.Media != "":
		media, _, _ := strings.Cut(o.Media, ";")
		good["content"] = object{media: object{"schema": object{"type": "string"}}}
	default:
		schema, err := types.response(o.Answer)
		if err != nil {
			return nil, err
		}
		good["content"] = object{"application/json": object{"schema": schema}}
	}
	headers := object{"X-Request-Id": object{"description": "Names the request in the server's log.", "schema": object{"type": "string"}}}
	if o.Pages {
		headers["Link"] = object{"description": "The next page, where there is one (RFC 8288).", "schema": object{"type": "string"}}
	}
	if o.Keyed {
		headers["Idempotency-Replayed"] = object{"description": "true when this is the answer that was kept, and nothing was done.", "schema": object{"const": "true"}}
	}
	good["headers"] = headers
	out := object{strconv.Itoa(o.Status): good}
	codes := o.Codes()
	byStatus := map[int][]string{}
	for _, problem := range api.Problems() {
		if slices.Contains(codes, problem.Code) {
			byStatus[problem.Status] = append(byStatus[problem.Status], "`"+problem.Code+"`: "+problem.Meaning)
		}
	}
	for status, meanings := range byStatus {
		out[strconv.Itoa(status)] = object{
			"description": strings.Join(meanings, "; "),
			"content":     object{api.ProblemType: object{"schema": object{"$ref": schemas + "Problem"}}},
		}
	}
	return out, nil
}

func parameters(o api.Operation) []any {
	var out []any
	for _, name := range o.PathParams() {
		schema := object{"type": "string"}
		switch name {
		case "number", "event":
			schema = object{"type": "integer", "minimum": 1}
		case "tenant", "application", "environment":
			schema["pattern"] = namePattern
		}
		out = append(out, object{"name": name, "in": "path", "required": true, "schema": schema})
	}
	for _, param := range o.Query {
		one := object{"name": param.Name, "in": "query", "description": param.Meaning, "schema": paramSchema(param)}
		if param.Required {
			one["required"] = true
		}
		if param.Old {
			one["deprecated"] = true
		}
		out = append(out, one)
	}
	if o.Keyed {
		out = append(out, object{
			"name": "Idempotency-Key", "in": "header",
			"description": "Makes the request safe to send again: within 24 hours the same key with the same request is answered as the first time, and nothing is done.",
			"schema":      object{"type": "string", "minLength": 1, "maxLength": 257},
		})
	}
	return out
}

func paramSchema(p api.Param) object {
	schema := object{"type": "string"}
	switch p.Type {
	case "integer":
		schema = object{"type": "integer", "minimum": p.Min, "maximum": p.Max}
	case "boolean":
		schema = object{"type": "boolean"}
	case "time":
		schema["format"] = "date-time"
	case "duration":
		schema["pattern"] = durationPattern
	case "name":
		schema["pattern"] = namePattern
	}
	if p.Default != nil {
		schema["default"] = p.Default
	}
	if len(p.Values) > 0 {
		schema["enum"] = p.Values
	}
	return schema
}
