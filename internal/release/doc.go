// Package release is the ground of Sky Island: what a release is, which phases it goes through,
// what it plans to do and how that plan is named, and how traffic, evidence and outcomes are
// written down. Everything else is built on it, so it imports the standard library only and does
// nothing: no clock, no file, no network.
package release

//go:generate go test -count=1 -run ^TestGenerated$ . -args -update
