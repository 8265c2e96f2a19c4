package store_test

import (
	"reflect"
	"testing"

	"github.com/skyisland/skyisland/internal/release"
)

func TestReleasesThatAreNotBuiltYetAreFoundByTheirCommit(t *testing.T) {
	onEach(t, func(t *testing.T, open database) {
		s := open(t)
		lane := id(1).Lane
		check(t, s.SaveApplication(t.Context(), release.Application{Tenant: lane.Tenant, Name: lane.Application, Repository: "https://github.com/Acme/API.git"}))
		check(t, s.SaveApplication(t.Context(), release.Application{Tenant: lane.Tenant, Name: "other", Repository: "https://github.com/acme/other"}))
		for number, phase := range map[int]release.Phase{1: release.Building, 2: release.Admitting, 3: release.Testing, 4: release.Failed, 5: release.Pending} {
			check(t, s.SaveProgress(t.Context(), summary(number, number, phase), []release.Entry{entry(1, "one")}))
		}
		another := summary(6, 6, release.Building)
		another.Commit = "fedcba9"
		elsewhere := summary(7, 7, release.Building)
		elsewhere.ID.Lane.Application = "other"
		for _, one := range []release.Summary{another, elsewhere} {
			check(t, s.SaveProgress(t.Context(), one, []release.Entry{entry(1, "one")}))
		}
		got, err := s.Building(t.Context(), "acme/api", "0123456")
		if want := []release.ID{id(1), id(2), id(5)}; err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("got %v, %v; want %v", got, err, want)
		}
		for _, none := range [][2]string{{"acme/api", "fedcba"}, {"acme/missing", "0123456"}, {"", ""}, {nasty, nasty}} {
			if got, err := s.Building(t.Context(), none[0], none[1]); err != nil || len(got) != 0 {
				t.Errorf("%q: %v, %v; want none", none, got, err)
			}
		}
	})
}
