package events

import "time"

// State is what became of an event on its way to a subscriber.
type State string

// The states of a delivery.
const (
	Waiting State = "waiting"
	Sent    State = "sent"
	// Dead is given up; it can be tried again by hand.
	Dead State = "dead"
)

// Delivery is one event on its way to one subscriber.
type Delivery struct {
	ID           string
	Subscription string
	// Sequence, Event, Type and Subject are the event's, Body is its JSON.
	Sequence int64
	Event    string
	Type     string
	Subject  string
	Body     []byte
	State    State
	// Attempts are those that were begun.
	Attempts int
	Created  time.Time
	// Due is when it is tried next, Expires when it is given up whatever was tried.
	Due     time.Time
	Expires time.Time
	// Reason is why the last attempt failed.
	Reason string
}

// Subscription is how the deliveries to one subscriber are going.
type Subscription struct {
	Name string
	// Disabled is when the subscriber said that it wants no more, Reason how; zero when it has not.
	Disabled time.Time
	Reason   string
	// Succeeded and Failed are when an attempt last ended so; zero when none has.
	Succeeded, Failed time.Time
	// Waiting and Dead are how many deliveries are.
	Waiting, Dead int
}
