package runtime

import (
	"errors"
	"fmt"
	"maps"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/skyisland/skyisland/internal/release"
)

// MaxInstances is the most instances one revision can have in one unit.
const MaxInstances = 64

// Key names a revision where it runs. The lane is part of it, because two environments can have
// built the same revision, and ending one's must not end the other's.
type Key struct {
	Unit string `json:"unit"`
	// Lane is tenant/application/environment.
	Lane     string `json:"lane"`
	Revision string `json:"revision"`
}

// String is unit/tenant/application/environment/revision.
func (k Key) String() string { return k.Unit + "/" + k.Lane + "/" + k.Revision }

func (k Key) check() error {
	lane, err := release.ParseLane(k.Lane)
	if err == nil {
		err = errors.Join(release.CheckName(k.Unit), lane.Check())
	}
	if err == nil && (k.Revision == "" || strings.ContainsAny(k.Revision, "/\x00") || strings.HasPrefix(k.Revision, ".") || len(k.Revision) > 128) {
		err = fmt.Errorf("%q is not a revision", k.Revision)
	}
	return err
}

// Deployment is a revision that shall run.
type Deployment struct {
	Unit string `json:"unit"`
	// Lane is tenant/application/environment.
	Lane     string           `json:"lane"`
	Revision release.Revision `json:"revision"`
	// Path is the folder in the artifact that instances run in; empty is its root.
	Path string `json:"path,omitempty"`
}

// Key names the deployment.
func (d Deployment) Key() Key {
	return Key{Unit: d.Unit, Lane: d.Lane, Revision: d.Revision.ID}
}

func (d Deployment) check() error {
	run := d.Revision.Run
	var problems []error
	add := func(format string, args ...any) { problems = append(problems, fmt.Errorf(format, args...)) }
	problems = append(problems, d.Key().check(), d.Revision.Artifact.Check(), checkEnv(run.Env))
	if d.Path != "" && !filepath.IsLocal(d.Path) {
		add("path %q: want a folder in the artifact", d.Path)
	}
	if len(run.Command) == 0 || run.Command[0] == "" {
		add("no command: want a program and its arguments")
	}
	if !strings.HasPrefix(run.Health, "/") {
		add("health %q: want a path that starts with /", run.Health)
	}
	if run.Instances < 1 || run.Instances > MaxInstances {
		add("%d instances: want 1 to %d", run.Instances, MaxInstances)
	}
	if run.Start <= 0 {
		add("no time to start: want the time after which an instance must be healthy, such as 30s")
	}
	return errors.Join(problems...)
}

// environment is all that an instance can see of its surroundings. What the runtime says about the
// instance comes last: it is true whatever else is declared.
func (r *Runtime) environment(i *instance) []string {
	d, port := i.group.deployment, strconv.Itoa(i.port)
	env := map[string]string{"PATH": r.options.Path, "HOME": i.homeDir(), "LANG": "C.UTF-8"}
	maps.Copy(env, r.options.Env)
	maps.Copy(env, d.Revision.Run.Env)
	maps.Copy(env, map[string]string{
		"TMPDIR": i.tempDir(), "PORT": port, "HOST": r.options.Host,
		"SKYISLAND_REVISION": d.Revision.ID, "SKYISLAND_UNIT": d.Unit, "SKYISLAND_COMPONENT": d.Revision.Component,
		"SKYISLAND_INSTANCE": strconv.Itoa(i.index),
	})
	out := make([]string, 0, len(env))
	for _, name := range slices.Sorted(maps.Keys(env)) {
		out = append(out, name+"="+env[name])
	}
	return out
}

func checkEnv(env map[string]string) error {
	for _, name := range slices.Sorted(maps.Keys(env)) {
		if name == "" || strings.ContainsAny(name, "=\x00") || strings.ContainsRune(env[name], 0) {
			return fmt.Errorf("environment variable %q: want a name without =, and no zero byte", name)
		}
	}
	return nil
}

// program is the file an instance executes: in its folder when the name has a slash; otherwise in
// the PATH, and after that in its folder.
func (r *Runtime) program(name, dir string) (string, error) {
	if filepath.IsAbs(name) {
		return name, executable(name)
	}
	file := filepath.Join(dir, name)
	if strings.Contains(name, "/") {
		return file, executable(file)
	}
	for _, folder := range filepath.SplitList(r.options.Path) {
		if found := filepath.Join(folder, name); filepath.IsAbs(folder) && executable(found) == nil {
			return found, nil
		}
	}
	if executable(file) == nil {
		return file, nil
	}
	return "", fmt.Errorf("%s: no such program in %s, or in the artifact", name, r.options.Path)
}

func executable(file string) error {
	info, err := os.Stat(file)
	if err == nil && (info.IsDir() || info.Mode()&0o111 == 0) {
		err = fmt.Errorf("%s may not be executed: %w", file, os.ErrPermission)
	}
	return err
}

// endpoint is where an instance listens.
func (r *Runtime) endpoint(port int) string {
	return net.JoinHostPort(r.options.Host, strconv.Itoa(port))
}
