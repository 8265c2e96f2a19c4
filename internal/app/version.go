package app

import "runtime/debug"

// Version is the version this program was built as, "(devel)" outside a release.
func Version() string {
	info, ok := debug.ReadBuildInfo()
	if !ok || info.Main.Version == "" {
		return "(devel)"
	}
	return info.Main.Version
}
