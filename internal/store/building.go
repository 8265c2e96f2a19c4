package store

import (
	"context"
	"fmt"

	"github.com/skyisland/skyisland/internal/release"
)

// mostBuilding bounds how many releases of one commit are told that it is built: one for each environment.
const mostBuilding = 256

// Building are the releases of a commit of a repository, named as its host names it ("owner/name"), that are not built
// yet, in the order of their lanes. Without a repository it is whichever has the commit.
func (s *Store) Building(ctx context.Context, repository, commit string) ([]release.ID, error) {
	const query = `
		SELECT r.tenant, r.application, r.environment, r.number
		FROM releases r
		JOIN applications a ON a.tenant = r.tenant AND a.name = r.application
		WHERE r.commit_id = ? AND (a.repository_path = ? OR ? = '') AND r.phase IN (?, ?, ?)
		ORDER BY r.tenant, r.application, r.environment, r.number
		LIMIT ?`
	var rows []struct {
		Tenant      string `db:"tenant"`
		Application string `db:"application"`
		Environment string `db:"environment"`
		Number      int    `db:"number"`
	}
	err := s.list(ctx, &rows, query, clean(commit), parseRepository(repository).path, parseRepository(repository).path,
		string(release.Pending), string(release.Admitting), string(release.Building), mostBuilding)
	if err != nil {
		return nil, fmt.Errorf("find the releases that build commit %s of %s: %w", commit, repository, err)
	}
	out := make([]release.ID, len(rows))
	for i, row := range rows {
		out[i] = release.ID{Lane: release.Lane{Tenant: row.Tenant, Application: row.Application, Environment: row.Environment}, Number: row.Number}
	}
	return out, nil
}
