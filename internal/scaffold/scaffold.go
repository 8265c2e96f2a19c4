// Package scaffold writes a small real application to begin with: a function in Go that needs
// nothing but the standard library, with its tests, cases and manifest.
//
// It also holds the changes of the tour. A good one that people can see, and a bad one as it
// happens in life: right in every test its author thought of, wrong for what real clients send.
package scaffold

import (
	"bytes"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"text/template"

	"github.com/skyisland/skyisland/internal/release"
)

//go:embed templates
var templates embed.FS

// Options are what an application is called.
type Options struct {
	// Tenant is "default" when empty.
	Tenant string
	// Application is required, a name as [release.CheckName] wants it.
	Application string
	// Component is the name of its function, "timetable" when empty.
	Component string
	// Branch is the branch whose pushes are released, "main" when empty.
	Branch string
}

// values are what the templates know.
type values struct{ Tenant, Application, Name, Route, Branch string }

func (o Options) values() (values, error) {
	or := func(s, otherwise string) string {
		if s == "" {
			return otherwise
		}
		return s
	}
	v := values{
		Tenant: or(o.Tenant, "default"), Application: o.Application,
		Name: or(o.Component, "timetable"), Branch: or(o.Branch, "main"),
	}
	v.Route = "/" + v.Name
	for _, part := range []struct{ kind, name string }{
		{"tenant", v.Tenant}, {"application", v.Application}, {"component", v.Name},
	} {
		if err := release.CheckName(part.name); err != nil {
			return v, fmt.Errorf("%s %w", part.kind, err)
		}
	}
	if v.Route == "/healthz" {
		return v, errors.New(`component "healthz" would have the path of the health check: choose another name`)
	}
	if strings.ContainsAny(v.Branch, " \t\n:{}[]#\"'~^?*\\") || strings.HasPrefix(v.Branch, "-") {
		return v, fmt.Errorf("%q is not a branch: write a name such as main", v.Branch)
	}
	return v, nil
}

// Write writes a new application into a folder, which it makes when it is not there, and returns
// the files it wrote, relative to it. It overwrites nothing: when any of its files is there, it
// says which, and writes none.
func Write(dir string, o Options) ([]string, error) {
	v, err := o.values()
	if err != nil {
		return nil, err
	}
	files, err := render(v)
	if err != nil {
		return nil, err
	}
	var there []string
	for _, f := range files {
		if _, err := os.Lstat(filepath.Join(dir, f.name)); err == nil {
			there = append(there, f.name)
		} else if !errors.Is(err, fs.ErrNotExist) {
			return nil, fmt.Errorf("look for %s: %w", f.name, err)
		}
	}
	if len(there) > 0 {
		return nil, fmt.Errorf("%s has %s already; choose another folder, or move them away",
			dir, strings.Join(there, ", "))
	}
	var written []string
	for _, f := range files {
		if err := create(filepath.Join(dir, f.name), f.content); err != nil {
			return written, fmt.Errorf("write %s: %w", f.name, err)
		}
		written = append(written, f.name)
	}
	return written, nil
}

type file struct {
	name    string
	content []byte
}

// render are the files of an application, in the order of their names.
func render(v values) ([]file, error) {
	const root = "templates/function"
	var out []file
	err := fs.WalkDir(templates, root, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		text, err := templates.ReadFile(path)
		if err != nil {
			return err
		}
		t, err := template.New(path).Option("missingkey=error").Parse(string(text))
		if err != nil {
			return err
		}
		var content bytes.Buffer
		if err := t.Execute(&content, v); err != nil {
			return err
		}
		name := strings.TrimSuffix(strings.TrimPrefix(path, root+"/"), ".tmpl")
		if name == "gitignore" {
			// Embedding leaves out files that begin with a dot.
			name = ".gitignore"
		}
		out = append(out, file{name, content.Bytes()})
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("render templates: %w", err)
	}
	return out, nil
}

// create writes a new file and the folders it is in. O_EXCL keeps what somebody else has written
// since we looked.
func create(path string, content []byte) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
	if err != nil {
		return err
	}
	_, err = f.Write(content)
	return errors.Join(err, f.Close())
}
