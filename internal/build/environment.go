package build

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/skyisland/skyisland/internal/release"
)

// environment is everything a command can see of its surroundings. Nothing of this process's own
// environment is in it: that holds secrets, and would make builds differ from machine to machine.
func (r *Runner) environment(command release.Command, temp string) map[string]string {
	env := map[string]string{
		"PATH": r.options.Path, "HOME": r.options.Home, "TMPDIR": temp, "LANG": "C.UTF-8",
	}
	maps.Copy(env, r.options.Env)
	maps.Copy(env, command.Env)
	return env
}

func list(env map[string]string) []string {
	out := make([]string, 0, len(env))
	for _, name := range slices.Sorted(maps.Keys(env)) {
		out = append(out, name+"="+env[name])
	}
	return out
}

func checkEnv(env map[string]string) error {
	for _, name := range slices.Sorted(maps.Keys(env)) {
		if name == "" || strings.ContainsAny(name, "=\x00") {
			return fmt.Errorf("environment variable %q: want a name without = in it", name)
		}
		if strings.ContainsRune(env[name], 0) {
			return fmt.Errorf("environment variable %s: its value has a zero byte", name)
		}
	}
	return nil
}

// find is the file of a program: relative to the command's folder when its name has a slash, and
// otherwise in the folders of the PATH the command will have.
func find(program, dir, path string) (string, error) {
	if strings.Contains(program, "/") {
		file := program
		if !filepath.IsAbs(file) {
			file = filepath.Join(dir, file)
		}
		if err := executable(file); err != nil {
			return "", &StartError{Program: program, Searched: []string{file}, Err: err}
		}
		return filepath.Abs(file)
	}
	var searched []string
	for _, folder := range filepath.SplitList(path) {
		// A relative folder would make what is run depend on what is in the working copy.
		if !filepath.IsAbs(folder) {
			continue
		}
		searched = append(searched, folder)
		if file := filepath.Join(folder, program); executable(file) == nil {
			return file, nil
		}
	}
	return "", &StartError{Program: program, Searched: searched, Err: os.ErrNotExist}
}

func executable(file string) error {
	info, err := os.Stat(file)
	switch {
	case err != nil:
		return err
	case info.IsDir():
		return fmt.Errorf("%s is a folder", file)
	case info.Mode()&0o111 == 0:
		return fmt.Errorf("%s may not be executed: %w", file, os.ErrPermission)
	default:
		return nil
	}
}
