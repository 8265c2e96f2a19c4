package openapi

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// Breaks says what in a new document would break who was built on an old one, a sentence each, in the order of the paths;
// nothing when everything old goes on to work. What is added breaks nobody: operations, optional parameters and fields of
// requests, fields and values of answers. The error is for documents that cannot be read.
func Breaks(before, after []byte) ([]string, error) {
	var was, is document
	if err := json.Unmarshal(before, &was); err != nil {
		return nil, fmt.Errorf("read the old document: %w", err)
	}
	if err := json.Unmarshal(after, &is); err != nil {
		return nil, fmt.Errorf("read the new document: %w", err)
	}
	c := &comparison{was: was, is: is, seen: map[[3]string]bool{}}
	for _, path := range slices.Sorted(maps.Keys(was.Paths)) {
		for _, method := range slices.Sorted(maps.Keys(was.Paths[path])) {
			c.at = strings.ToUpper(method) + " " + path
			now, there := is.Paths[path][method]
			if !there {
				c.broke("the operation is gone")
				continue
			}
			c.operation(was.Paths[path][method], now)
		}
	}
	return c.found, nil
}

// document is what is compared of an OpenAPI document.
type document struct {
	Paths      map[string]map[string]operation `json:"paths"`
	Components struct {
		Schemas map[string]schema `json:"schemas"`
	} `json:"components"`
}

type operation struct {
	ID          string             `json:"operationId"`
	Scope       string             `json:"x-skyisland-scope"`
	Tenants     string             `json:"x-skyisland-tenants"`
	Parameters  []parameter        `json:"parameters"`
	RequestBody *body              `json:"requestBody"`
	Responses   map[string]content `json:"responses"`
}

type parameter struct {
	Name     string `json:"name"`
	In       string `json:"in"`
	Required bool   `json:"required"`
	Schema   schema `json:"schema"`
}

type body struct {
	content

	Required bool `json:"required"`
}

type content struct {
	Content map[string]struct {
		Schema schema `json:"schema"`
	} `json:"content"`
}

// comparison goes through two documents.
type comparison struct {
	was, is document
	// at is where it is, found what it has found there.
	at    string
	found []string
	// seen are the pairs of named schemas that it has gone into, for each direction: a type may hold itself.
	seen map[[3]string]bool
}

func (c *comparison) broke(format string, args ...any) {
	c.found = append(c.found, c.at+": "+fmt.Sprintf(format, args...))
}

// within goes on at a place.
func (c *comparison) within(place string, do func()) {
	at := c.at
	c.at += place
	do()
	c.at = at
}

func (c *comparison) operation(was, is operation) {
	for _, word := range []struct{ what, was, is string }{
		{"operation ID", was.ID, is.ID}, {"scope", was.Scope, is.Scope}, {"rule for tenants", was.Tenants, is.Tenants},
	} {
		if word.was != word.is {
			c.broke("the %s was %q and is %q", word.what, word.was, word.is)
		}
	}
	c.parameters(was.Parameters, is.Parameters)
	c.body(was.RequestBody, is.RequestBody)
	for _, status := range slices.Sorted(maps.Keys(was.Responses)) {
		now, there := is.Responses[status]
		if !there {
			c.broke("it no longer answers %s", status)
			continue
		}
		for _, media := range slices.Sorted(maps.Keys(was.Responses[status].Content)) {
			one, there := now.Content[media]
			if !there {
				c.broke("%s is no longer sent as %s", status, media)
				continue
			}
			c.within(" "+status, func() { c.schema(answers, was.Responses[status].Content[media].Schema, one.Schema) })
		}
	}
}

func (c *comparison) parameters(was, is []parameter) {
	find := func(in []parameter, p parameter) int {
		return slices.IndexFunc(in, func(other parameter) bool { return other.In == p.In && other.Name == p.Name })
	}
	for _, old := range was {
		i := find(is, old)
		if i < 0 {
			c.broke("the parameter %s is gone, and refused", old.Name)
			continue
		}
		c.within(" parameter "+old.Name, func() { c.schema(questions, old.Schema, is[i].Schema) })
	}
	for _, now := range is {
		if i := find(was, now); now.Required && (i < 0 || !was[i].Required) {
			c.broke("the parameter %s is required now", now.Name)
		}
	}
}

func (c *comparison) body(was, is *body) {
	switch {
	case was == nil && is == nil:
		return
	case is == nil:
		c.broke("it no longer takes a body")
		return
	case is.Required && (was == nil || !was.Required):
		c.broke("a body is required now")
	}
	if was == nil {
		return
	}
	for _, media := range slices.Sorted(maps.Keys(was.Content)) {
		one, there := is.Content[media]
		if !there {
			c.broke("it no longer takes %s", media)
			continue
		}
		c.within(" body", func() { c.schema(questions, was.Content[media].Schema, one.Schema) })
	}
}
