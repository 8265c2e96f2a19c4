package workflows_test

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/skyisland/skyisland/activities"
	"github.com/skyisland/skyisland/activities/activitiestest"
	"github.com/skyisland/skyisland/internal/release"
	"github.com/skyisland/skyisland/workflows"
)

const runURL = "https://github.com/acme/rail-tour/actions/runs/7"

// The states of the run that the tests wait for.
var (
	underWay = activities.WorkflowRun{ID: 7, URL: runURL, Status: "in_progress"}
	success  = activities.WorkflowRun{ID: 7, URL: runURL, Status: "completed", Over: true, Conclusion: "success"}
	failure  = activities.WorkflowRun{ID: 7, URL: runURL, Status: "completed", Over: true, Conclusion: "failure"}
)

// builtElsewhere lets the component web be built by a workflow, which uploads it.
func builtElsewhere(build release.Build) func(*release.Spec) {
	if build.Timeout == 0 {
		build.Timeout = release.Duration(10 * time.Minute)
	}
	return func(spec *release.Spec) { spec.Components[0].Build = build }
}

func byActions() release.Build {
	return release.Build{Actions: &release.Actions{Workflow: "build.yml", Artifact: "web"}}
}

// notes are the lines of the story that hold a text.
func (p *playing) notes(text string) (out []release.Entry) {
	for _, entry := range p.world.Journal.Entries(p.id) {
		if strings.Contains(entry.Message, text) {
			out = append(out, entry)
		}
	}
	return out
}

// tellBuilt tells the release that a build of its commit has ended.
func (p *playing) tellBuilt() {
	p.env.SignalWorkflow(workflows.SignalBuilt, release.BuiltNotice{Repository: "fliggy/rail-tour", Commit: p.commit})
}

// built is how long the release built, in its own time, until its story has an entry with a text.
func (p *playing) built(until string) time.Duration {
	p.t.Helper()
	from, to := p.notes("building"), p.notes(until)
	if len(from) == 0 || len(to) == 0 {
		p.t.Fatalf("the story has %d entries of building and %d with %q:\n%s", len(from), len(to), until, strings.Join(p.lines(), "\n"))
	}
	return to[0].At.Sub(from[0].At).Round(time.Second)
}

func TestAComponentIsTakenFromItsImage(t *testing.T) {
	inScene(t, func(s *scene) {
		s.push(v1, builtElsewhere(release.Build{Image: "registry.example/acme/web:{commit}"}))
		image := s.world.Elsewhere.Push("registry.example/acme/web:"+v1, "web of an image")
		r := s.begin(1, v1)
		r.end(release.Completed)
		noted := r.notes("took web from image " + image)
		if len(noted) != 1 || !slices.Equal(noted[0].Details, []string{string(r.outcome.Stable["web"].Artifact)}) {
			t.Errorf("the story tells %+v, want the image and the artifact %s", noted, r.outcome.Stable["web"].Artifact)
		}
		if built := r.lines("run " + r.id.String() + "/web/build"); len(built) > 0 {
			t.Errorf("it was built here too: %v", built)
		}
		if tested := r.lines("run " + r.id.String() + "/web/test"); len(tested) != 1 {
			t.Errorf("its own tests ran %d times, want once", len(tested))
		}
	})
}

// The tag moves between the release's look at it and its second attempt to take the image.
func TestAnImageStaysTheOneThatItsTagMeant(t *testing.T) {
	inScene(t, func(s *scene) {
		s.push(v1, builtElsewhere(release.Build{Image: "registry.example/acme/web:latest"}))
		image := s.world.Elsewhere.Push("registry.example/acme/web:latest", "the first")
		s.world.Once("flatten", func() {
			s.world.Elsewhere.Fail(activitiestest.ErrAway)
			s.world.Elsewhere.Push("registry.example/acme/web:latest", "the second")
		})
		r := s.begin(1, v1)
		r.on("flatten", time.Minute, func() { s.world.Elsewhere.Fail(nil) })
		r.end(release.Completed)
		if resolved := r.lines("resolve"); len(resolved) != 1 {
			t.Errorf("the tag was resolved %d times, want once", len(resolved))
		}
		if noted := r.notes("took web from image " + image); len(noted) != 1 {
			t.Errorf("the story tells %+v, want the image %s", r.notes("took web"), image)
		}
	})
}

func TestAnImageThatIsNotThereFailsTheBuild(t *testing.T) {
	inScene(t, func(s *scene) {
		s.push(v1, builtElsewhere(release.Build{Image: "registry.example/acme/web:{short}"}))
		r := s.begin(1, v1)
		r.end(release.Failed)
		r.cause(release.CauseBuild, "build of web: resolve image registry.example/acme/web:1111111: not found")
	})
}

func TestATemplateThatTheRefDoesNotFillIsRefusedBeforeAnythingIsBuilt(t *testing.T) {
	inScene(t, func(s *scene) {
		s.push(v1, builtElsewhere(release.Build{Image: "registry.example/acme/web:{tag}"}))
		r := s.begin(1, v1)
		r.end(release.Refused)
		r.cause(release.CauseManifest, "components[0].build.image", "refs/heads/main is no tag")
		if built := r.lines("run"); len(built) > 0 {
			t.Errorf("something was built: %v", built)
		}
	})
}

