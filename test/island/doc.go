// Package island starts the real program for tests and benchmarks, and is what stands around it: people
// who push, clients who ask, and somebody who pulls the plug.
//
// Nothing in the program knows that it is tested. It is built as it ships, runs as a process of its own
// in a folder of its own, and is spoken to by git, HTTP and signals. What a test waits for is always an
// event or a condition with a deadline, never a time.
package island
