package activities_test

import (
	"context"
	"fmt"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"go.temporal.io/api/serviceerror"
	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/converter"
	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/worker"

	"github.com/skyisland/skyisland/activities"
	"github.com/skyisland/skyisland/activities/activitiestest"
	"github.com/skyisland/skyisland/internal/canary"
	"github.com/skyisland/skyisland/internal/release"
)

var (
	lane = release.Lane{Tenant: "fliggy", Application: "rail-tour", Environment: "production"}
	id   = release.ID{Lane: lane, Number: 2}
)

const lease = 9 * time.Second

// scene is a watcher over two gateways, and what it said.
type scene struct {
	t     *testing.T
	world *activitiestest.World
	in    activities.WatchInput
	begin time.Time
	beats []activities.WatchBeat
	// stop is closed when the worker stops, leave calls the watcher off.
	stop  chan struct{}
	leave context.CancelCauseFunc
	ctx   context.Context //nolint:containedctx // it is the background of the one activity of a test
}

func inBubble(t *testing.T, play func(*scene)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		config := canary.DefaultConfig()
		config.WarmUp, config.Steps, config.Planned = 0, 3, time.Minute
		s := &scene{t: t, world: activitiestest.New(1, "a", "b"), begin: time.Now(), stop: make(chan struct{})}
		s.ctx, s.leave = context.WithCancelCause(t.Context())
		s.in = activities.WatchInput{
			Release: id, Units: []string{"a", "b"}, Compared: true, Config: config, Goal: 1, Lease: release.Duration(lease), Bake: release.Duration(5 * time.Second),
			Moves:   []release.Move{{Component: "web", Stable: &release.Revision{ID: "web-old"}, Candidate: release.Revision{ID: "web-new"}}},
			Weights: []release.WeightVersion{{Version: 1, Weight: 500}},
		}
		play(s)
	})
}

// serve gives the canary a weight in a unit.
func (s *scene) serve(unit, component string, version int64, weight release.Weight) {
	s.t.Helper()
	_, err := s.world.Gateways.Apply(s.t.Context(), unit, []release.Route{{
		Key: release.RouteKey(lane, component), Ingress: release.Ingress{Path: "/" + component}, Version: version, Weight: weight, Release: id.String(),
		Salt: "salt", Lease: release.Duration(lease),
		Stable: &release.Target{Revision: component + "-old", Endpoints: []string{"old:80"}},
		Canary: &release.Target{Revision: component + "-new", Endpoints: []string{"new:80"}},
	}})
	if err != nil {
		s.t.Fatal(err)
	}
}

// later does something beside the watcher.
func (s *scene) later(wait time.Duration, f func()) { time.AfterFunc(wait, f) }

// watch runs one attempt, from the last heartbeat when there was one.
func (s *scene) watch() (activities.WatchResult, error) {
	s.t.Helper()
	env := quiet().NewTestActivityEnvironment()
	env.SetTestTimeout(1000 * time.Hour)
	env.SetWorkerOptions(worker.Options{BackgroundActivityContext: s.ctx})
	env.SetWorkerStopChannel(s.stop)
	env.RegisterActivityWithOptions(&activities.Watch{Observers: s.world.Gateways.Observers}, activity.RegisterOptions{})
	env.SetOnActivityHeartbeatListener(func(_ *activity.Info, details converter.EncodedValues) {
		var beat activities.WatchBeat
		if err := details.Get(&beat); err != nil {
			s.t.Errorf("read a heartbeat: %v", err)
		}
		s.beats = append(s.beats, beat)
	})
	if len(s.beats) > 0 {
		env.SetHeartbeatDetails(s.beats[len(s.beats)-1])
	}
	value, err := env.ExecuteActivity(activities.WatchType, s.in)
	var result activities.WatchResult
	if err == nil {
		err = value.Get(&result)
	}
	return result, err
}

// ends runs the watcher and checks how and when it ends, within a tick of the watcher.
func (s *scene) ends(want activities.WatchEnd, after time.Duration) activities.WatchResult {
	s.t.Helper()
	result, err := s.watch()
	if err != nil {
		s.t.Fatal(err)
	}
	took := time.Since(s.begin)
	if result.End != want || took < after || took > after+500*time.Millisecond {
		s.t.Fatalf("ended %q after %s, want %q after %s: %s", result.End, took, want, after, result.Evidence.Sentence)
	}
	return result
}