func TestTheRunOfTheCommitIsAwaited(t *testing.T) {
	inScene(t, func(s *scene) {
		s.push(v1, builtElsewhere(byActions()))
		s.world.Elsewhere.Upload(7, "web", "web of a run")
		r := s.begin(1, v1)
		// The run appears late, takes a while, and nobody tells the release.
		r.on("look for", 40*time.Second, func() {
			if waiting := r.status().Waiting; waiting == nil || waiting.For != "GitHub Actions to build web" || waiting.Until.IsZero() {
				t.Errorf("the release waits for %+v, want the run", waiting)
			}
			s.world.Elsewhere.Ran("build.yml", v1, underWay)
		})
		r.on("look for", 4*time.Minute, func() { s.world.Elsewhere.Ran("build.yml", v1, success) })
		r.end(release.Completed)
		noted := r.notes(`took web from artifact "web" (sha256:`)
		if len(noted) != 1 || !strings.Contains(noted[0].Message, runURL) || noted[0].Details[0] != string(r.outcome.Stable["web"].Artifact) {
			t.Errorf("the story tells %+v, want the artifact of %s", noted, runURL)
		}
		// At 0, 15, 45, 105, 225 and 345 seconds.
		if looks := s.world.Elsewhere.Looks(); looks != 6 {
			t.Errorf("looked %d times, want 6 in longer and longer pauses", looks)
		}
	})
}

func TestTheImageOfARunIsTakenOnceItHasSucceeded(t *testing.T) {
	inScene(t, func(s *scene) {
		s.push(v1, builtElsewhere(release.Build{Actions: &release.Actions{Workflow: "build.yml", Image: "registry.example/acme/web:{commit}"}}))
		s.world.Elsewhere.Ran("build.yml", v1, underWay)
		r := s.begin(1, v1)
		image := ""
		r.on("look for", 5*time.Second, func() {
			image = s.world.Elsewhere.Push("registry.example/acme/web:"+v1, "web of a run")
			s.world.Elsewhere.Ran("build.yml", v1, success)
		})
		r.end(release.Completed)
		if noted := r.notes("took web from image " + image + ", built by " + runURL); len(noted) != 1 {
			t.Errorf("the story tells %+v", r.notes("took web"))
		}
	})
}

func TestWhoIsToldThatABuildHasEndedLooksAtOnce(t *testing.T) {
	inScene(t, func(s *scene) {
		s.push(v1, builtElsewhere(byActions()))
		s.world.Elsewhere.Ran("build.yml", v1, underWay)
		s.world.Elsewhere.Upload(7, "web", "web of a run")
		r := s.begin(1, v1)
		r.on("look for", 5*time.Minute, func() {
			s.world.Elsewhere.Ran("build.yml", v1, success)
			r.tellBuilt()
		})
		r.end(release.Completed)
		if got := r.built("took web"); got != 5*time.Minute {
			t.Errorf("the artifact was taken after %s, want it when the release was told, after 5m", got)
		}
	})
}

// GitHub tells of a run before it shows that the run has ended.
func TestAWordThatComesTooEarlyIsFollowedBySoonLooks(t *testing.T) {
	inScene(t, func(s *scene) {
		s.push(v1, builtElsewhere(byActions()))
		s.world.Elsewhere.Ran("build.yml", v1, underWay)
		s.world.Elsewhere.Upload(7, "web", "web of a run")
		r := s.begin(1, v1)
		r.on("look for", 5*time.Minute, func() {
			r.tellBuilt()
			r.env.RegisterDelayedCallback(func() { s.world.Elsewhere.Ran("build.yml", v1, success) }, time.Second)
		})
		r.end(release.Completed)
		if got := r.built("took web"); got != 5*time.Minute+15*time.Second {
			t.Errorf("the artifact was taken after %s, want it 15s after the word", got)
		}
	})
}

func TestARunThatEndsBadlyFailsTheBuild(t *testing.T) {
	inScene(t, func(s *scene) {
		s.push(v1, builtElsewhere(byActions()))
		s.world.Elsewhere.Ran("build.yml", v1, underWay)
		r := s.begin(1, v1)
		r.on("look for", time.Minute, func() {
			s.world.Elsewhere.Ran("build.yml", v1, failure)
			r.tellBuilt()
		})
		r.end(release.Failed)
		r.cause(release.CauseBuild, "build of web: the run of build.yml ended with failure", runURL)
	})
}

func TestARunThatNeverAppearsFailsTheBuild(t *testing.T) {
	inScene(t, func(s *scene) {
		s.push(v1, builtElsewhere(byActions()))
		r := s.begin(1, v1)
		r.end(release.Failed)
		r.cause(release.CauseBuild, "build of web: no run of build.yml appeared within 10m", "has no run of build.yml for commit "+v1)
	})
}

