package storetest

import (
	"fmt"
	"runtime"
	"strings"
	"testing"
)

// judged is a test that is skipped or fails.
type judged struct {
	testing.TB

	skipped, failed string
}

func (j *judged) Helper() {}

func (j *judged) Skip(args ...any) {
	j.skipped = fmt.Sprint(args...)
	runtime.Goexit()
}

func (j *judged) Fatalf(format string, args ...any) {
	j.failed = fmt.Sprintf(format, args...)
	runtime.Goexit()
}

func TestWithoutADatabaseATestIsSkippedUnlessOneIsDemanded(t *testing.T) {
	for demand, fails := range map[string]bool{"": false, "0": false, "1": true} {
		t.Setenv(postgresEnv, "")
		t.Setenv(demandEnv, demand)
		j := &judged{}
		ended := make(chan struct{})
		go func() { defer close(ended); Schema(j) }()
		<-ended
		if (j.failed != "") != fails || (j.skipped != "") == fails || !strings.Contains(j.failed+j.skipped, postgresEnv) {
			t.Errorf("demanded %q: failed %q, skipped %q", demand, j.failed, j.skipped)
		}
	}
}
