// Package pressure is the pressure gate: it finds out, before a candidate has traffic, whether its
// instances carry the load they are meant for.
//
// The load is open: every request is sent at its time, whether or not earlier ones were answered,
// as clients do who know nothing of each other. A generator that waits for answers slows down with
// the function it measures and finds nothing wrong with it. Here a slow function only makes more
// requests wait at once, up to as many as can be under way within the time-out at the rate asked.
//
// Measuring and judging are apart: [Run] measures, and [Judge] is a pure function of what was
// measured.
package pressure
