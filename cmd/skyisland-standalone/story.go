package main

import (
	"fmt"
	"io"
	"time"

	"github.com/skyisland/skyisland/internal/release"
)

// evidenceEvery is how often the story says how the evidence stands.
const evidenceEvery = 2 * time.Second

// story prints what is new in a release's status.
type story struct {
	out      io.Writer
	entries  int
	evidence time.Time
}

// tell prints what was not told before.
func (s *story) tell(status release.Status) {
	for _, entry := range status.Timeline {
		if entry.Number <= s.entries {
			continue
		}
		s.entries = entry.Number
		s.line(entry.At, entry.Message)
		for _, detail := range entry.Details {
			fmt.Fprintf(s.out, "                %s\n", detail)
		}
	}
	e := status.Evidence
	if e == nil || !status.Phase.MovesTraffic() || e.At.Sub(s.evidence) < evidenceEvery {
		return
	}
	s.evidence = e.At
	s.line(e.At, fmt.Sprintf("%s to the candidate; it answered %d requests, %d badly (stable %d, %d): %s",
		status.Weight, e.CanaryRequests, e.CanaryBad, e.StableRequests, e.StableBad, e.Verdict))
}

func (s *story) line(at time.Time, text string) {
	fmt.Fprintf(s.out, "    %s  %s\n", at.Local().Format(time.TimeOnly), text)
}