func TestWatchRenewsTheLeasesAtEachThird(t *testing.T) {
	inBubble(t, func(s *scene) {
		s.serve("a", "web", 1, 500)
		s.serve("b", "web", 1, 500)
		s.in.Bake = release.Duration(time.Minute)
		s.ends(activities.WatchPassed, time.Minute)
		for _, name := range []string{"a/gateway-1", "b/gateway-1"} {
			renewals := s.world.Events("renew " + name)
			if len(renewals) < 19 || len(renewals) > 21 {
				t.Errorf("%s was renewed %d times in a minute, want one in each third of 9 s", name, len(renewals))
			}
			for i := 1; i < len(renewals); i++ {
				if pause := renewals[i].At.Sub(renewals[i-1].At); pause < lease/3 || pause > lease/3+200*time.Millisecond {
					t.Errorf("%s was renewed %s after the time before", name, pause)
				}
			}
		}
		if len(s.beats) == 0 || s.beats[0].Result.State == nil || s.beats[0].Evidence.Sentence == "" {
			t.Errorf("heartbeats %+v, want them to hold the state of the test and what people see", s.beats)
		}
	})
}

func TestWatchLetsTheLeaseRunOutOfAGatewayThatItDoesNotHear(t *testing.T) {
	inBubble(t, func(s *scene) {
		s.serve("a", "web", 1, 500)
		s.serve("b", "web", 1, 500)
		s.in.Bake = release.Duration(time.Hour)
		s.later(20*time.Second, func() { s.world.Gateways.Mute("a/gateway-1") })
		s.later(time.Minute, func() { s.leave(temporal.NewCanceledError()) })
		s.ends(activities.WatchStopped, time.Minute)
		for name, until := range map[string]time.Duration{"a/gateway-1": 20*time.Second + lease/3, "b/gateway-1": time.Minute} {
			renewals := s.world.Events("renew " + name)
			last := renewals[len(renewals)-1].At.Sub(s.begin)
			if last > until || last < until-lease/2 {
				t.Errorf("%s was renewed until %s, want about %s", name, last, until)
			}
		}
	})
}

func TestWatchFailsAtOnce(t *testing.T) {
	inBubble(t, func(s *scene) {
		s.serve("a", "web", 1, 500)
		s.serve("b", "web", 1, 500)
		s.in.Bake = release.Duration(time.Hour)
		s.later(10*time.Second, func() { s.world.Gateways.Fail("web-new", 1) })
		result := s.ends(activities.WatchFailed, 10*time.Second)
		if result.Evidence.Verdict != release.VerdictFail || result.Evidence.CanaryBad == 0 || result.State == nil {
			t.Errorf("the result is %+v, want the evidence and the state", result)
		}
	})
}

func TestWatchFailsAtOnceWhenAGuardTrips(t *testing.T) {
	inBubble(t, func(s *scene) {
		s.serve("a", "web", 1, 500)
		s.serve("b", "web", 1, 500)
		s.in.Bake = release.Duration(time.Hour)
		s.later(10*time.Second, func() { s.world.Gateways.Trip("b/gateway-1", "error: canary 3 of 3 bad") })
		result := s.ends(activities.WatchFailed, 10*time.Second)
		if e := result.Evidence; e.Verdict != release.VerdictFail || e.Sentence != "found at the gateway b/gateway-1: error: canary 3 of 3 bad" || e.CanaryBad != 3 {
			t.Errorf("the evidence is %+v, want what the gateway found", e)
		}
	})
}

func TestWatchPassesAfterTheBakeWithEvidenceFromEveryGateway(t *testing.T) {
	t.Run("the bake begins when every gateway has the goal", func(t *testing.T) {
		inBubble(t, func(s *scene) {
			s.serve("a", "web", 1, 500)
			s.later(20*time.Second, func() { s.serve("b", "web", 1, 500) })
			s.ends(activities.WatchPassed, 25*time.Second)
		})
	})
	t.Run("time alone is not enough", func(t *testing.T) {
		inBubble(t, func(s *scene) {
			s.serve("a", "web", 1, 500)
			s.serve("b", "web", 1, 500)
			s.world.Gateways.Traffic(2)
			s.later(30*time.Second, func() { s.world.Gateways.Traffic(100_000) })
			result := s.ends(activities.WatchPassed, 30*time.Second)
			if result.Evidence.StepRequests < result.Evidence.Needed {
				t.Errorf("it passed with %d of %d requests", result.Evidence.StepRequests, result.Evidence.Needed)
			}
		})
	})
	t.Run("a gateway that is silent holds", func(t *testing.T) {
		inBubble(t, func(s *scene) {
			s.serve("a", "web", 1, 500)
			s.serve("b", "web", 1, 500)
			s.in.Bake = release.Duration(10 * time.Second)
			s.later(2*time.Second, func() { s.world.Gateways.Away("b/gateway-1", true) })
			s.in.Patience = release.Duration(40 * time.Second)
			s.ends(activities.WatchPatience, 40*time.Second)
		})
	})
	t.Run("a gateway that is silent does not hide what the others see", func(t *testing.T) {
		inBubble(t, func(s *scene) {
			s.serve("a", "web", 1, 500)
			s.serve("b", "web", 1, 500)
			s.in.Bake = release.Duration(time.Hour)
			s.later(2*time.Second, func() { s.world.Gateways.Away("b/gateway-1", true) })
			s.later(20*time.Second, func() { s.world.Gateways.Fail("web-new", 1) })
			s.ends(activities.WatchFailed, 20*time.Second)
		})
	})
	t.Run("after the cutover time is enough", func(t *testing.T) {
		inBubble(t, func(s *scene) {
			s.world.Gateways.Traffic(0)
			s.serve("a", "web", 1, 10000)
			s.serve("b", "web", 1, 10000)
			s.in.Over, s.in.Weights[0].Weight = true, release.FullWeight
			s.ends(activities.WatchPassed, 5*time.Second)
		})
	})
}

