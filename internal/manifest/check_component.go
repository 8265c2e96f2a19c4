package manifest

import (
	"fmt"
	"maps"
	"path"
	"slices"
	"strings"

	"github.com/skyisland/skyisland/internal/glob"
	"github.com/skyisland/skyisland/internal/release"
	"github.com/skyisland/skyisland/internal/yamldoc"
)

// maxComponents bounds what one release may move at once.
const maxComponents = 32

func checkComponents(doc *yamldoc.Document, components []release.Component) {
	if len(components) > maxComponents {
		doc.Report("components", fmt.Sprintf("%d components", len(components)),
			fmt.Sprintf("release at most %d as one application", maxComponents))
		return
	}
	names, routes := map[string]int{}, map[string]int{}
	for i, c := range components {
		at := fmt.Sprintf("components[%d]", i)
		checkName(doc, at+".name", c.Name)
		if first, ok := names[c.Name]; ok && c.Name != "" {
			doc.Report(at+".name", fmt.Sprintf("%q is the name of components[%d] too", c.Name, first), "give each component its own name")
		} else {
			names[c.Name] = i
		}
		checkComponent(doc, at, c)
		route := c.Ingress.Host + strings.TrimSuffix(c.Ingress.Path, "/")
		if first, ok := routes[route]; ok {
			doc.Report(at+".route.path", fmt.Sprintf("components[%d] has the same route %s%s", first, c.Ingress.Host, c.Ingress.Path),
				"give each component a path or host of its own")
		} else if doc.Sound(at + ".route") {
			routes[route] = i
		}
	}
}

func checkComponent(doc *yamldoc.Document, at string, c release.Component) {
	checkInside(doc, at+".path", c.Path)
	checkBuild(doc, at+".build", c.Build)
	checkCommand(doc, at+".test", c.Test)
	checkArguments(doc, at+".run.command", c.Run.Command)
	checkVariables(doc, at+".run.env", c.Run.Env, "PORT")
	checkRequestPath(doc, at+".run.health", c.Run.Health)
	for i, pattern := range c.Cases {
		item := fmt.Sprintf("%s.cases[%d]", at, i)
		checkInside(doc, item, pattern)
		if _, err := path.Match(pattern, ""); err != nil {
			doc.Report(item, fmt.Sprintf("%q is not a pattern", pattern), "write one such as cases/*.yaml")
		}
	}
	checkPatterns(doc, at+".paths", c.Paths, "write one such as libs/common or **/*.sql")
	for i, pattern := range c.Paths {
		checkInside(doc, fmt.Sprintf("%s.paths[%d]", at, i), pattern)
	}
	checkRoute(doc, at+".route", c.Ingress)
}

// maxPatterns bounds a list of patterns.
const maxPatterns = 32

func checkPatterns(doc *yamldoc.Document, at string, patterns []string, fix string) {
	if doc.Has(at) && len(patterns) == 0 {
		doc.Report(at, "nothing in the list", fix+", or remove the field")
	}
	if len(patterns) > maxPatterns {
		doc.Report(at, fmt.Sprintf("%d patterns", len(patterns)), fmt.Sprintf("write at most %d", maxPatterns))
		return
	}
	checkUnique(doc, at, patterns)
	for i, pattern := range patterns {
		if err := glob.Check(pattern); err != nil {
			doc.Report(fmt.Sprintf("%s[%d]", at, i), err.Error(), fix)
		}
	}
}

