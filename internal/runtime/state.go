package runtime

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strconv"
	"strings"
)

// stateVersion is the version of the state files; a later one is not read.
const stateVersion = 1

// groupState is what is on disk about a deployment. It is there before any of its processes is.
type groupState struct {
	Version    int        `json:"version"`
	Deployment Deployment `json:"deployment"`
	// Desired is false from the moment a deployment is being ended.
	Desired bool `json:"desired"`
	// Published is true from the moment its endpoints were handed out.
	Published bool `json:"published"`
}

// instanceState is what is on disk about an instance.
type instanceState struct {
	Port int `json:"port"`
	// PID and Identity name the process; PID is 0 when there is none.
	PID      int    `json:"pid,omitempty"`
	Identity string `json:"identity,omitempty"`
	// Healthy says whether the process was healthy once.
	Healthy  bool   `json:"healthy,omitempty"`
	Restarts int    `json:"restarts,omitempty"`
	LastExit string `json:"last_exit,omitempty"`
}

func (r *Runtime) groupDir(key Key) string {
	return filepath.Join(r.options.Dir, "revisions", key.Unit, filepath.FromSlash(key.Lane), key.Revision)
}

func (g *group) stateFile() string  { return filepath.Join(g.dir, "deployment.json") }
func (g *group) rootDir() string    { return filepath.Join(g.dir, "root") }
func (i *instance) dir() string     { return filepath.Join(i.group.dir, strconv.Itoa(i.index)) }
func (i *instance) logFile() string { return filepath.Join(i.dir(), "log") }
func (i *instance) homeDir() string { return filepath.Join(i.dir(), "home") }
func (i *instance) tempDir() string { return filepath.Join(i.dir(), "tmp") }

// save writes what has to be known about the deployment after a crash. The caller holds the turn.
func (g *group) save() error {
	g.mu.Lock()
	state := groupState{Version: stateVersion, Deployment: g.deployment, Desired: g.desired, Published: g.published}
	state.Deployment.Revision.Ingress = g.ingress
	g.mu.Unlock()
	return writeJSON(g.stateFile(), state)
}

// save writes what has to be known about the instance after a crash.
func (i *instance) save() error {
	i.group.mu.Lock()
	state := instanceState{Port: i.port, Restarts: i.restarts, LastExit: i.lastExit}
	if i.process != nil {
		state.PID, state.Identity, state.Healthy = i.process.pid, i.process.id, !i.healthySince.IsZero()
	}
	i.group.mu.Unlock()
	return writeJSON(filepath.Join(i.dir(), "state.json"), state)
}

// load reads every deployment that is on disk. What cannot be read is taken for not desired: its
// processes are ended, and the next deployment of it starts from nothing.
func (r *Runtime) load() error {
	// Below the folder, whose own path may have characters that mean something in a pattern.
	dirs, err := fs.Glob(os.DirFS(r.options.Dir), "revisions/*/*/*/*/*")
	if err != nil {
		return err
	}
	for _, dir := range dirs {
		key, ok := keyOf(dir)
		if !ok {
			continue // not made by us
		}
		var state groupState
		err := readJSON(filepath.Join(r.groupDir(key), "deployment.json"), &state)
		if err == nil && (state.Version != stateVersion || state.Deployment.Key() != key) {
			err = fmt.Errorf("version %d of %s: want version %d of %s", state.Version, state.Deployment.Key(), stateVersion, key)
		}
		if err != nil {
			// Without a file a deployment was never begun, or is nearly removed.
			if !errors.Is(err, fs.ErrNotExist) {
				r.log.Error("deployment cannot be read and is ended", "deployment", key.String(), "error", err)
			}
			state = groupState{}
		}
		g := r.newGroup(key, state.Deployment)
		g.desired, g.published = state.Desired, state.Published
		if err := r.loadInstances(g); err != nil {
			return err
		}
		if !g.desired {
			g.beginRetire()
		}
		r.groups[key] = g
	}
	return nil
}

// keyOf is the key whose folder dir is, a slash-separated path relative to the runtime's folder.
func keyOf(dir string) (Key, bool) {
	lane, revision := path.Split(strings.TrimPrefix(dir, "revisions/"))
	unit, lane, _ := strings.Cut(strings.TrimSuffix(lane, "/"), "/")
	key := Key{Unit: unit, Lane: lane, Revision: revision}
	return key, key.check() == nil
}

// loadInstances reads the instances of a deployment, also those of one that has become smaller.
func (r *Runtime) loadInstances(g *group) error {
	files, err := fs.Glob(os.DirFS(g.dir), "*/state.json")
	if err != nil {
		return err
	}
	known := map[int]instanceState{}
	highest := g.deployment.Revision.Run.Instances - 1
	for _, file := range files {
		index, err := strconv.Atoi(path.Dir(file))
		if err != nil || index < 0 || index >= MaxInstances {
			continue
		}
		var state instanceState
		if err := readJSON(filepath.Join(g.dir, file), &state); err != nil {
			r.log.Error("instance cannot be read and starts anew", "deployment", g.key.String(), "instance", index, "error", err)
			continue
		}
		known[index] = state
		highest = max(highest, index)
	}
	for index := range highest + 1 {
		state := known[index]
		g.instances = append(g.instances, &instance{
			group: g, index: index, port: state.Port, found: state, restarts: state.Restarts, lastExit: state.LastExit,
			state: Stopped, since: r.options.Clock.Now(),
		})
		if state.Port > 0 {
			r.reserved[state.Port] = true
		}
	}
	return nil
}

// writeJSON replaces a file so that after a crash there is the old one or the new one, whole.
func writeJSON(name string, value any) error {
	encoded, err := json.Marshal(value)
	if err != nil {
		return err
	}
	dir := filepath.Dir(name)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	file, err := os.CreateTemp(dir, ".state-*")
	if err != nil {
		return err
	}
	// After the rename there is nothing of this name.
	defer func() { _ = os.Remove(file.Name()) }()
	defer file.Close()
	if _, err := file.Write(encoded); err != nil {
		return err
	}
	if err := file.Sync(); err != nil {
		return err
	}
	if err := file.Close(); err != nil {
		return err
	}
	if err := os.Rename(file.Name(), name); err != nil {
		return err
	}
	folder, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer folder.Close()
	return folder.Sync()
}

// stateBytes bounds a state file; a manifest's environment is the largest part of one.
const stateBytes = 4 << 20

func readJSON(name string, value any) error {
	info, err := os.Stat(name)
	if err != nil {
		return err
	}
	if info.Size() > stateBytes {
		return fmt.Errorf("%s has %d bytes: want at most %d", name, info.Size(), stateBytes)
	}
	encoded, err := os.ReadFile(name)
	if err != nil {
		return err
	}
	if err := json.Unmarshal(encoded, value); err != nil {
		return fmt.Errorf("read %s: %w", name, err)
	}
	return nil
}