func TestWatchSaysThatALeaseRanOut(t *testing.T) {
	inBubble(t, func(s *scene) {
		s.serve("a", "web", 1, 500)
		s.serve("b", "web", 1, 500)
		s.later(3*time.Second, func() { s.world.Gateways.Expire("b") })
		s.ends(activities.WatchLapsed, 3*time.Second)
	})
}

func TestWatchSaysThatAGatewayHasLostItsRoutes(t *testing.T) {
	inBubble(t, func(s *scene) {
		s.serve("a", "web", 1, 500)
		s.serve("b", "web", 1, 500)
		s.later(3*time.Second, func() { s.world.Gateways.Forget("b") })
		s.ends(activities.WatchLapsed, 3*time.Second)
	})
}

func TestWatchForgetsALeaseThatRanOutBeforeItBegan(t *testing.T) {
	inBubble(t, func(s *scene) {
		s.serve("a", "web", 1, 500)
		s.serve("b", "web", 1, 500)
		s.world.Gateways.Expire("b")
		s.in.Since, s.in.Goal = 2, 2
		s.in.Weights = append(s.in.Weights, release.WeightVersion{Version: 2, Weight: 600})
		s.later(time.Second, func() {
			s.serve("a", "web", 2, 600)
			s.serve("b", "web", 2, 600)
		})
		s.ends(activities.WatchPassed, 6*time.Second)
	})
}

func TestWatchIsBlindWithoutRequests(t *testing.T) {
	inBubble(t, func(s *scene) {
		s.world.Gateways.Traffic(0)
		s.serve("a", "web", 1, 500)
		s.serve("b", "web", 1, 500)
		s.in.BlindBack = release.Duration(20 * time.Second)
		blind := s.ends(activities.WatchBlind, s.in.Config.BlindAfter)
		if blind.BlindSince.IsZero() || blind.Applied.IsZero() || blind.Evidence.Verdict != release.VerdictBlind {
			t.Errorf("the result is %+v, want since when", blind)
		}
		// The next watcher goes on, and does not say it again before the ramp is to step back.
		s.beats = nil
		s.in.State, s.in.Applied, s.in.BlindSince = blind.State, blind.Applied, blind.BlindSince
		s.ends(activities.WatchBlindBack, s.in.Config.BlindAfter+20*time.Second)
	})
}

func TestWatchDoesNotStepBackWhereThereIsNoStepBefore(t *testing.T) {
	inBubble(t, func(s *scene) {
		s.world.Gateways.Traffic(0)
		s.serve("a", "web", 1, 500)
		s.serve("b", "web", 1, 500)
		blind := s.ends(activities.WatchBlind, s.in.Config.BlindAfter)
		s.beats = nil
		s.in.State, s.in.Applied, s.in.BlindSince = blind.State, blind.Applied, blind.BlindSince
		s.in.Patience = release.Duration(10 * time.Minute)
		s.ends(activities.WatchPatience, 10*time.Minute)
	})
}

func TestWatchThatIsCalledOffLeavesItsState(t *testing.T) {
	inBubble(t, func(s *scene) {
		s.serve("a", "web", 1, 500)
		s.serve("b", "web", 1, 500)
		s.in.Bake = release.Duration(time.Hour)
		s.later(10*time.Second, func() { s.leave(temporal.NewCanceledError()) })
		result := s.ends(activities.WatchStopped, 10*time.Second)
		if result.State == nil || len(result.State.Cursors) != 2 || result.Evidence.CanaryRequests == 0 {
			t.Errorf("the result is %+v, want the state of the test", result)
		}
	})
}

