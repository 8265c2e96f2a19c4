package embedded

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.temporal.io/api/enums/v1"
)

func TestStartNamesEveryWrongOption(t *testing.T) {
	_, err := Start(t.Context(), Options{
		Retention: time.Minute,
		SearchAttributes: map[string]enums.IndexedValueType{
			"with space":   enums.INDEXED_VALUE_TYPE_TEXT,
			"WorkflowType": enums.INDEXED_VALUE_TYPE_KEYWORD,
			"Untyped":      enums.INDEXED_VALUE_TYPE_UNSPECIFIED,
		},
	})
	for _, want := range []string{"DataFile is empty", "1m0s is under 1h0m0s", `"with space"`, `"WorkflowType"`, `"Untyped"`} {
		require.ErrorContains(t, err, want)
	}
}
