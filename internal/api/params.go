package api

import (
	"context"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/skyisland/skyisland/internal/release"
)

// params are the parameters of a request, checked against the operation's description.
type params struct {
	operation Operation
	values    url.Values
}

// paramsOf are those of a request that the server has let through.
func paramsOf(ctx context.Context) params {
	p, _ := ctx.Value(paramsKey).(params)
	return p
}

// readParams reads a request's parameters. One nobody knows is refused: a mistyped filter would answer with everything.
func readParams(r *http.Request, o Operation) (params, error) {
	values, err := url.ParseQuery(r.URL.RawQuery)
	if err != nil {
		return params{}, badRequest("the parameters cannot be read: %v", err)
	}
	names := o.names()
	for name, given := range values {
		if !slices.Contains(names, name) {
			if len(names) == 0 {
				return params{}, badRequest("there is no parameter %q here: there are none", name)
			}
			return params{}, badRequest("there is no parameter %q here: there are %s", name, strings.Join(names, ", "))
		}
		if len(given) > 1 {
			return params{}, badRequest("the parameter %s is there %d times: give it once", name, len(given))
		}
	}
	for _, param := range o.Query {
		if err := param.check(values.Get(param.Name)); err != nil {
			return params{}, err
		}
	}
	return params{o, values}, nil
}

// check says what is wrong with a parameter, and what would be right.
func (p Param) check(value string) error {
	if value == "" && !p.Required {
		return nil
	}
	switch p.Type {
	case "integer":
		if n, err := strconv.Atoi(value); err != nil || n < p.Min || n > p.Max {
			return badRequest("%s=%q: want a number from %d to %d", p.Name, value, p.Min, p.Max)
		}
	case "boolean":
		if _, err := strconv.ParseBool(value); err != nil {
			return badRequest("%s=%q: want true or false", p.Name, value)
		}
	case "time":
		if _, err := time.Parse(time.RFC3339, value); err != nil {
			return badRequest("%s=%q: want a time such as 2026-11-20T00:00:00Z", p.Name, value)
		}
	case "duration":
		if d, err := release.ParseDuration(value); err != nil || d < 0 {
			return badRequest("%s=%q: want a length of time such as 10s", p.Name, value)
		}
	case "name":
		if err := release.CheckName(value); err != nil {
			return badRequest("%s %v", p.Name, err)
		}
	}
	if len(p.Values) > 0 && !slices.Contains(p.Values, value) {
		return badRequest("there is no %s %q: there are %s", p.Name, value, strings.Join(p.Values, ", "))
	}
	return nil
}

func (p params) standard(name string) any {
	for _, param := range p.operation.Query {
		if param.Name == name {
			return param.Default
		}
	}
	return nil
}

// text is a parameter as it was given; its default when it was not.
func (p params) text(name string) string {
	if value := p.values.Get(name); value != "" {
		return value
	}
	standard, _ := p.standard(name).(string)
	return standard
}

// number is an integer that was checked.
func (p params) number(name string) int {
	if n, err := strconv.Atoi(p.values.Get(name)); err == nil {
		return n
	}
	standard, _ := p.standard(name).(int)
	return standard
}

// flag is true or false; false when it was not given.
func (p params) flag(name string) bool {
	on, err := strconv.ParseBool(p.values.Get(name))
	return err == nil && on
}

// moment is a time that was checked.
func (p params) moment(name string) time.Time {
	at, err := time.Parse(time.RFC3339, p.values.Get(name))
	if err != nil {
		return time.Time{}
	}
	return at
}

// length is a length of time that was checked; 0 when it was not given.
func (p params) length(name string) time.Duration {
	d, err := release.ParseDuration(p.values.Get(name))
	if err != nil {
		return 0
	}
	return d.Std()
}
