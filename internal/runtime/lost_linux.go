package runtime

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"strconv"
)

// withTemp are the processes whose TMPDIR is an instance's own, which no other has: that instance's
// process and what it started. Processes of other users, which we could not have started, are
// passed over.
func withTemp(_ context.Context, dir string) []int {
	files, err := filepath.Glob("/proc/[0-9]*/environ")
	if err != nil {
		return nil // the pattern is well formed
	}
	want := []byte("TMPDIR=" + dir)
	var pids []int
	for _, file := range files {
		env, err := os.ReadFile(file)
		if err != nil {
			continue // ended meanwhile, or another user's
		}
		for variable := range bytes.SplitSeq(env, []byte{0}) {
			if !bytes.Equal(variable, want) {
				continue
			}
			if pid, err := strconv.Atoi(filepath.Base(filepath.Dir(file))); err == nil {
				pids = append(pids, pid)
			}
			break
		}
	}
	return pids
}
