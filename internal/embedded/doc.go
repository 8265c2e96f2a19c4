// Package embedded is a Temporal server inside the process.
package embedded
