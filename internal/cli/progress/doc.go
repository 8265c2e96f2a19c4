// Package progress shows people how a release is: as a view that is redrawn in place on a terminal,
// and as lines elsewhere. What is shown is a pure function of a status and a time; text from outside
// is made harmless before it reaches a terminal.
package progress
