package openapi

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// direction is who writes what a schema is of. What is asked may be taken more freely than before, what is answered may
// be told more strictly.
type direction string

const (
	questions direction = "question"
	answers   direction = "answer"
)

// schema is what is compared of a JSON Schema. A keyword that changes what fits and is not here goes unnoticed.
type schema struct {
	Ref                  string            `json:"$ref"`
	Type                 kinds             `json:"type"`
	AllOf                []schema          `json:"allOf"`
	AnyOf                []schema          `json:"anyOf"`
	Properties           map[string]schema `json:"properties"`
	Required             []string          `json:"required"`
	AdditionalProperties *schema           `json:"additionalProperties"`
	Items                *schema           `json:"items"`
	Enum                 []any             `json:"enum"`
	Const                any               `json:"const"`
	Default              any               `json:"default"`
	Pattern              string            `json:"pattern"`
	Format               string            `json:"format"`
	Minimum              *float64          `json:"minimum"`
	Maximum              *float64          `json:"maximum"`
	MinLength            *float64          `json:"minLength"`
	MaxLength            *float64          `json:"maxLength"`

	// nothing is the schema false, which nothing fits.
	nothing bool
}

// UnmarshalJSON reads a schema, which may also be true or false.
func (s *schema) UnmarshalJSON(data []byte) error {
	if string(data) == "true" || string(data) == "false" {
		*s = schema{nothing: string(data) == "false"}
		return nil
	}
	type plain schema
	return json.Unmarshal(data, (*plain)(s))
}

// kinds are the types that a value may have; none is any.
type kinds []string

// UnmarshalJSON reads one type, or several.
func (k *kinds) UnmarshalJSON(data []byte) error {
	var one string
	if json.Unmarshal(data, &one) == nil {
		*k = kinds{one}
		return nil
	}
	return json.Unmarshal(data, (*[]string)(k))
}

// holds says whether all types of others are among these.
func (k kinds) holds(others kinds) bool {
	if len(k) == 0 {
		return true
	}
	// A whole number is a number.
	fits := func(one string) bool {
		return slices.Contains(k, one) || (one == "integer" && slices.Contains(k, "number"))
	}
	return len(others) > 0 && !slices.ContainsFunc(others, func(one string) bool { return !fits(one) })
}

func (k kinds) String() string {
	if len(k) == 0 {
		return "anything"
	}
	return strings.Join(k, " or ")
}

// flat is a schema with what it refers to and what it joins put in.
func (s schema) flat(in document) schema {
	if s.Ref != "" {
		named, there := in.Components.Schemas[strings.TrimPrefix(s.Ref, schemas)]
		if !there {
			return schema{nothing: true}
		}
		return named.flat(in)
	}
	for _, part := range s.AllOf {
		part = part.flat(in)
		s.Required = slices.Concat(s.Required, part.Required)
		if s.Properties == nil {
			s.Properties = part.Properties
		}
		if s.Type == nil {
			s.Type = part.Type
		}
		if s.AdditionalProperties == nil {
			s.AdditionalProperties = part.AdditionalProperties
		}
	}
	// Either it or null is the one choice that there is.
	for _, choice := range s.AnyOf {
		choice = choice.flat(in)
		if slices.Equal(choice.Type, kinds{"null"}) {
			continue
		}
		choice.Type = append(slices.Clone(choice.Type), "null")
		return choice
	}
	return s
}

// schema compares what may be sent at one place.
func (c *comparison) schema(way direction, was, is schema) {
	if was.Ref != "" || is.Ref != "" {
		pair := [3]string{was.Ref, is.Ref, string(way)}
		if c.seen[pair] && was.Ref != "" && is.Ref != "" {
			// What is wrong with it has been said where it was met first.
			return
		}
		c.seen[pair] = true
	}
	was, is = was.flat(c.was), is.flat(c.is)
	if way == questions && !is.Type.holds(was.Type) || way == answers && !was.Type.holds(is.Type) {
		c.broke("the type was %s and is %s", was.Type, is.Type)
		return
	}
	c.values(way, was, is)
	c.bounds(way, was, is)
	c.properties(way, was, is)
	if was.Items != nil && is.Items != nil {
		c.within("[]", func() { c.schema(way, *was.Items, *is.Items) })
	} else if (was.Items == nil) != (is.Items == nil) && (way == answers) == (is.Items == nil) {
		c.broke("what the list holds is no longer told")
	}
	switch old, now := was.AdditionalProperties, is.AdditionalProperties; {
	case old != nil && now != nil && !old.nothing && !now.nothing:
		c.within(".*", func() { c.schema(way, *old, *now) })
	case way == questions && now != nil && now.nothing && (old == nil || !old.nothing):
		c.broke("further fields are refused now")
	case way == answers && old != nil && !old.nothing && (now == nil || now.nothing):
		c.broke("what the fields hold is no longer told")
	}
}

// values compares which values there are, and how they are written.
func (c *comparison) values(way direction, was, is schema) {
	for _, value := range was.Enum {
		if is.Enum != nil && !slices.Contains(is.Enum, value) {
			c.broke("the value %v is gone", value)
		}
	}
	if way == questions && was.Enum == nil && is.Enum != nil {
		c.broke("only some values are taken now: %v", is.Enum)
	}
	if was.Const != is.Const && (way == answers && was.Const != nil || way == questions && is.Const != nil) {
		c.broke("the value was %v and is %v", was.Const, is.Const)
	}
	if way == questions && fmt.Sprint(was.Default) != fmt.Sprint(is.Default) {
		c.broke("the default was %v and is %v", was.Default, is.Default)
	}
	for _, form := range []struct{ what, was, is string }{{"pattern", was.Pattern, is.Pattern}, {"format", was.Format, is.Format}} {
		if form.was != form.is && (way == answers && form.was != "" || way == questions && form.is != "") {
			c.broke("the %s was %q and is %q", form.what, form.was, form.is)
		}
	}
}

// bounds compares how large what is asked may be.
func (c *comparison) bounds(way direction, was, is schema) {
	if way == answers {
		return
	}
	for _, least := range []struct {
		what    string
		was, is *float64
	}{{"least", was.Minimum, is.Minimum}, {"least length", was.MinLength, is.MinLength}} {
		if least.is != nil && (least.was == nil || *least.is > *least.was) {
			c.broke("the %s is %v now", least.what, *least.is)
		}
	}
	for _, most := range []struct {
		what    string
		was, is *float64
	}{{"most", was.Maximum, is.Maximum}, {"longest length", was.MaxLength, is.MaxLength}} {
		if most.is != nil && (most.was == nil || *most.is < *most.was) {
			c.broke("the %s is %v now", most.what, *most.is)
		}
	}
}

func (c *comparison) properties(way direction, was, is schema) {
	for _, name := range slices.Sorted(maps.Keys(was.Properties)) {
		now, there := is.Properties[name]
		if !there {
			c.broke("the field %s is gone", name)
			continue
		}
		if way == answers && slices.Contains(was.Required, name) && !slices.Contains(is.Required, name) {
			c.broke("the field %s may be missing now", name)
		}
		c.within("."+name, func() { c.schema(way, was.Properties[name], now) })
	}
	if way == answers {
		return
	}
	required := slices.Clone(is.Required)
	slices.Sort(required)
	for _, name := range slices.Compact(required) {
		if !slices.Contains(was.Required, name) {
			c.broke("the field %s is required now", name)
		}
	}
}
