package embedded

import (
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net"
	"regexp"
	"slices"
	"time"

	"go.temporal.io/api/enums/v1"
	"go.temporal.io/server/common/searchattribute/sadefs"
)

// DefaultNamespace is the namespace that is made when [Options] name none.
const DefaultNamespace = "default"

// DefaultRetention is how long a closed workflow can still be read when [Options] do not say.
const DefaultRetention = 30 * 24 * time.Hour

// minRetention is the least the server accepts for a local namespace (system.namespaceMinRetentionLocal).
const minRetention = time.Hour

// Options say where the server keeps its state and where it listens.
// The zero value of every field but DataFile is usable.
type Options struct {
	// DataFile is the path of the SQLite file. Its folder must exist. The file is made when missing
	// and kept; beside it lives its write-ahead log (-wal) while the server runs. Only one process
	// at a time can have it open. Required.
	DataFile string

	// FrontendAddr is the host:port workers and clients dial. An empty host is 127.0.0.1, port 0 is
	// a free one. Empty is 127.0.0.1:0. There is no authentication: binding to more than loopback
	// gives everybody who reaches the port every workflow.
	FrontendAddr string

	// UIAddr is the host:port of the web UI, with the same rules as FrontendAddr. Empty is no UI.
	UIAddr string

	// Namespace is made when missing. Empty is [DefaultNamespace].
	Namespace string

	// Retention is how long closed workflows of Namespace are kept, an hour at least.
	// Zero is [DefaultRetention]. A change holds from the next start, for workflows closed after it.
	Retention time.Duration

	// SearchAttributes are names and types that workflows of Namespace may carry and queries may use.
	// Those missing are added; none is ever removed, because old workflows still carry it. SQLite
	// has room for 10 keywords and 3 of every other type.
	SearchAttributes map[string]enums.IndexedValueType

	// DynamicConfig overrides single Temporal settings by key (as "history.shardIOConcurrency") on
	// top of those this package chooses.
	DynamicConfig map[string]any

	// Log receives what Temporal has to say, with component=temporal. Nil drops it.
	Log *slog.Logger

	// LogLevel is the least severe of Temporal's messages passed to Log. Nil is warn, and error while
	// the server comes up or goes down: its services miss each other then and say so at length.
	LogLevel slog.Leveler
}

// withDefaults fills what was left empty.
func (o Options) withDefaults() Options {
	if o.FrontendAddr == "" {
		o.FrontendAddr = net.JoinHostPort(loopback, "0")
	}
	if o.Namespace == "" {
		o.Namespace = DefaultNamespace
	}
	if o.Retention == 0 {
		o.Retention = DefaultRetention
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	return o
}

// attributeName is narrower than what Temporal takes, so that a name never needs quoting in a query.
var attributeName = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9_]{0,63}$`)

// validate returns everything that is wrong with o, joined, each with what would be right.
func (o Options) validate() error {
	var errs []error
	if o.DataFile == "" {
		errs = append(errs, errors.New("DataFile is empty: name the SQLite file to keep workflows in"))
	}
	if o.Retention < minRetention {
		errs = append(errs, fmt.Errorf("Retention: %s is under %s", o.Retention, minRetention)) //nolint:staticcheck // it opens with a field's name
	}
	for _, name := range slices.Sorted(maps.Keys(o.SearchAttributes)) {
		if err := validateAttribute(name, o.SearchAttributes[name]); err != nil {
			errs = append(errs, fmt.Errorf("SearchAttributes[%q]: %w", name, err))
		}
	}
	return errors.Join(errs...)
}

func validateAttribute(name string, kind enums.IndexedValueType) error {
	switch {
	case !attributeName.MatchString(name):
		return errors.New("a name is a letter, then up to 63 letters, digits and underscores")
	case sadefs.IsReserved(name) || !sadefs.IsMappable(name):
		return errors.New("Temporal keeps this name for itself: choose another") //nolint:staticcheck // a proper name
	case kind == enums.INDEXED_VALUE_TYPE_UNSPECIFIED:
		return errors.New("the type is not given")
	}
	return nil
}
