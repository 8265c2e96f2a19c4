// Package policy answers whether a release may take its next step, by rules written in Rego. Its one
// idea is that no answer is a no: rules that are undefined, that fail, that take too long or that
// answer in another shape than [release.Decision]'s all give a decision that denies, with a code that
// says so. Nothing that goes wrong here can let a release through.
//
// Rules see the question and the installation's data, and nothing else: built-in functions that read
// the network, the environment or the clock are not there. So the same question to the same bundle
// has one answer, and a recorded decision can be had again.
package policy