func TestWatchThatNobodyCalledOffIsTriedAgain(t *testing.T) {
	for _, cause := range []error{serviceerror.NewUnavailable("no heartbeat got through"), activity.ErrActivityPaused, worker.ErrWorkerShutdown} {
		t.Run(cause.Error(), func(t *testing.T) {
			inBubble(t, func(s *scene) {
				s.serve("a", "web", 1, 500)
				s.serve("b", "web", 1, 500)
				s.later(time.Second, func() { s.leave(cause) })
				if result, err := s.watch(); err == nil {
					t.Errorf("the watch ended with %q, want an error, for which it is tried again", result.End)
				}
			})
		})
	}
}

func TestWatchGoesOnElsewhereAndLosesNoEvidence(t *testing.T) {
	inBubble(t, func(s *scene) {
		s.serve("a", "web", 1, 500)
		s.serve("b", "web", 1, 500)
		s.in.Bake = release.Duration(30 * time.Second)
		for _, d := range []time.Duration{1234 * time.Millisecond, 7777 * time.Millisecond, 250 * time.Millisecond} {
			s.later(d, func() { close(s.stop) })
			if result, err := s.watch(); err == nil {
				t.Fatalf("a worker that stops ended the watch: %+v", result)
			}
			s.stop = make(chan struct{})
		}
		// The bake goes on from where the first attempt saw the goal.
		result := s.ends(activities.WatchPassed, 30*time.Second)
		var want int64
		for _, unit := range []string{"a", "b"} {
			for _, observer := range s.world.Gateways.Observers(unit) {
				observations, err := observer.Observe(s.t.Context(), id.String(), nil, time.Second)
				if err != nil {
					t.Fatal(err)
				}
				for _, o := range observations {
					taken := result.State.Cursors[observer.Name()][o.Key].Seq
					for _, batch := range o.Batches[:taken] {
						want += batch.Streams[canary.StreamError].CanaryGood
					}
				}
			}
		}
		if got := result.Evidence.CanaryRequests; got != want || got < 5000 {
			t.Errorf("the test counted %d canary requests, the gateways sent %d", got, want)
		}
	})
}

func TestWatchJudgesOnAfterEvidenceWasLost(t *testing.T) {
	for name, step := range map[string]struct {
		bad  float64
		want activities.WatchEnd
	}{
		"a good canary passes": {0, activities.WatchPassed},
		"a bad canary fails":   {1, activities.WatchFailed},
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(s *scene) {
				s.serve("a", "web", 1, 500)
				s.serve("b", "web", 1, 500)
				s.in.Bake = release.Duration(30 * time.Second)
				s.later(5*time.Second, s.world.Gateways.Lose)
				s.later(29900*time.Millisecond, func() { s.world.Gateways.Fail("web-new", step.bad) })
				s.later(2*time.Minute, func() { s.leave(temporal.NewCanceledError()) }) // what is missed for ever never ends
				s.ends(step.want, 29900*time.Millisecond)
			})
		})
	}
}

func TestWatchJudgesOnlyWhatHasAPredecessor(t *testing.T) {
	inBubble(t, func(s *scene) {
		s.in.Moves = append(s.in.Moves, release.Move{Component: "maps", Candidate: release.Revision{ID: "maps-new"}})
		for _, unit := range []string{"a", "b"} {
			s.serve(unit, "web", 1, 500)
			s.serve(unit, "maps", 1, 10000)
		}
		s.world.Gateways.Fail("maps-new", 1)
		result := s.ends(activities.WatchPassed, 5*time.Second)
		if result.Evidence.CanaryBad > 0 {
			t.Errorf("%d bad requests of a component without a predecessor were counted", result.Evidence.CanaryBad)
		}
	})
}

func TestWatchEndsForGoodWhenItCannotJudge(t *testing.T) {
	for name, spoil := range map[string]func(*scene){
		"its configuration":   func(s *scene) { s.in.Config.Alpha = 0 },
		"the state it is in":  func(s *scene) { s.in.State = &activities.WatchState{Test: []byte(`{"v":99}`)} },
		"the evidence it has": func(s *scene) { s.later(time.Second, s.world.Gateways.Garble) },
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(s *scene) {
				s.serve("a", "web", 1, 500)
				s.serve("b", "web", 1, 500)
				spoil(s)
				_, err := s.watch()
				ended(t, err, activities.TypeEvidence)
			})
		})
	}
}

func TestWatchTellsGatewaysWithLongNamesApart(t *testing.T) {
	inBubble(t, func(s *scene) {
		long := func(i int) string { return fmt.Sprintf("%070d/gateway-%d", 0, i) }
		s.world = activitiestest.New(2, long(1))
		s.in.Units = []string{long(1)}
		s.serve(long(1), "web", 1, 500)
		result := s.ends(activities.WatchPassed, 5*time.Second)
		if names := slices.Collect(keys(result.State.Cursors)); len(names) != 2 {
			t.Errorf("evidence came from %v, want two gateways", names)
		}
	})
}
