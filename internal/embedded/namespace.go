package embedded

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"go.temporal.io/api/enums/v1"
	persistencepb "go.temporal.io/server/api/persistence/v1"
	"go.temporal.io/server/common/config"
	"go.temporal.io/server/common/log"
	"go.temporal.io/server/common/metrics"
	"go.temporal.io/server/common/persistence"
	"go.temporal.io/server/common/persistence/serialization"
	persistencesql "go.temporal.io/server/common/persistence/sql"
	"go.temporal.io/server/common/persistence/sql/sqlplugin"
	"go.temporal.io/server/common/primitives"
	"go.temporal.io/server/common/resolver"
	"go.temporal.io/server/common/searchattribute/sadefs"
	sqliteschema "go.temporal.io/server/schema/sqlite"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/durationpb"
)

// ErrSearchAttribute means that a wanted search attribute cannot be had: its name has another type
// already, or the columns of its type are used up.
var ErrSearchAttribute = errors.New("search attribute")

// registerNamespace brings the namespace in the data file to what is wanted: it exists, keeps closed
// workflows that long, and knows the search attributes. It runs before the services start: each of
// them caches namespaces by itself, so a change made later through the API is known to one and not
// yet to the other for seconds, and a workflow that sets a new attribute then fails its task.
func registerNamespace(ctx context.Context, cfg *config.SQL, o Options) (err error) {
	db, err := persistencesql.NewSQLDB(sqlplugin.DbKindMain, cfg, resolver.NewNoopResolver(),
		log.NewNoopLogger(), metrics.NoopMetricsHandler)
	if err != nil {
		return explain(err)
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	tx, err := db.BeginTx(ctx)
	if err != nil {
		return explain(err)
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, tx.Rollback())
		}
	}()
	if err := upsertNamespace(ctx, tx, o); err != nil {
		return err
	}
	return tx.Commit()
}

func upsertNamespace(ctx context.Context, tx sqlplugin.Tx, o Options) error {
	row, detail, err := readNamespace(ctx, tx, o.Namespace)
	if err != nil {
		return err
	}
	if detail, err = desiredNamespace(detail, o); err != nil {
		return err
	}
	blob, err := serialization.NewSerializer().NamespaceDetailToBlob(detail)
	if err != nil {
		return err
	}
	// The version tells the services' caches which namespaces changed since they last looked.
	metadata, err := tx.LockNamespaceMetadata(ctx)
	if err != nil {
		return err
	}
	next := sqlplugin.NamespaceRow{
		Name:                o.Namespace,
		Data:                blob.GetData(),
		DataEncoding:        blob.GetEncodingType().String(),
		NotificationVersion: metadata.NotificationVersion,
	}
	if next.ID, err = primitives.ParseUUID(detail.GetInfo().GetId()); err != nil {
		return err
	}
	write := tx.UpdateNamespace
	if row == nil {
		write = tx.InsertIntoNamespace
	}
	if _, err := write(ctx, &next); err != nil {
		return err
	}
	_, err = tx.UpdateNamespaceMetadata(ctx, metadata)
	return err
}

// readNamespace returns nil, nil, nil for a namespace that is not there.
func readNamespace(ctx context.Context, tx sqlplugin.Tx, name string) (*sqlplugin.NamespaceRow, *persistencepb.NamespaceDetail, error) {
	rows, err := tx.SelectFromNamespace(ctx, sqlplugin.NamespaceFilter{Name: &name})
	if errors.Is(err, sql.ErrNoRows) || (err == nil && len(rows) == 0) {
		return nil, nil, nil
	}
	if err != nil {
		return nil, nil, err
	}
	blob := persistence.NewDataBlob(rows[0].Data, rows[0].DataEncoding)
	detail, err := serialization.NewSerializer().NamespaceDetailFromBlob(blob)
	return &rows[0], detail, err
}

// desiredNamespace is have, or a new namespace, with what o asks for.
func desiredNamespace(have *persistencepb.NamespaceDetail, o Options) (*persistencepb.NamespaceDetail, error) {
	if have == nil {
		made, err := sqliteschema.NewNamespaceConfig(clusterName, o.Namespace, false, nil)
		if err != nil {
			return nil, err
		}
		have = made.Detail
	}
	aliases, err := assignColumns(have.GetConfig().GetCustomSearchAttributeAliases(), o.SearchAttributes)
	if err != nil {
		return nil, err
	}
	want := proto.CloneOf(have)
	want.Config.CustomSearchAttributeAliases = aliases
	want.Config.Retention = durationpb.New(o.Retention.Truncate(time.Second))
	return want, nil
}

// assignColumns adds to the columns already named those for the attributes that have none yet. The
// visibility table has a fixed set of columns by type, and a namespace maps columns to names. Columns
// are given out in order, so that the same wish gives the same map.
func assignColumns(named map[string]string, want map[string]enums.IndexedValueType) (map[string]string, error) {
	kinds := sadefs.GetDBIndexSearchAttributes(nil).GetCustomSearchAttributes()
	result := map[string]string{}
	columnOf := map[string]string{}
	for column, name := range named {
		result[column] = name
		columnOf[name] = column
	}
	columns := slices.Sorted(maps.Keys(kinds))
	for _, name := range slices.Sorted(maps.Keys(want)) {
		kind := want[name]
		if column, ok := columnOf[name]; ok {
			if kinds[column] != kind {
				return nil, fmt.Errorf("%w %s is a %s in the data file, not a %s: choose another name for the new one",
					ErrSearchAttribute, name, kinds[column], kind)
			}
			continue
		}
		free := slices.IndexFunc(columns, func(column string) bool { return kinds[column] == kind && result[column] == "" })
		if free < 0 {
			return nil, fmt.Errorf("%w %s: all columns of type %s are in use", ErrSearchAttribute, name, kind)
		}
		result[columns[free]] = name
	}
	return result, nil
}
