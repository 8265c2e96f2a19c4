package release

import (
	"strings"
	"time"
)

// Actor is a person or program that asks for something.
type Actor struct {
	// Name is who, as the source knows them: an account, an address, a token's name.
	Name string `json:"name"`
	// Source is where the name comes from: a source of events (github, gitlab, gitea, standard, cron, api), git for who
	// wrote a commit, slack, dingtalk, feishu, page, alarm, system. The built-in rules take nobody from elsewhere.
	Source string `json:"source"`
	// Person is who it is in the installation's directory of people, whatever the source calls them;
	// empty for a name that nobody has mapped, and for programs.
	Person string   `json:"person,omitempty"`
	Groups []string `json:"groups,omitempty"`
}

// Same says whether two actors are one person: by the directory where it knows both, and else by name,
// whatever the source. In doubt they are one: that costs an approval, and the other error a rule.
func (a Actor) Same(b Actor) bool {
	if a.Person != "" && b.Person != "" {
		return strings.EqualFold(a.Person, b.Person)
	}
	for _, one := range []string{a.Person, a.Name} {
		for _, other := range []string{b.Person, b.Name} {
			if one != "" && strings.EqualFold(one, other) {
				return true
			}
		}
	}
	return false
}

// String is name (source).
func (a Actor) String() string {
	if a.Source == "" {
		return a.Name
	}
	return a.Name + " (" + a.Source + ")"
}

// Request asks a lane for a release.
type Request struct {
	// Key names what happened, so that the same happening twice asks once: for a push, its
	// repository, ref, and the commits before and after.
	Key        string    `json:"key"`
	Lane       Lane      `json:"lane"`
	Repository string    `json:"repository"`
	Ref        string    `json:"ref"`
	Commit     string    `json:"commit"`
	Message    string    `json:"message,omitempty"`
	Requester  Actor     `json:"requester"`
	At         time.Time `json:"at"`
	// Concurrency is the manifest's word on a release under way.
	Concurrency Concurrency `json:"concurrency"`
	// Problems are what is wrong with the manifest; with any, the release is recorded and refused
	// without waiting for its turn, since it will never move traffic.
	Problems Problems `json:"problems,omitempty"`
	// Promotion is set when the release takes what another one has built.
	Promotion *Promotion `json:"promotion,omitempty"`
}

// Promotion is a release to another environment, and the artifacts that are stable there since, by component.
type Promotion struct {
	From      ID                `json:"from"`
	Artifacts map[string]Digest `json:"artifacts"`
	// Commits are what they were built from.
	Commits map[string]string `json:"commits,omitempty"`
}

// Submission is a lane's answer to a request.
type Submission struct {
	Release ID     `json:"release"`
	Answer  Answer `json:"answer"`
	// Message is a sentence for the person who asked.
	Message string `json:"message"`
}

// Answer is what a lane does with a request.
type Answer string

// A lane's answers.
const (
	Started     Answer = "started"
	Queued      Answer = "queued"
	Superseding Answer = "superseding"
	Duplicate   Answer = "duplicate"
	Rejected    Answer = "refused"
)

// Instruction is what a person tells a release that is under way.
type Instruction struct {
	// ID names the click or the command, so that the same one twice counts once; empty when nothing does.
	ID string `json:"id,omitempty"`
	By Actor  `json:"by"`
	// Comment is kept with the instruction.
	Comment string `json:"comment,omitempty"`
	// PlanHash is the plan the person was shown. An approval or rejection for another plan is refused.
	PlanHash string `json:"plan_hash,omitempty"`
	// Ask is the number of the question the person was shown: the same plan may be asked about more than once. 0 is
	// whichever is open.
	Ask int       `json:"ask,omitempty"`
	At  time.Time `json:"at"`
}

// Alarm is an alarm that concerns a release.
type Alarm struct {
	// Name and Source say which alarm, of which system.
	Name   string `json:"name"`
	Source string `json:"source"`
	// Summary is a sentence for people.
	Summary string    `json:"summary,omitempty"`
	At      time.Time `json:"at"`
}
