package release

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
)

// Lane names one application in one environment: the place where its releases queue.
type Lane struct {
	Tenant      string `json:"tenant"`
	Application string `json:"application"`
	Environment string `json:"environment"`
}

// name is what a tenant, application, environment, component or unit may be called: a DNS label,
// because names become host names, file names and parts of a path.
var name = regexp.MustCompile(`^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$`)

// CheckName says what is wrong with a name of a tenant, application, environment, component or
// unit, and nil when it is a DNS label of at most 63 characters.
func CheckName(s string) error {
	if name.MatchString(s) {
		return nil
	}
	return fmt.Errorf("%q is not a name: use 1 to 63 lower-case letters, digits and inner hyphens", s)
}

// String is tenant/application/environment.
func (l Lane) String() string { return l.Tenant + "/" + l.Application + "/" + l.Environment }

// WorkflowID names the lane's workflow; one lane has one.
func (l Lane) WorkflowID() string { return "lane/" + l.String() }

// Check says which part of the lane's name is missing or malformed.
func (l Lane) Check() error {
	for _, part := range []struct{ kind, value string }{
		{"tenant", l.Tenant}, {"application", l.Application}, {"environment", l.Environment},
	} {
		if err := CheckName(part.value); err != nil {
			return fmt.Errorf("%s %w", part.kind, err)
		}
	}
	return nil
}

// ParseLane reads what [Lane.String] writes.
func ParseLane(s string) (Lane, error) {
	parts := strings.Split(s, "/")
	if len(parts) != 3 {
		return Lane{}, fmt.Errorf("%q is not a lane: write tenant/application/environment", s)
	}
	lane := Lane{Tenant: parts[0], Application: parts[1], Environment: parts[2]}
	return lane, lane.Check()
}

// ID names one release: the lane it runs in and its number there, from 1.
type ID struct {
	Lane   Lane `json:"lane"`
	Number int  `json:"number"`
}

// String is tenant/application/environment/number.
func (id ID) String() string { return id.Lane.String() + "/" + strconv.Itoa(id.Number) }

// WorkflowID names the release's workflow.
func (id ID) WorkflowID() string { return "release/" + id.String() }

// ParseID reads what [ID.String] writes.
func ParseID(s string) (ID, error) {
	cut := strings.LastIndex(s, "/")
	if cut < 0 {
		return ID{}, idError(s)
	}
	number, err := strconv.Atoi(s[cut+1:])
	if err != nil || number < 1 {
		return ID{}, idError(s)
	}
	lane, err := ParseLane(s[:cut])
	if err != nil {
		return ID{}, idError(s)
	}
	return ID{Lane: lane, Number: number}, nil
}

func idError(s string) error {
	return fmt.Errorf("%q is not a release: write tenant/application/environment/number, such as demo/hello/production/3", s)
}
