package workflows_test

import (
	"testing"

	"github.com/skyisland/skyisland/internal/release"
)

func TestFirstReleaseGoesStraightToItsCutover(t *testing.T) {
	inScene(t, func(s *scene) {
		r := s.begin(1, v1)
		r.end(release.Completed)
		equal(t, "weights of web", r.moves("web"), []string{"a 100%", "b 100%", "a 0%", "b 0%"})
	})
}

func TestSecondReleaseWalksAllStepsInAllUnitsInLockStep(t *testing.T) {
	inScene(t, func(s *scene) {
		s.live()
		r := s.begin(2, v2)
		r.end(release.Completed)
		want := []string{"a 1%", "b 1%", "a 5%", "b 5%", "a 20%", "b 20%", "a 50%", "b 50%", "a 100%", "b 100%", "a 0%", "b 0%"}
		for _, name := range []string{"web", "api", "jobs"} {
			equal(t, "weights of "+name, r.moves(name), want)
		}
	})
}
