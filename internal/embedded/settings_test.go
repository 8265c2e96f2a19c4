package embedded

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestSettingsTakeOverridesWhateverTheirCase(t *testing.T) {
	s := settings(map[string]any{"Matching.NumTaskQueueReadPartitions": 3})
	read := 0
	for key, value := range s {
		if key.String() == "matching.numtaskqueuereadpartitions" {
			read, _ = value.(int)
		}
	}
	require.Equal(t, 3, read)
}
