package store

import (
	"cmp"
	"context"
	"fmt"
	"net/url"
	"slices"
	"strings"

	"github.com/jmoiron/sqlx"

	"github.com/skyisland/skyisland/internal/release"
)

type applicationRow struct {
	Tenant     string `db:"tenant"`
	Name       string `db:"name"`
	Repository string `db:"repository"`
	Branches   string `db:"branches"`
	Triggers   string `db:"triggers"`
}

func (r applicationRow) application() (release.Application, error) {
	out := release.Application{Tenant: r.Tenant, Name: r.Name, Repository: r.Repository}
	if err := decode(r.Branches, &out.Branches); err != nil {
		return release.Application{}, fmt.Errorf("branches of application %s/%s: %w", r.Tenant, r.Name, err)
	}
	if err := decode(r.Triggers, &out.Triggers); err != nil {
		return release.Application{}, fmt.Errorf("triggers of application %s/%s: %w", r.Tenant, r.Name, err)
	}
	if len(out.Triggers) == 0 {
		out.Triggers = nil
	}
	return out, nil
}

// SaveApplication adds an application, or replaces the one of its tenant and name. A repository
// holds one application: one that another application has is [release.ErrConflict].
func (s *Store) SaveApplication(ctx context.Context, application release.Application) error {
	where := parseRepository(application.Repository)
	err := s.change(ctx, func(tx *sqlx.Tx) error {
		if where.path == "" {
			return fmt.Errorf("%q is no repository", application.Repository)
		}
		branches, err := encode(application.Branches)
		if err != nil {
			return err
		}
		triggers, err := encode(application.Triggers)
		if err != nil {
			return err
		}
		const others = `
			SELECT tenant, name, repository, branches, triggers
			FROM applications
			WHERE repository_path = ? AND (repository_host = ? OR repository_host = '' OR ? = '')
				AND NOT (tenant = ? AND name = ?)`
		var rows []applicationRow
		if err := tx.SelectContext(ctx, &rows, tx.Rebind(others),
			where.path, where.host, where.host, clean(application.Tenant), clean(application.Name)); err != nil {
			return err
		}
		if len(rows) > 0 {
			return fmt.Errorf("repository %s is that of application %s/%s: %w",
				rows[0].Repository, rows[0].Tenant, rows[0].Name, release.ErrConflict)
		}
		const save = `
			INSERT INTO applications (tenant, name, repository, repository_host, repository_path, branches, triggers)
			VALUES (?, ?, ?, ?, ?, ?, ?)
			ON CONFLICT (tenant, name) DO UPDATE SET
				repository = excluded.repository,
				repository_host = excluded.repository_host,
				repository_path = excluded.repository_path,
				branches = excluded.branches,
				triggers = excluded.triggers`
		_, err = exec(ctx, tx, save, clean(application.Tenant), clean(application.Name),
			clean(application.Repository), where.host, where.path, branches, triggers)
		return err
	})
	if err != nil {
		return fmt.Errorf("save application %s/%s: %w", application.Tenant, application.Name, err)
	}
	return nil
}

// RemoveApplication forgets an application, and makes its repository free for another. What its
// releases left stays. An application nobody saved is [release.ErrNotFound].
func (s *Store) RemoveApplication(ctx context.Context, tenant, name string) error {
	err := s.change(ctx, func(tx *sqlx.Tx) error {
		n, err := exec(ctx, tx, `DELETE FROM applications WHERE tenant = ? AND name = ?`, clean(tenant), clean(name))
		if err == nil && n == 0 {
			return release.ErrNotFound
		}
		return err
	})
	if err != nil {
		return fmt.Errorf("remove application %s/%s: %w", tenant, name, err)
	}
	return nil
}

// ApplicationByRepository is the application of a repository, named as a host names it ("owner/name")
// and by its URL; either may be empty. Hosts count only where both sides name one, and neither the
// scheme, the user, the port, a ".git" at the end nor the case of letters matters. A repository
// nobody saved is [release.ErrNotFound].
func (s *Store) ApplicationByRepository(ctx context.Context, fullName, cloneURL string) (release.Application, error) {
	full, clone := parseRepository(fullName), parseRepository(cloneURL)
	const query = `
		SELECT tenant, name, repository, branches, triggers
		FROM applications
		WHERE repository_path <> '' AND (
			repository_path = ? AND (repository_host = ? OR repository_host = '' OR ? = '')
			OR repository_path = ? AND (repository_host = ? OR repository_host = '' OR ? = ''))`
	var rows []applicationRow
	err := s.list(ctx, &rows, query, clone.path, clone.host, clone.host, full.path, clone.host, clone.host)
	if err == nil && len(rows) == 0 {
		err = release.ErrNotFound
	}
	if err == nil && len(rows) > 1 {
		err = fmt.Errorf("%s/%s and %s/%s both have it: %w",
			rows[0].Tenant, rows[0].Name, rows[1].Tenant, rows[1].Name, release.ErrConflict)
	}
	if err != nil {
		return release.Application{}, fmt.Errorf("find application of repository %q: %w", fullName, err)
	}
	return rows[0].application()
}

// Applications are all of them, by tenant and name.
func (s *Store) Applications(ctx context.Context) ([]release.Application, error) {
	return s.ApplicationsOf(ctx, nil)
}

// ApplicationsOf are those of some tenants, nil for all, by tenant and name.
func (s *Store) ApplicationsOf(ctx context.Context, tenants []string) ([]release.Application, error) {
	of, args := "1 = 1", []any(nil)
	if tenants != nil {
		of, args = oneOf("tenant", tenants)
	}
	query := `
		SELECT tenant, name, repository, branches, triggers
		FROM applications
		WHERE ` + of
	var rows []applicationRow
	if err := s.list(ctx, &rows, query, args...); err != nil {
		return nil, fmt.Errorf("list applications: %w", err)
	}
	out := make([]release.Application, len(rows))
	for i, row := range rows {
		application, err := row.application()
		if err != nil {
			return nil, fmt.Errorf("list applications: %w", err)
		}
		out[i] = application
	}
	// Here and not in SQL, where the order of text depends on the database's locale.
	slices.SortFunc(out, func(a, b release.Application) int {
		return cmp.Or(cmp.Compare(a.Tenant, b.Tenant), cmp.Compare(a.Name, b.Name))
	})
	return out, nil
}

// repository is where a repository is; host is empty when only its name is known.
type repository struct{ host, path string }

// parseRepository reads a URL, git's user@host:path, a path, or a host's name for a repository.
func parseRepository(text string) repository {
	text = clean(strings.ToLower(strings.TrimSpace(text)))
	var out repository
	if u, err := url.Parse(text); err == nil && u.Scheme != "" && u.Host != "" {
		out = repository{u.Hostname(), u.Path}
	} else if before, after, found := strings.Cut(text, ":"); found && !strings.Contains(before, "/") {
		out = repository{before[strings.LastIndex(before, "@")+1:], after}
	} else {
		out = repository{"", text}
	}
	out.path = strings.TrimSuffix(strings.Trim(out.path, "/"), ".git")
	return out
}
