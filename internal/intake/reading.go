package intake

import (
	"encoding/json"
	"fmt"
)

// meaning is what an event says. One of its fields is set.
type meaning struct {
	change     *change
	alarm      *alarm
	completed  *completed
	built      *built
	image      *image
	pressed    *pressed
	protection *protection
	preview    *preview
	scheduled  *scheduled
	asked      *asked
	// nothing says why the event starts nothing.
	nothing string
}

// read is what a stored event says, by the source that its path decided. Its error is for an event that can never mean
// anything; a source reads with the same function before it stores one, so that its sender hears of it.
func read(event Event) (meaning, error) {
	switch event.Source {
	case SourceGitHub:
		return readGitHub(event)
	case SourceGitLab:
		return readGitLab(event)
	case SourceGitea:
		return readGitea(event)
	case SourceStandard:
		return readStandard(event)
	case SourceRegistry:
		return readRegistry(event)
	case SourceSchedule:
		return readScheduled(event)
	case SourceAPI:
		return readAsked(event)
	case SourceAlertmanager, SourceCloudEvents:
		var a alarm
		err := json.Unmarshal(event.Body, &a)
		return meaning{alarm: &a}, err
	case sourcePromotion:
		var c completed
		err := json.Unmarshal(event.Body, &c)
		return meaning{completed: &c}, err
	case sourceBackfill:
		c, err := readMissed(event.Body)
		return meaning{change: &c}, err
	}
	return meaning{nothing: fmt.Sprintf("nobody here reads what %s sends", event.Source)}, nil
}
