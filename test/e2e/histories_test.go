package e2e

import (
	"testing"

	"github.com/skyisland/skyisland/test/island"
)

func histories(t *testing.T, i *island.Island) {}
