package workflows_test

import (
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/skyisland/skyisland/activities/activitiestest"
	"github.com/skyisland/skyisland/internal/release"
)

// commands are the commands that a release has run, as "api/build", sorted.
func (p *playing) commands() []string {
	var out []string
	for _, line := range p.lines() {
		if _, name, found := strings.Cut(line, "run "+p.id.String()+"/"); found {
			out = append(out, name)
		}
	}
	slices.Sort(out)
	return out
}

// pushed adds a commit whose folders are those of v1, but for these.
func (s *scene) pushed(commit string, differ ...string) {
	folders := map[string]string{}
	for _, c := range s.spec.Components {
		folders[c.Path] = c.Name + " of " + v1
	}
	for _, path := range differ {
		folders[path] += " and of " + commit
	}
	s.world.Source.Push(commit, activitiestest.Commit{Spec: s.spec, Folders: folders})
}

// saying lets every component say what it is built from, and pushes v1 so.
func (s *scene) saying(paths ...string) {
	s.spec.Components = slices.Clone(s.spec.Components)
	for i := range s.spec.Components {
		s.spec.Components[i].Paths = paths
	}
	s.push(v1, nil)
}

func TestOnlyTouchedComponentsAreBuilt(t *testing.T) {
	for _, tt := range []struct {
		name   string
		set    func(s *scene)
		differ []string
		want   []string
	}{
		{"one is touched", nil, []string{"api"}, []string{"api/build", "api/test"}},
		{"what two are built from is touched", nil, []string{"libs"}, []string{"api/build", "api/test", "jobs/build", "jobs/test", "web/build", "web/test"}},
		{"what nobody is built from is touched", nil, []string{"docs"}, nil},
		{
			"one is built in another way", func(s *scene) {
				s.spec.Components = slices.Clone(s.spec.Components)
				s.spec.Components[0].Build.Run = []string{"make"}
			}, []string{"docs"}, []string{"web/build", "web/test"},
		},
		{
			"the commit of what is stable is gone", func(s *scene) {
				for name, revision := range s.stable {
					revision.Commit = strings.Repeat("9", 40)
					s.stable[name] = revision
				}
			}, []string{"docs"}, []string{"api/build", "api/test", "jobs/build", "jobs/test", "web/build", "web/test"},
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			inScene(t, func(s *scene) {
				s.saying("libs")
				s.live()
				s.stable = maps.Clone(s.stable)
				if tt.set != nil {
					tt.set(s)
				}
				s.pushed(v2, tt.differ...)
				r := s.begin(2, v2)
				r.end(release.Completed)
				if got := r.commands(); !slices.Equal(got, tt.want) {
					t.Errorf("ran %v, want %v", got, tt.want)
				}
				// The group is released as one all the same.
				if len(r.outcome.Stable) != 3 {
					t.Errorf("stable are %v", r.outcome.Stable)
				}
				for name, revision := range r.outcome.Stable {
					built := slices.Contains(r.commands(), name+"/build")
					if was := s.stable[name].Commit; !built && revision.Commit != was {
						t.Errorf("%s is said to be built from %s, and was from %s", name, revision.Commit, was)
					}
					if same := revision.Artifact == s.stable[name].Artifact; same && slices.Contains(tt.differ, name) || !same && !built {
						t.Errorf("%s has the artifact %s, and had %s", name, revision.Artifact, s.stable[name].Artifact)
					}
				}
			})
		})
	}
}

func TestWithoutPathsEverythingIsBuilt(t *testing.T) {
	inScene(t, func(s *scene) {
		s.live()
		s.pushed(v2, "api")
		r := s.begin(2, v2)
		r.end(release.Completed)
		if got := r.commands(); len(got) != 6 {
			t.Errorf("ran %v", got)
		}
	})
}

func TestAPromotionTakesWhatWasBuiltBefore(t *testing.T) {
	staged := release.ID{Lane: release.Lane{Tenant: lane.Tenant, Application: lane.Application, Environment: "staging"}, Number: 4}
	artifacts := map[string]release.Digest{
		"web": release.Digest("sha256:" + strings.Repeat("a", 64)), "api": release.Digest("sha256:" + strings.Repeat("b", 64)), "jobs": release.Digest("sha256:" + strings.Repeat("c", 64)),
	}
	for _, tt := range []struct {
		name      string
		promotion *release.Promotion
		after     string
		want      release.Phase
		says      string
	}{
		{"all is there", &release.Promotion{From: staged, Artifacts: artifacts, Commits: map[string]string{"web": v1}}, "staging", release.Completed, ""},
		{"nothing is promoted", nil, "staging", release.Refused, "production is released by promotion from staging alone"},
		{"one has no artifact", &release.Promotion{From: staged, Artifacts: map[string]release.Digest{"web": artifacts["web"]}}, "staging", release.Refused, "has no artifact of api, and nothing is built"},
		{"the manifest does not say so", &release.Promotion{From: staged, Artifacts: artifacts}, "", release.Refused, "does not promote from staging to production"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			inScene(t, func(s *scene) {
				s.live()
				s.push(v2, func(spec *release.Spec) { spec.After = tt.after })
				r := s.begin(2, v2)
				in := r.input()
				in.Request.Promotion = tt.promotion
				r.run(in)
				r.checkEnd()
				if r.outcome.Phase != tt.want {
					t.Fatalf("ended %s: %+v", r.outcome.Phase, r.outcome.Cause)
				}
				if got := r.commands(); len(got) != 0 {
					t.Errorf("ran %v, and nothing is built for a promotion", got)
				}
				if tt.want != release.Completed {
					if !strings.Contains(r.outcome.Cause.Message, tt.says) {
						t.Errorf("because %q, want %q", r.outcome.Cause.Message, tt.says)
					}
					return
				}
				for name, revision := range r.outcome.Stable {
					if revision.Artifact != artifacts[name] {
						t.Errorf("%s serves %s, want %s", name, revision.Artifact, artifacts[name])
					}
					if want := map[bool]string{true: v1, false: v2}[name == "web"]; revision.Commit != want {
						t.Errorf("%s is said to be of %s, want %s", name, revision.Commit, want)
					}
				}
			})
		})
	}
}
