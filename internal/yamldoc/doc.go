// Package yamldoc reads a YAML file that a person wrote into Go values and, where it is wrong, says
// everything that is wrong at once: each problem with its line, column, path and remedy.
//
// It reads a strict and bounded part of YAML: one document, no unknown fields, no duplicate keys, no
// merge keys, no tags. What can be read of a broken file is read all the same, since a refusal
// should still know whom it concerns.
package yamldoc
