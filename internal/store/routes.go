package store

import (
	"cmp"
	"context"
	"fmt"
	"slices"

	"github.com/jmoiron/sqlx"

	"github.com/skyisland/skyisland/internal/release"
)

// SaveRoutes stores the routes that a unit's gateways are to have. Of each route the newest version
// is kept: an older one changes nothing, and the same version with other content is
// [release.ErrConflict], with nothing stored. Routes of the unit that are not given stay.
func (s *Store) SaveRoutes(ctx context.Context, unit string, routes []release.Route) error {
	// In one order, so that two programs which save the same routes do not wait for each other.
	routes = slices.Clone(routes)
	slices.SortStableFunc(routes, func(a, b release.Route) int { return cmp.Compare(a.Key, b.Key) })
	err := s.change(ctx, func(tx *sqlx.Tx) error {
		for _, route := range routes {
			if err := saveRoute(ctx, tx, unit, route); err != nil {
				return fmt.Errorf("route %s, version %d: %w", route.Key, route.Version, err)
			}
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("save routes of unit %s: %w", unit, err)
	}
	return nil
}

func saveRoute(ctx context.Context, tx *sqlx.Tx, unit string, route release.Route) error {
	text, err := encode(route)
	if err != nil {
		return err
	}
	const save = `
		INSERT INTO routes (unit, key, version, route)
		VALUES (?, ?, ?, ?)
		ON CONFLICT (unit, key) DO UPDATE SET version = excluded.version, route = excluded.route
		WHERE excluded.version > routes.version`
	n, err := exec(ctx, tx, save, clean(unit), clean(route.Key), route.Version, text)
	if err != nil || n > 0 {
		return err
	}
	var stored routeRow
	const query = `SELECT version, route FROM routes WHERE unit = ? AND key = ?`
	if err := tx.GetContext(ctx, &stored, tx.Rebind(query), clean(unit), clean(route.Key)); err != nil {
		return err
	}
	if stored.Version > route.Version {
		return nil
	}
	was, err := stored.route()
	if err != nil {
		return err
	}
	equal, err := alike(was, route)
	if err == nil && !equal {
		// The content is not shown: it holds the salt of the draw.
		return fmt.Errorf("it is stored with other content: %w", release.ErrConflict)
	}
	return err
}

// Routes are the newest routes of a unit, by key.
func (s *Store) Routes(ctx context.Context, unit string) ([]release.Route, error) {
	const query = `
		SELECT version, route
		FROM routes
		WHERE unit = ?`
	var rows []routeRow
	if err := s.list(ctx, &rows, query, clean(unit)); err != nil {
		return nil, fmt.Errorf("read routes of unit %s: %w", unit, err)
	}
	out := make([]release.Route, len(rows))
	for i, row := range rows {
		route, err := row.route()
		if err != nil {
			return nil, fmt.Errorf("read routes of unit %s: %w", unit, err)
		}
		out[i] = route
	}
	// Here and not in SQL, where the order of text depends on the database's locale.
	slices.SortFunc(out, func(a, b release.Route) int { return cmp.Compare(a.Key, b.Key) })
	return out, nil
}

type routeRow struct {
	Version int64  `db:"version"`
	Route   string `db:"route"`
}

func (r routeRow) route() (release.Route, error) {
	var out release.Route
	err := decode(r.Route, &out)
	return out, err
}
