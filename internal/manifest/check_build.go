package manifest

import (
	"strings"

	"github.com/skyisland/skyisland/internal/release"
	"github.com/skyisland/skyisland/internal/yamldoc"
)

// checkBuild reports a build that says more than one way, or none, and what is wrong with the way it says.
func checkBuild(doc *yamldoc.Document, at string, b release.Build) {
	if !doc.Sound(at) {
		return
	}
	var ways []string
	for _, way := range []string{"run", "image", "github-actions"} {
		if doc.Has(at + "." + way) {
			ways = append(ways, way)
		}
	}
	switch {
	case doc.Has(at) && len(ways) == 0:
		doc.Report(at+".run", "run is missing", "add run, as in run: [go, build, -o, bin/api, .], or image, or github-actions, or remove the build")
		return
	case len(ways) > 1:
		doc.Report(at, strings.Join(ways, " and ")+" are both there", "keep one of them: a component is built in one way")
		return
	}
	if len(ways) == 0 {
		return
	}
	if ways[0] == "run" {
		checkCommand(doc, at, b.Command())
		return
	}
	for _, field := range []string{"env", "output"} {
		if doc.Has(at + "." + field) {
			doc.Report(at+"."+field, field+" is for a command, and there is none to run", "remove it, or write run instead of "+ways[0])
		}
	}
	checkImage(doc, at+".image", b.Image)
	checkActions(doc, at+".github-actions", b.Actions)
}

func checkImage(doc *yamldoc.Document, at, image string) {
	if !doc.Has(at) {
		return
	}
	if err := release.CheckImage(image); err != nil {
		report(doc, at, err)
	}
}

func checkActions(doc *yamldoc.Document, at string, a *release.Actions) {
	if a == nil || !doc.Sound(at) {
		return
	}
	if doc.Has(at + ".workflow") {
		if err := release.CheckWorkflow(a.Workflow); err != nil {
			report(doc, at+".workflow", err)
		}
	}
	if doc.Has(at+".image") == doc.Has(at+".artifact") {
		doc.Report(at, "a run gives either an image or an artifact", "write one, as in image: registry.example/acme/api:{commit} or artifact: api")
		return
	}
	checkImage(doc, at+".image", a.Image)
	if doc.Has(at + ".artifact") {
		if err := release.CheckArtifactName(a.Artifact); err != nil {
			report(doc, at+".artifact", err)
		}
	}
}
