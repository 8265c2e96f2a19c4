package embedded

import (
	"fmt"
	"maps"
	"testing"

	"github.com/stretchr/testify/require"
	"go.temporal.io/api/enums/v1"
)

func TestAssignColumns(t *testing.T) {
	keyword, integer := enums.INDEXED_VALUE_TYPE_KEYWORD, enums.INDEXED_VALUE_TYPE_INT
	many := map[string]enums.IndexedValueType{}
	for i := range 11 {
		many[fmt.Sprintf("Key%02d", i)] = keyword
	}
	tests := map[string]struct {
		named   map[string]string
		want    map[string]enums.IndexedValueType
		result  map[string]string
		failure string
	}{
		"new names take the first columns of their type in order": {
			want:   map[string]enums.IndexedValueType{"B": keyword, "A": keyword, "N": integer},
			result: map[string]string{"Keyword01": "A", "Keyword02": "B", "Int01": "N"},
		},
		"the same wish again changes nothing": {
			named:  map[string]string{"Keyword02": "A"},
			want:   map[string]enums.IndexedValueType{"A": keyword},
			result: map[string]string{"Keyword02": "A"},
		},
		"what is no longer wanted keeps its column": {
			named:  map[string]string{"Keyword01": "Old"},
			want:   map[string]enums.IndexedValueType{"New": keyword},
			result: map[string]string{"Keyword01": "Old", "Keyword02": "New"},
		},
		"a name with another type is refused": {
			named:   map[string]string{"Keyword01": "A"},
			want:    map[string]enums.IndexedValueType{"A": integer},
			failure: "search attribute A is a Keyword in the data file, not a Int",
		},
		"an eleventh keyword is refused": {
			want:    many,
			failure: "search attribute Key10: all columns of type Keyword are in use",
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			before := maps.Clone(test.named)
			result, err := assignColumns(test.named, test.want)
			require.Equal(t, before, test.named)
			if test.failure != "" {
				require.ErrorIs(t, err, ErrSearchAttribute)
				require.ErrorContains(t, err, test.failure)
				return
			}
			require.NoError(t, err)
			require.Equal(t, test.result, result)
		})
	}
}