func TestARunThatTakesTooLongFailsTheBuild(t *testing.T) {
	inScene(t, func(s *scene) {
		build := byActions()
		build.Timeout = release.Duration(3 * time.Minute)
		s.push(v1, builtElsewhere(build))
		s.world.Elsewhere.Ran("build.yml", v1, underWay)
		r := s.begin(1, v1)
		r.end(release.Failed)
		r.cause(release.CauseBuild, "build of web: the run of build.yml is still in_progress after 3m", runURL)
		if got := r.built("failed before"); got != 3*time.Minute {
			t.Errorf("the build failed after %s, want it when its time is over", got)
		}
	})
}

func TestGitHubThatIsAwayIsAskedAgain(t *testing.T) {
	inScene(t, func(s *scene) {
		s.push(v1, builtElsewhere(byActions()))
		s.world.Elsewhere.Ran("build.yml", v1, success)
		s.world.Elsewhere.Upload(7, "web", "web of a run")
		s.world.Elsewhere.Fail(activitiestest.ErrAway)
		r := s.begin(1, v1)
		r.on("look for", 2*time.Minute, func() { s.world.Elsewhere.Fail(nil) })
		r.end(release.Completed)
	})
}

func TestGitHubThatStaysAwayFailsTheBuild(t *testing.T) {
	inScene(t, func(s *scene) {
		s.push(v1, builtElsewhere(byActions()))
		s.world.Elsewhere.Fail(activitiestest.ErrAway)
		r := s.begin(1, v1)
		r.end(release.Failed)
		r.cause(release.CauseBuild, "build of web: GitHub could not be asked for the run of build.yml within 10m", "502 Bad Gateway")
	})
}

func TestALimitOfGitHubIsWaitedFor(t *testing.T) {
	inScene(t, func(s *scene) {
		s.push(v1, builtElsewhere(byActions()))
		s.world.Elsewhere.Ran("build.yml", v1, success)
		s.world.Elsewhere.Upload(7, "web", "web of a run")
		s.world.Elsewhere.Fail(&activities.LaterError{Err: errors.New("rate limit"), After: 5 * time.Minute})
		r := s.begin(1, v1)
		r.on("look for", time.Second, func() { s.world.Elsewhere.Fail(nil) })
		r.end(release.Completed)
		if got := r.built("took web"); got != 5*time.Minute || s.world.Elsewhere.Looks() != 2 {
			t.Errorf("looked %d times and was done after %s, want a second look after 5m", s.world.Elsewhere.Looks(), got)
		}
	})
}

func TestAnAbortEndsTheWaitForARun(t *testing.T) {
	inScene(t, func(s *scene) {
		s.push(v1, builtElsewhere(byActions()))
		s.world.Elsewhere.Ran("build.yml", v1, underWay)
		r := s.begin(1, v1)
		looked := 0
		r.on("look for", 5*time.Minute, func() {
			looked = s.world.Elsewhere.Looks()
			r.tell(workflows.UpdateAbort, release.Instruction{})
		})
		r.end(release.Aborted)
		if looked == 0 || s.world.Elsewhere.Looks() != looked {
			t.Errorf("looked %d times before the abort and %d in all", looked, s.world.Elsewhere.Looks())
		}
	})
}

func TestANewerReleaseEndsTheWaitForARun(t *testing.T) {
	inScene(t, func(s *scene) {
		s.push(v1, builtElsewhere(byActions()))
		r := s.begin(1, v1)
		r.on("look for", 30*time.Second, r.overtake)
		r.end(release.Superseded)
		if got := r.built("superseded before"); got != 30*time.Second {
			t.Errorf("the end came after %s, want it with the newer release", got)
		}
	})
}

// The builds of a group end together: one that fails ends the wait of the others.
func TestABuildThatFailsEndsTheWaitOfTheOthers(t *testing.T) {
	inScene(t, func(s *scene) {
		s.push(v1, func(spec *release.Spec) {
			builtElsewhere(byActions())(spec)
			spec.Components[1].Build = release.Build{Actions: &release.Actions{Workflow: "api.yml", Artifact: "api"}, Timeout: release.Duration(time.Hour)}
		})
		s.world.Elsewhere.Ran("build.yml", v1, underWay)
		r := s.begin(1, v1)
		r.on("look for", 20*time.Second, func() {
			if waiting := r.status().Waiting; waiting == nil || !strings.Contains(waiting.For, "web") || !strings.Contains(waiting.For, "api") {
				t.Errorf("the release waits for %+v, want both runs", waiting)
			}
			s.world.Elsewhere.Ran("build.yml", v1, failure)
			r.tellBuilt()
		})
		r.end(release.Failed)
		r.cause(release.CauseBuild, "build of web")
		if got := r.built("failed before"); got != 20*time.Second {
			t.Errorf("the end came after %s, want it with the failure", got)
		}
	})
}

// The word reaches releases that wait for nothing, or no longer.
func TestAWordThatNobodyWaitsForChangesNothing(t *testing.T) {
	inScene(t, func(s *scene) {
		s.live()
		r := s.begin(2, v2)
		r.on("weight web in a: 5%", time.Second, r.tellBuilt)
		r.end(release.Completed)
	})
}
