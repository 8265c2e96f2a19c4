package intake

import (
	"encoding/json"
	"fmt"
)

// meaning is what an event says. One of its fields is set.
type meaning struct {
	change    *change
	alarm     *alarm
	completed *completed
	// nothing says why the event starts nothing.
	nothing string
}

// read is what a stored event says, by the source that its path decided. Its error is for an event that can never mean
// anything; a source reads with the same function before it stores one, so that its sender hears of it.
func read(event Event) (meaning, error) {
	switch {
	case event.Kind == kindAlarm:
		var a alarm
		err := json.Unmarshal(event.Body, &a)
		return meaning{alarm: &a}, err
	case event.Source == sourcePromotion:
		var c completed
		err := json.Unmarshal(event.Body, &c)
		return meaning{completed: &c}, err
	case event.Source == sourceBackfill:
		c, err := readMissed(event.Body)
		return meaning{change: &c}, err
	case event.Kind == "push":
		c, err := readPush(event.Body)
		return meaning{change: &c}, err
	}
	return meaning{nothing: fmt.Sprintf("a %s event starts nothing", event.Kind)}, nil
}
