package release

// Spec is a manifest resolved for one environment: every default filled in, nothing left to guess.
type Spec struct {
	Lane Lane `json:"lane"`
	// Scenario is the business scenario and Group the function group the application belongs to;
	// both are labels and may be empty.
	Scenario string `json:"scenario,omitempty"`
	Group    string `json:"group,omitempty"`
	Branch   string `json:"branch"`
	Trigger
	Concurrency Concurrency `json:"concurrency"`
	// Units are deployed in this order and rolled back in reverse. Empty means every unit the
	// installation has.
	Units      []string    `json:"units"`
	Components []Component `json:"components"`
	// Pressure is nil when the environment has no pressure gate.
	Pressure *Pressure `json:"pressure,omitempty"`
	Ramp     Ramp      `json:"ramp"`
	Analysis Analysis  `json:"analysis"`
	// Approval is nil when nobody is asked.
	Approval *Approval `json:"approval,omitempty"`
	// Demands are the approvals that the rules want beside it.
	Demands []Approval   `json:"demands,omitempty"`
	Freeze  FreezeAction `json:"freeze"`
	// Watch is how long the predecessor stays warm after full cutover.
	Watch Duration `json:"watch"`
}

// Trigger is what releases to an environment other than a push of its branch; the zero value is nothing.
type Trigger struct {
	// Tags are patterns of the tags that are released there when their commit is on the branch. With any, a push is not.
	Tags []string `json:"tags,omitempty"`
	// After is the environment whose completed releases are promoted there, with the artifacts they have. Nothing else is
	// released there then.
	After string `json:"after,omitempty"`
	// Preview is the label of pull requests whose head is released there. With it, a push is not.
	Preview string `json:"preview,omitempty"`
}

// Push says whether an environment is released by the pushes of its branch.
func (t Trigger) Push() bool { return len(t.Tags) == 0 && t.After == "" && t.Preview == "" }

// Concurrency says what a new release does when one is under way in its lane.
type Concurrency string

// The ways to meet a release that is under way.
const (
	// Supersede rolls the older release back, or ends its watch, and starts the newest.
	Supersede Concurrency = "supersede"
	// Queue waits until the older release has ended, its watch included.
	Queue Concurrency = "queue"
	// Reject refuses the new release.
	Reject Concurrency = "reject"
)

// FreezeAction says what a freeze that opens in the middle of a ramp does.
type FreezeAction string

// What a freeze does to a ramp under way.
const (
	HoldFreeze   FreezeAction = "hold"
	FinishFreeze FreezeAction = "finish"
	RevertFreeze FreezeAction = "revert"
)

// Component is one function or service of an application.
type Component struct {
	Name string `json:"name"`
	// Path is the component's folder, relative to the root of the repository.
	Path  string  `json:"path"`
	Build Build   `json:"build"`
	Test  Command `json:"test"`
	Run   Run     `json:"run"`
	// Cases are glob patterns of case files, relative to the component's folder.
	Cases   []string `json:"cases,omitempty"`
	Ingress Ingress  `json:"route"`
	// Paths are patterns of what it is built from besides its own folder, relative to the root of the repository. With
	// any, a commit that touches none of it has the artifact of before; nil is the whole repository.
	Paths []string `json:"paths,omitempty"`
}

// Command is a program run in a clean working copy, without a shell.
type Command struct {
	// Run is the program and its arguments; empty means there is nothing to do.
	Run []string `json:"run,omitempty"`
	// Env is all of its environment but for PATH, HOME, TMPDIR and what the installation declares.
	Env map[string]string `json:"env,omitempty"`
	// Timeout ends the command; 0 is not allowed in a resolved spec.
	Timeout Duration `json:"timeout,omitempty"`
	// Output is the most bytes it may print before it is ended.
	Output int64 `json:"output,omitempty"`
}

