// Package cases holds function cases: requests with the answers they should get, written by the
// owner of a function and run against every instance of a candidate before it has traffic.
//
// A case talks to an instance directly, not through the gateway, so that no instance hides behind
// another and a candidate at 0 % is reached at all.
package cases
