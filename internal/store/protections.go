package store

import (
	"context"
	"fmt"
	"time"

	"github.com/jmoiron/sqlx"

	"github.com/skyisland/skyisland/internal/release"
)

// Protection is a deployment of GitHub Actions that waits for a word on a release.
type Protection struct {
	// Repository is owner/name, Run the workflow run's ID, Environment as GitHub names it, Commit what is to be deployed.
	Repository  string
	Run         int64
	Environment string
	Account     string
	Commit      string
	// State is waiting, approved, rejected or dead; Said is what it was told last.
	State, Said  string
	Attempts     int
	Created, Due time.Time
	Reason       string
	// Claim names the claim under which it may be changed.
	Claim int64
}

type protectionRow struct {
	Repository  string `db:"repository"`
	Run         int64  `db:"run"`
	Environment string `db:"environment"`
	Account     string `db:"account"`
	Commit      string `db:"commit_id"`
	State       string `db:"state"`
	Said        string `db:"said"`
	Attempts    int    `db:"attempts"`
	Created     int64  `db:"created_at"`
	Due         int64  `db:"due_at"`
	Claimed     int64  `db:"claimed_until"`
	Reason      string `db:"reason"`
}

func (r protectionRow) read() Protection {
	return Protection{
		Repository: r.Repository, Run: r.Run, Environment: r.Environment, Account: r.Account, Commit: r.Commit, State: r.State, Said: r.Said,
		Attempts: r.Attempts, Created: moment(r.Created), Due: moment(r.Due), Reason: r.Reason, Claim: r.Claimed,
	}
}

const protectionColumns = `repository, run, environment, account, commit_id, state, said, attempts, created_at, due_at, claimed_until, reason`

// AddProtection keeps that a deployment waits. The same run and environment again are kept once.
func (s *Store) AddProtection(ctx context.Context, p Protection, at time.Time) error {
	err := s.change(ctx, func(tx *sqlx.Tx) error {
		const add = `
			INSERT INTO writeback_protections (` + protectionColumns + `)
			VALUES (?, ?, ?, ?, ?, 'waiting', '', 0, ?, ?, 0, '')
			ON CONFLICT (repository, run, environment) DO NOTHING`
		_, err := exec(ctx, tx, add, clean(p.Repository), p.Run, clean(p.Environment), clean(p.Account), clean(p.Commit), micros(at), micros(at))
		return err
	})
	return wrap(fmt.Sprintf("keep that run %d of %s waits", p.Run, p.Repository), err)
}

// ClaimProtections takes those that are to be looked at, the oldest first, until the claim runs out.
func (s *Store) ClaimProtections(ctx context.Context, now, until time.Time, most int) ([]Protection, error) {
	const due = `
		SELECT ` + protectionColumns + ` FROM writeback_protections
		WHERE state = 'waiting' AND due_at <= ? AND claimed_until <= ?
			AND NOT EXISTS (SELECT 1 FROM writeback_limits l WHERE l.account = writeback_protections.account AND l.until_at > ?)
		ORDER BY due_at, repository, run, environment
		LIMIT ?`
	args := []any{micros(now), micros(now), micros(now), most}
	var out []Protection
	err := claimDue(ctx, s, due, args, func(tx *sqlx.Tx, rows []protectionRow) error {
		for _, row := range rows {
			row.Claimed = micros(until)
			const claim = `UPDATE writeback_protections SET claimed_until = ? WHERE repository = ? AND run = ? AND environment = ?`
			if _, err := exec(ctx, tx, claim, row.Claimed, row.Repository, row.Run, row.Environment); err != nil {
				return err
			}
			out = append(out, row.read())
		}
		return nil
	})
	return out, wrap("claim deployments that wait", err)
}

// KeepProtection stores p's State, Said, Attempts, Due and Reason under its claim, which ends unless hold is set. A claim
// that was taken over is [release.ErrConflict].
func (s *Store) KeepProtection(ctx context.Context, p Protection, hold bool) error {
	err := s.change(ctx, func(tx *sqlx.Tx) error {
		claim := int64(0)
		if hold {
			claim = p.Claim
		}
		const keep = `
			UPDATE writeback_protections SET state = ?, said = ?, attempts = ?, due_at = ?, reason = ?, claimed_until = ?
			WHERE repository = ? AND run = ? AND environment = ? AND claimed_until = ?`
		n, err := exec(ctx, tx, keep, p.State, clean(p.Said), p.Attempts, micros(p.Due), clean(p.Reason), claim, p.Repository, p.Run, p.Environment, p.Claim)
		if err == nil && n == 0 {
			err = release.ErrConflict
		}
		return err
	})
	return wrap(fmt.Sprintf("keep what run %d of %s was told", p.Run, p.Repository), err)
}

// ReleaseOfCommit is the newest release of a commit of a repository's application in an environment. One that is not
// there is [release.ErrNotFound].
func (s *Store) ReleaseOfCommit(ctx context.Context, repository, environment, commit string) (release.Summary, error) {
	where := parseRepository(repository)
	const query = `
		SELECT r.tenant, r.application, r.environment, r.number, r.phase, r.ref, r.commit_id, r.message, r.requester, r.requested_at,
			r.updated_at, r.cause
		FROM releases r JOIN applications a ON a.tenant = r.tenant AND a.name = r.application
		WHERE a.repository_path = ? AND (a.repository_host = ? OR a.repository_host = '' OR ? = '')
			AND r.environment = ? AND r.commit_id = ?
		ORDER BY r.requested_at DESC, r.number DESC
		LIMIT 1`
	var row releaseRow
	if err := s.one(ctx, &row, query, where.path, where.host, where.host, clean(environment), clean(commit)); err != nil {
		return release.Summary{}, fmt.Errorf("find the release of %s in %s: %w", commit, environment, found(err))
	}
	return row.summary()
}

// RepositoryOf is the address of an application's repository. One that nobody saved is [release.ErrNotFound].
func (s *Store) RepositoryOf(ctx context.Context, lane release.Lane) (string, error) {
	const query = `
		SELECT repository FROM applications
		WHERE tenant = ? AND name = ?`
	var address string
	if err := s.one(ctx, &address, query, clean(lane.Tenant), clean(lane.Application)); err != nil {
		return "", fmt.Errorf("find the repository of %s: %w", lane, found(err))
	}
	return address, nil
}