// checkInside reports a path that leaves the repository, or is written in a way that means another
// place on another system.
func checkInside(doc *yamldoc.Document, at, p string) {
	if !doc.Sound(at) {
		return
	}
	switch {
	case p == "":
		doc.Report(at, "no path", "write a path relative to the repository, such as . or functions/timetable")
	case path.IsAbs(p) || strings.Contains(p, `\`) || strings.Contains(p, ":"):
		doc.Report(at, fmt.Sprintf("%q is not a relative path", p), "write it relative, with /, as in functions/timetable")
	case p == ".." || strings.HasPrefix(path.Clean(p), "../") || path.Clean(p) == "..":
		doc.Report(at, fmt.Sprintf("%q is outside the repository", p), "write a path inside it")
	case path.Clean(p) == ".git" || strings.HasPrefix(path.Clean(p), ".git/"):
		doc.Report(at, fmt.Sprintf("%q is git's own folder", p), "write a path of your files")
	}
}

func checkCommand(doc *yamldoc.Document, at string, c release.Command) {
	if doc.Has(at) && !doc.Has(at+".run") {
		doc.Report(at+".run", "run is missing", "add run, as in run: [go, test, ./...], or remove the command")
	}
	if doc.Has(at+".run") && len(c.Run) == 0 {
		doc.Report(at+".run", "nothing in the list", "write the program and its arguments, or remove the command")
	}
	checkArguments(doc, at+".run", c.Run)
	checkVariables(doc, at+".env", c.Env)
}

func checkArguments(doc *yamldoc.Document, at string, args []string) {
	if len(args) > 0 && strings.TrimSpace(args[0]) == "" {
		doc.Report(at+"[0]", "the program's name is empty", "write the program, such as go or bin/timetable")
	}
	for i, arg := range args {
		if strings.ContainsRune(arg, 0) {
			doc.Report(fmt.Sprintf("%s[%d]", at, i), "a NUL character in an argument", "remove it")
		}
	}
}

// checkVariables reports names that are no environment variables, or that are set by who starts
// the program.
func checkVariables(doc *yamldoc.Document, at string, env map[string]string, taken ...string) {
	taken = append(taken, "PATH", "HOME", "TMPDIR")
	for _, name := range slices.Sorted(maps.Keys(env)) {
		where := yamldoc.Child(at, name)
		switch {
		case !variable.MatchString(name):
			doc.Report(where, fmt.Sprintf("%q is not the name of a variable", name), "use letters, digits and _, not beginning with a digit")
		case slices.Contains(taken, name):
			doc.Report(where, name+" is set for the program already", "remove it, or use another name")
		case strings.ContainsRune(env[name], 0):
			doc.Report(where, "a NUL character in a variable", "remove it")
		}
	}
}

func checkRoute(doc *yamldoc.Document, at string, route release.Ingress) {
	if doc.Has(at+".host") && (!hostName.MatchString(route.Host) || len(route.Host) > 253) {
		doc.Report(at+".host", fmt.Sprintf("%q is not a host name", route.Host), "write lower-case labels without a port, such as rail.example.com")
	}
	checkRequestPath(doc, at+".path", route.Path)
	if len(route.Path) > 1 && strings.HasSuffix(route.Path, "/") {
		doc.Report(at+".path", fmt.Sprintf("%q ends with /", route.Path),
			fmt.Sprintf("write %s, which stands for everything below it too", strings.TrimRight(route.Path, "/")))
	}
	for i, pin := range route.Pins {
		where := fmt.Sprintf("%s.pins[%d]", at, i)
		switch {
		case (pin.Header == "") == (pin.Cookie == "") && doc.Sound(where+".header") && doc.Sound(where+".cookie"):
			doc.Report(where, "a pin needs either a header or a cookie", `write one, as in {header: X-Canary, values: ["yes"]}`)
		case pin.Header != "" && !token.MatchString(pin.Header):
			doc.Report(where+".header", fmt.Sprintf("%q is not the name of a header", pin.Header), "write one such as X-Canary")
		case pin.Cookie != "" && !token.MatchString(pin.Cookie):
			doc.Report(where+".cookie", fmt.Sprintf("%q is not the name of a cookie", pin.Cookie), "write one such as canary")
		}
		for j, value := range pin.Values {
			if value == "" {
				doc.Report(fmt.Sprintf("%s.values[%d]", where, j), "an empty value would pin nothing", "write the value that pins")
			}
		}
		checkUnique(doc, where+".values", pin.Values)
	}
	if a := route.Authentication; a != nil && doc.Sound(at+".authentication") {
		if err := a.Check(); err != nil {
			report(doc, at+".authentication", err)
		}
	}
	checkFallback(doc, at+".fallback", route.Fallback)
	if len(route.Limits) > release.MostLimits {
		doc.Report(at+".limits", fmt.Sprintf("%d limits", len(route.Limits)), fmt.Sprintf("set at most %d", release.MostLimits))
	}
}

func checkFallback(doc *yamldoc.Document, at string, f *release.Fallback) {
	if f == nil || !doc.Sound(at) {
		return
	}
	if !f.Stable && f.Unit == "" && f.Answer == nil {
		doc.Report(at, "a fallback to nothing", "write what to try, as in {stable: true}, {unit: b} or {answer: {status: 503}}, or remove it")
	}
	if doc.Has(at + ".unit") {
		if err := release.CheckName(f.Unit); err != nil {
			report(doc, at+".unit", err)
		}
	}
	if f.Answer != nil {
		if err := f.Answer.CheckBody(); err != nil {
			report(doc, at+".answer.body", err)
		}
	}
}

// checkRequestPath reports a path that no request can have.
func checkRequestPath(doc *yamldoc.Document, at, p string) {
	if !doc.Sound(at) {
		return
	}
	switch {
	case !strings.HasPrefix(p, "/"):
		doc.Report(at, fmt.Sprintf("%q is not a path of requests", p), "begin it with /, as in /"+strings.TrimLeft(p, "./"))
	case strings.ContainsAny(p, "?# \t\\*"):
		doc.Report(at, fmt.Sprintf("%q is more than a path", p), "leave out queries, fragments, blanks and wildcards")
	case path.Clean(p) != strings.TrimSuffix(p, "/") && p != "/":
		doc.Report(at, fmt.Sprintf("%q has empty or dot segments", p), "write "+path.Clean(p))
	}
}
