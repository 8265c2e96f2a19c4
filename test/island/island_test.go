package island_test

import (
	"net/http"
	"testing"

	"github.com/skyisland/skyisland/internal/release"
	"github.com/skyisland/skyisland/test/island"
)

func TestAnIslandReleasesWhatIsPushed(t *testing.T) {
	i := island.Start(t, island.Options{})
	repo := i.Repo(t, "demo", "smoke")

	first := repo.Release(island.Version("v1"))

	first.WaitEnd(release.Completed)
	load := island.StartLoad(t, repo.Entry("", "web"), 100, http.Header{})
	load.Wait("answers of v1", func(r island.Report) bool { return r.Of("v1") > 10 })
	second := repo.Release(island.Version("v2"))
	second.WaitEnd(release.Completed)
	load.Wait("answers of v2", func(r island.Report) bool { return r.Of("v2") > 10 })
	if bad := load.Stop().Bad; len(bad) > 0 {
		t.Errorf("%d bad answers, the first: %s", len(bad), bad[0])
	}
}
