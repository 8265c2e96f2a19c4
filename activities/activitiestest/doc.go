// Package activitiestest is a small world for activities to act in: a repository, a builder, a runtime,
// gateways with traffic, rules and records, all in memory and all written by hand.
//
// The world is a witness too. It writes down what happens to it in order, and notes as a violation
// whatever a release must never do: a weight without a lease, a rise without a recorded yes, a route to
// something that does not run. A test tells it what goes wrong, and asks it in the end.
package activitiestest
