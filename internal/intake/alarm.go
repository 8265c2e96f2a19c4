package intake

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/skyisland/skyisland/internal/release"
)

// kindAlarm is the kind of an event that may stop a release.
const kindAlarm = "alarm"

// Releases is what alarms need of the releases.
type Releases interface {
	// UnderWay are the releases of a lane that have not ended, in any order.
	UnderWay(ctx context.Context, lane release.Lane) ([]release.Status, error)
	// Alarm stops a release. It is [release.ErrFinished] or [release.ErrNotFound] when there is nothing to stop.
	Alarm(ctx context.Context, id release.ID, alarm release.Alarm) error
}

// alarm is what an alarm of any source comes to, and the body of its event.
type alarm struct {
	Name    string `json:"name"`
	Summary string `json:"summary,omitempty"`
	// Labels say what it is about.
	Labels map[string]string `json:"labels"`
	// At is when it began.
	At time.Time `json:"at"`
}

// The labels that are looked at. LabelRoute is what the gateways' own metrics have: tenant/application/environment/component.
const (
	LabelRelease     = "release"
	LabelRoute       = "route"
	LabelTenant      = "tenant"
	LabelApplication = "application"
	LabelEnvironment = "environment"
	LabelComponent   = "component"
	LabelRevision    = "revision"
	LabelUnit        = "unit"
)

// target is what an alarm names.
type target struct {
	lane                      release.Lane
	number                    int // 0 is not named
	component, revision, unit string
	at                        time.Time
}

var errUnnamed = errors.New("it names no lane: give the labels tenant, application and environment, or route, or release")

// target reads the labels. Two that contradict each other are an error, because one of them would stop the wrong release.
func (a alarm) target() (target, error) {
	t := target{component: a.Labels[LabelComponent], revision: a.Labels[LabelRevision], unit: a.Labels[LabelUnit], at: a.At}
	var lanes []release.Lane
	if text := a.Labels[LabelRelease]; text != "" {
		id, err := release.ParseID(text)
		if err != nil {
			return t, fmt.Errorf("its label release: %w", err)
		}
		lanes, t.number = append(lanes, id.Lane), id.Number
	}
	if text := a.Labels[LabelRoute]; text != "" {
		cut := strings.LastIndex(text, "/")
		lane, err := release.ParseLane(text[:max(cut, 0)])
		if err != nil || cut < 0 {
			return t, fmt.Errorf("its label route is %q: want tenant/application/environment/component", text)
		}
		component := text[cut+1:]
		if t.component != "" && t.component != component {
			return t, fmt.Errorf("its labels route and component name %s and %s", component, t.component)
		}
		t.component = component
		lanes = append(lanes, lane)
	}
	if a.Labels[LabelTenant] != "" && a.Labels[LabelApplication] != "" && a.Labels[LabelEnvironment] != "" {
		lanes = append(lanes, release.Lane{Tenant: a.Labels[LabelTenant], Application: a.Labels[LabelApplication], Environment: a.Labels[LabelEnvironment]})
	}
	if len(lanes) == 0 {
		return t, errUnnamed
	}
	t.lane = lanes[0]
	for _, lane := range lanes[1:] {
		if lane != t.lane {
			return t, fmt.Errorf("its labels name the lanes %s and %s", t.lane, lane)
		}
	}
	for label, named := range map[string]string{LabelTenant: t.lane.Tenant, LabelApplication: t.lane.Application, LabelEnvironment: t.lane.Environment} {
		if given := a.Labels[label]; given != "" && given != named {
			return t, fmt.Errorf("its label %s is %s, and its lane %s", label, given, t.lane)
		}
	}
	return t, t.lane.Check()
}

// concerns says why an alarm does not concern a release; "" when it does. Who names the candidate means this release,
// whatever it does at the moment. Who names less means what has traffic now and had not when the alarm had begun: an alarm
// that goes on is no reason to stop the next release, which may be its remedy.
func (t target) concerns(s release.Status) string {
	var candidates []release.Move
	for _, move := range s.Moves {
		if move.Changed() && (t.component == "" || move.Component == t.component) {
			candidates = append(candidates, move)
		}
	}
	switch {
	case t.number != 0 && s.ID.Number != t.number:
		return fmt.Sprintf("release %d is not the one it names", s.ID.Number)
	case t.unit != "" && !slices.Contains(s.Units, t.unit):
		return fmt.Sprintf("release %d does not go to unit %s", s.ID.Number, t.unit)
	case t.revision != "" && !slices.ContainsFunc(candidates, func(m release.Move) bool { return m.Candidate.ID == t.revision }):
		return fmt.Sprintf("%s is no candidate of release %d", t.revision, s.ID.Number)
	case t.component != "" && len(candidates) == 0:
		return fmt.Sprintf("release %d does not change %s", s.ID.Number, t.component)
	case t.revision != "" || t.number != 0:
		return ""
	case !s.Phase.MovesTraffic():
		return fmt.Sprintf("release %d has no traffic: it is %s", s.ID.Number, s.Phase)
	case t.at.Before(s.Requested):
		return fmt.Sprintf("it began before release %d was asked for", s.ID.Number)
	}
	return ""
}

// routeAlarm stops the releases that an alarm names.
func (r *Router) routeAlarm(ctx context.Context, source string, a alarm) (Outcome, error) {
	t, err := a.target()
	if err != nil {
		return Outcome{Kind: Ignored, Message: fmt.Sprintf("alarm %s stops nothing: %s", a.Name, err)}, nil
	}
	under, err := r.releases.UnderWay(ctx, t.lane)
	if err != nil {
		return Outcome{}, fmt.Errorf("look for releases of %s: %w", t.lane, err)
	}
	outcome := Outcome{Kind: Ignored}
	var said []string
	for _, status := range under {
		if why := t.concerns(status); why != "" {
			said = append(said, why)
			continue
		}
		err := r.releases.Alarm(ctx, status.ID, release.Alarm{Name: a.Name, Source: source, Summary: a.Summary, At: a.At})
		switch {
		case errors.Is(err, release.ErrFinished), errors.Is(err, release.ErrNotFound):
			said = append(said, fmt.Sprintf("release %d has ended", status.ID.Number))
		case err != nil:
			return Outcome{}, fmt.Errorf("pass alarm %s on to release %s: %w", a.Name, status.ID, err)
		default:
			outcome.Kind, outcome.Releases = Stopped, append(outcome.Releases, status.ID)
			said = append(said, fmt.Sprintf("alarm %s stops release %s", a.Name, status.ID))
		}
	}
	if len(under) == 0 {
		said = append(said, fmt.Sprintf("no release of %s is under way", t.lane))
	}
	outcome.Message = strings.Join(said, "\n")
	return outcome, nil
}
