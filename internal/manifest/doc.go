// Package manifest reads skyisland.yaml, the one file in which an application says what it is made
// of and how it wants to be released.
//
// A person finds out about a mistake after a push, when they look elsewhere already. So a wrong
// manifest gets every error at once, each with its place and what would be right, and a manifest
// that is wrong still tells which environments it was meant for. Every field, with its default, is
// in one table, [Reference]: defaults, ranges, JSON Schema and documentation come from it.
package manifest
