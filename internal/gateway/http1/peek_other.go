//go:build !(linux || darwin || freebsd || netbsd || openbsd)

package http1

// quiet cannot look without taking here; the short idle timeout has to do.
func quiet(uintptr) bool { return true }
