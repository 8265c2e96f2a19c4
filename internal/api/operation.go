package api

import (
	"errors"
	"fmt"
	"net/http"
	"regexp"
	"slices"

	"github.com/skyisland/skyisland/internal/release"
)

// Operation is one thing that the API does, described so far that the server is built from it, the
// OpenAPI document is generated from it, and the tests know how to try it.
type Operation struct {
	// Method and Path are as [http.ServeMux] takes them.
	Method, Path string
	// ID names the operation for programs, such as listReleases. Tag is the group it stands in.
	ID, Tag string
	// Summary is a sentence for people.
	Summary string
	// Scope is what the token needs; empty for an operation that any token may use.
	Scope release.Scope
	// Tenants says how a token that is limited to tenants is kept to them.
	Tenants TenantRule
	// Query are the parameters after the question mark; those of the path follow from Path.
	Query []Param
	// Body is a value of the type that the request's body is read into; nil for none. Needs are fields of it that are
	// optional elsewhere and required here.
	Body  any
	Needs []string
	// Status is that of success; Answer is a value of the type that is sent then. Media is the media type; empty is JSON.
	Status int
	Answer any
	Media  string
	// Streams says that the answer comes bit by bit, for as long as the client likes.
	Streams bool
	// Pages says that the answer is one page of a list.
	Pages bool
	// Keyed says that an Idempotency-Key makes the request safe to send again.
	Keyed bool
	// Named says that what is done has an identity of its own, made from the key, or does no harm when it is done twice: it
	// is done also where keys cannot be kept.
	Named bool
	// Fresh says that the answer tells more with time: a request that comes again with its key is not done again, but is
	// answered as things are then.
	Fresh bool
	// Problems are the codes it can answer beside those that every operation of its kind can, see [Operation.Codes].
	Problems []string

	serve func(*Server, http.ResponseWriter, *http.Request)
}

// TenantRule is how a token that is limited to tenants is kept to them.
type TenantRule string

// The rules for tenants. There is no standard: whoever adds an operation decides.
const (
	// TenantPublic needs no token at all.
	TenantPublic TenantRule = "public"
	// TenantNone is for what says nothing of any tenant.
	TenantNone TenantRule = "none"
	// TenantPath has the tenant in its path: that of another is answered as one that is not there.
	TenantPath TenantRule = "path"
	// TenantFilter is for lists, which hold only what is of the token's tenants.
	TenantFilter TenantRule = "filter"
	// TenantOwn is for single things whose tenant is not in the path: the handler looks whose it is.
	TenantOwn TenantRule = "own"
	// TenantAll is for what is of all tenants together: only tokens for all of them may.
	TenantAll TenantRule = "all"
)

// Param is a parameter after the question mark.
type Param struct {
	Name, Meaning string
	// Type is string, integer, boolean, time, duration or name.
	Type string
	// Required parameters have no default.
	Required bool
	// Default is told; it is the handler that has it. Min and Max bound integers.
	Default  any
	Min, Max int
	// Values are all there are; nil for any.
	Values []string
	// Old says that another parameter has replaced it.
	Old bool
	// Aside says that it changes how the answer comes and not what is done: with another value it is the same request.
	Aside bool
}

// Pattern is method and path.
func (o Operation) Pattern() string { return o.Method + " " + o.Path }

// Codes are the codes of all problems that it can answer, in the order of [Problems].
func (o Operation) Codes() []string {
	codes := []string{CodeBadRequest, CodeInternal}
	if o.Tenants != TenantPublic {
		codes = append(codes, CodeUnauthorized, CodeUnknownPerson, CodeUnavailable)
	}
	if o.Scope != "" {
		codes = append(codes, CodeScope)
	}
	if o.Tenants == TenantPath {
		codes = append(codes, CodeNotFound)
	}
	if o.Tenants == TenantAll {
		codes = append(codes, CodeTenant)
	}
	if o.Body != nil || o.Keyed {
		codes = append(codes, CodeTooLarge)
	}
	if o.Body != nil {
		codes = append(codes, CodeUnsupported)
	}
	if o.Keyed {
		codes = append(codes, CodeKeyReused, CodeInProgress)
	}
	return append(codes, o.Problems...)
}

// pathParams finds the parameters of a path.
var pathParams = regexp.MustCompile(`\{([a-z]+)\}`)

// PathParams are the names of the parameters in the path, in their order.
func (o Operation) PathParams() []string {
	var names []string
	for _, found := range pathParams.FindAllStringSubmatch(o.Path, -1) {
		names = append(names, found[1])
	}
	return names
}

// check says what an operation lacks.
func (o Operation) check() error {
	var faults []error
	fault := func(wrong bool, what string) {
		if wrong {
			faults = append(faults, fmt.Errorf("operation %s %s: %s", o.ID, o.Pattern(), what))
		}
	}
	rules := []TenantRule{TenantPublic, TenantNone, TenantPath, TenantFilter, TenantOwn, TenantAll}
	fault(o.ID == "" || o.Tag == "" || o.Summary == "" || o.serve == nil, "it needs an ID, a tag, a summary and what serves it")
	fault(!slices.Contains(rules, o.Tenants), "say how it keeps a token to its tenants")
	fault(slices.Contains(o.PathParams(), "tenant") != (o.Tenants == TenantPath), "a tenant in the path and the rule path go together")
	fault(o.Tenants == TenantPublic && o.Scope != "", "what is public needs no scope")
	fault(o.Scope != "" && release.CheckScope(o.Scope) != nil, "its scope is none")
	fault(o.Scope == "" && o.Tenants != TenantPublic && o.Tenants != TenantNone, "what is of tenants needs a scope")
	fault(o.Status == 0 || (o.Answer == nil && o.Media == ""), "say what it answers")
	fault(o.Keyed != (o.Method == http.MethodPost), "what is posted is keyed, and nothing else")
	fault((o.Named || o.Fresh) && !o.Keyed || o.Fresh && !o.Named, "only what is keyed has an identity, and only what has one can be answered anew")
	fault(o.Pages && !o.takes("cursor"), "a page is asked for with limit and cursor: see paging")
	for _, param := range o.Query {
		fault(param.Name == "" || param.Meaning == "" || param.Type == "", "parameter "+param.Name+" needs a name, a meaning and a type")
	}
	for _, code := range o.Problems {
		fault(!slices.ContainsFunc(Problems(), func(p ProblemKind) bool { return p.Code == code }), "there is no problem "+code)
	}
	return errors.Join(faults...)
}

func (o Operation) takes(name string) bool {
	return slices.ContainsFunc(o.Query, func(p Param) bool { return p.Name == name })
}

// names are the parameters it knows.
func (o Operation) names() []string {
	names := make([]string, len(o.Query))
	for i, param := range o.Query {
		names[i] = param.Name
	}
	return names
}

// checkOperations says what is wrong with a list of operations.
func checkOperations(all []Operation) error {
	var faults []error
	seen := map[string]bool{}
	for _, o := range all {
		faults = append(faults, o.check())
		for _, name := range []string{o.ID, o.Pattern()} {
			if seen[name] {
				faults = append(faults, fmt.Errorf("operation %s is there twice", name))
			}
			seen[name] = true
		}
	}
	return errors.Join(faults...)
}
