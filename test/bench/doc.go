// Package bench measures what docs/performance.md promises, on the machine it runs on.
//
// Its one idea is that a figure only means something beside another one of the same minute. Where the
// promise is a ratio both sides are measured in turns, in one run; where it is a time it is taken from
// the real program under load, many times, and told as a median and a slowest hundredth. Nothing here
// fails for being slow: it prints, and says whether the bar is met.
//
// Run it with `make bench`.
package bench