// Run is how one instance of a component is started and known to be well.
type Run struct {
	Command []string          `json:"command"`
	Env     map[string]string `json:"env,omitempty"`
	// Health is the path that answers 2xx when the instance can serve.
	Health    string `json:"health"`
	Instances int    `json:"instances"`
	// Start is how long an instance may take until it is healthy, Drain how long it may finish
	// requests after it is asked to stop.
	Start Duration `json:"start"`
	Drain Duration `json:"drain"`
	// H2C says that gateways reach instances by HTTP/2 without TLS.
	H2C bool `json:"h2c,omitempty"`
}

// Pressure is the load the candidate must carry before it has traffic.
type Pressure struct {
	// Rate is the open-loop load on all instances of a component together, For how long.
	Rate Rate     `json:"rate"`
	For  Duration `json:"for"`
	// P99 bounds the 99th percentile of latency and Errors the share of failed requests.
	P99    Duration `json:"p99"`
	Errors Share    `json:"errors"`
	// Forecast is the traffic to expect; the capacity found must carry it. 0 asks for no forecast.
	Forecast Rate `json:"forecast,omitempty"`
}

// Ramp is the way from 0 to 100 %.
type Ramp struct {
	// Steps are rising weights below 100 %; the cutover to 100 % follows the last one.
	Steps []Weight `json:"steps"`
	// Bake is the least time at each step; a step also needs its evidence.
	Bake Duration `json:"bake"`
	// Patience is the longest time at one step without enough evidence to go on; after it the
	// release rolls back.
	Patience Duration `json:"patience"`
	// Probe precedes the steps with at most 1 % for so long; 0 leaves it out.
	Probe Duration `json:"probe"`
	// Exposure is the most bad answers that a canary which fails every request may give at any step before it is rolled
	// back; steps that would cost more are made smaller. 0 is no bound.
	Exposure int `json:"exposure,omitempty"`
	// Sticky says what keeps its side: "request" draws anew for each request, "user" pins the value
	// of UserHeader, or of a cookie the gateway sets.
	Sticky     Sticky `json:"sticky"`
	UserHeader string `json:"user-header,omitempty"`
}

// LeastExposure is the smallest [Ramp].Exposure that is a bound: fewer bad answers decide nothing.
const LeastExposure = 3

// Sticky says what is drawn when the gateway decides between stable and canary.
type Sticky string

// What is drawn.
const (
	StickyRequest Sticky = "request"
	StickyUser    Sticky = "user"
)

// Analysis is what counts as worse, and how sure the verdict has to be.
type Analysis struct {
	// ErrorMargin is how much larger the canary's share of errors may be.
	ErrorMargin Share `json:"error-margin"`
	// LatencyQuantile (percent, 90 to 99.9) of the canary may exceed stable's by LatencyMargin.
	LatencyQuantile float64 `json:"latency-quantile"`
	LatencyMargin   Share   `json:"latency-margin"`
	// FalseRollback is the largest acceptable chance that a harmless release is rolled back.
	FalseRollback Share `json:"false-rollback"`
	// Detect is the share of errors a step has to be able to see before it may end.
	Detect Share `json:"detect"`
	// Blind is how long a canary may go without requests before that is said, and BlindBack how
	// long before the ramp steps back.
	Blind     Duration `json:"blind"`
	BlindBack Duration `json:"blind-back"`
}

// Approval is a gate at which people are asked.
type Approval struct {
	Before ApprovalPoint `json:"before"`
	// From are groups or names of people who may answer; empty is everybody with access.
	From  []string `json:"from,omitempty"`
	Count int      `json:"count"`
	// Within ends the release when nobody has answered.
	Within Duration `json:"within"`
	// Remind is after how long people are asked again; 0 is never.
	Remind Duration `json:"remind,omitempty"`
	// Escalate puts the question to more people; nil is never.
	Escalate *Escalation `json:"escalate,omitempty"`
}

// Escalation puts a question that nobody has answered to more people, who may answer it from then on.
type Escalation struct {
	// After is counted from the question, and shorter than the time it has.
	After Duration `json:"after"`
	// To are groups or names of people.
	To []string `json:"to"`
}

// ApprovalPoint is the place of an approval on the way.
type ApprovalPoint string

// Where people can be asked.
const (
	BeforeRamp    ApprovalPoint = "ramp"
	BeforeCutover ApprovalPoint = "cutover"
)
