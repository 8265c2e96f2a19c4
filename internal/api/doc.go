// Package api is the HTTP surface of Sky Island: everything that a person or a program can ask for
// or tell a release, as JSON.
//
// A handler decodes, calls one method and encodes. Who somebody is comes from their token and never
// from what they send, and every refusal is a sentence that says what would be right, as a problem
// document (RFC 9457). Package client speaks it from Go.
package api
