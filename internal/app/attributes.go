package app

import (
	"context"
	"fmt"
	"slices"
	"strings"

	enums "go.temporal.io/api/enums/v1"
	"go.temporal.io/api/operatorservice/v1"
	"go.temporal.io/sdk/client"

	"github.com/skyisland/skyisland/workflows"
)

// EnsureSearchAttributes adds the search attributes that workflows carry to a namespace that lacks
// some. Where that is not permitted, the error says what an administrator has to run.
func EnsureSearchAttributes(ctx context.Context, temporal client.Client, namespace string) error {
	operator := temporal.OperatorService()
	listed, err := operator.ListSearchAttributes(ctx, &operatorservice.ListSearchAttributesRequest{Namespace: namespace})
	if err != nil {
		return fmt.Errorf("list the search attributes of namespace %s: %w", namespace, err)
	}
	missing := map[string]enums.IndexedValueType{}
	var commands []string
	for name, kind := range workflows.SearchAttributes() {
		if _, there := listed.GetCustomAttributes()[name]; !there {
			missing[name] = kind
			commands = append(commands, "--name "+name+" --type Keyword")
		}
	}
	if len(missing) == 0 {
		return nil
	}
	if _, err := operator.AddSearchAttributes(ctx, &operatorservice.AddSearchAttributesRequest{Namespace: namespace, SearchAttributes: missing}); err != nil {
		slices.Sort(commands)
		return fmt.Errorf("add search attributes to namespace %s: %w; an administrator can: temporal operator search-attribute create --namespace %s %s",
			namespace, err, namespace, strings.Join(commands, " "))
	}
	return nil
}
