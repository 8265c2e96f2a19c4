package store_test

import (
	"reflect"
	"testing"
	"time"

	"github.com/skyisland/skyisland/internal/release"
)

func TestALaneIsItsNewestReleaseAndWhatServes(t *testing.T) {
	onEach(t, func(t *testing.T, open database) {
		s := open(t)
		lane := release.Lane{Tenant: "fliggy", Application: "rail-tour", Environment: "production"}
		if newest, stable, err := s.Lane(t.Context(), lane); err != nil || newest != nil || stable != nil {
			t.Fatalf("a lane nobody used is %v, %v, %v", newest, stable, err)
		}
		for number := 1; number <= 11; number++ {
			summary := release.Summary{ID: release.ID{Lane: lane, Number: number}, Phase: release.Completed, Updated: time.Unix(int64(number), 0)}
			if err := s.SaveProgress(t.Context(), summary, nil); err != nil {
				t.Fatal(err)
			}
		}
		stable := map[string]release.Revision{"web": {ID: "web-9", Component: "web", Run: release.Run{Instances: 2}}}
		for _, saved := range []struct {
			number int
			stable map[string]release.Revision
		}{{9, stable}, {3, map[string]release.Revision{"web": {ID: "web-3"}}}} {
			if err := s.SaveStable(t.Context(), release.ID{Lane: lane, Number: saved.number}, saved.stable); err != nil {
				t.Fatal(err)
			}
		}
		newest, got, err := s.Lane(t.Context(), lane)
		if err != nil || newest == nil || newest.ID.Number != 11 || !reflect.DeepEqual(got, stable) {
			t.Errorf("the lane is %+v, %+v, %v; want release 11 over what release 9 made stable", newest, got, err)
		}
	})
}
