package policy

import (
	"bytes"
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/skyisland/skyisland/internal/release"
)

// maxAnswer bounds what rules may answer, since every answer is stored and shown: some thousand denials.
const maxAnswer = 1 << 20

// maxReason is where the text of an error is cut; OPA's may quote whole documents.
const maxReason = 500

// answer is what the rules said, or what is said in their place when failed is set.
type answer struct {
	allow       bool
	deny        []release.Denial
	lifted      []release.Denial
	obligations []release.Obligation
	failed      bool
}

// code is what a denial's code looks like: a topic, a dot and a reason.
var code = regexp.MustCompile(`^[a-z0-9_]+(\.[a-z0-9_]+)+$`)

// refusal is the answer when the rules gave none.
func refusal(code, format string, args ...any) answer {
	message := strings.ToValidUTF8(fmt.Sprintf(format, args...), "\uFFFD")
	if len(message) > maxReason {
		message = strings.ToValidUTF8(message[:maxReason], "") + "…"
	}
	return answer{deny: []release.Denial{{Code: code, Message: message}}, failed: true}
}

// read takes the rules' answer apart and refuses one that is not exactly a decision.
func read(value any) answer {
	encoded, err := json.Marshal(value)
	if err != nil {
		return refusal(CodeMalformed, "the rules' answer is not JSON: %v", err)
	}
	if len(encoded) > maxAnswer {
		return refusal(CodeMalformed, "the rules' answer has %d bytes, more than %d", len(encoded), maxAnswer)
	}
	var got struct {
		// Pointers tell what is missing from what is false or empty.
		Allow       *bool                 `json:"allow"`
		Deny        *[]release.Denial     `json:"deny"`
		Lifted      []release.Denial      `json:"lifted"`
		Obligations *[]release.Obligation `json:"obligations"`
	}
	decoder := json.NewDecoder(bytes.NewReader(encoded))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&got); err != nil {
		return refusal(CodeMalformed, "the rules' answer is no decision: %v", err)
	}
	if got.Allow == nil || got.Deny == nil || got.Obligations == nil {
		return refusal(CodeMalformed, "the rules' answer is no decision: it needs allow, deny and obligations")
	}
	reply := answer{allow: *got.Allow, deny: *got.Deny, lifted: got.Lifted, obligations: *got.Obligations}
	if err := reply.check(); err != nil {
		return refusal(CodeMalformed, "the rules' answer is no decision: %v", err)
	}
	reply.sort()
	return reply
}

func (a answer) check() error {
	if a.allow && len(a.deny) > 0 {
		return fmt.Errorf("it allows and denies, for %s", a.deny[0].Code)
	}
	if !a.allow && len(a.deny) == 0 {
		return errors.New("it denies without a reason")
	}
	for _, denial := range slices.Concat(a.deny, a.lifted) {
		if !code.MatchString(denial.Code) {
			return fmt.Errorf("a denial's code is %q; want a topic, a dot and a reason, such as freeze.open", denial.Code)
		}
		if denial.Message == "" {
			return fmt.Errorf("denial %s has no message in msg", denial.Code)
		}
		if year := moment(denial.Until).UTC().Year(); year < 1 || year > 9999 {
			return fmt.Errorf("denial %s ends in year %d, which JSON cannot write", denial.Code, year)
		}
	}
	for _, obligation := range a.obligations {
		if obligation.Kind == "" || obligation.Count < 0 {
			return errors.New("an obligation needs a kind, and a count of 0 or more")
		}
	}
	return nil
}

// sort gives one order to what the rules hold in sets, and one form to moments.
func (a answer) sort() {
	for _, denials := range [][]release.Denial{a.deny, a.lifted} {
		for i, denial := range denials {
			if denial.Until != nil {
				until := denial.Until.UTC()
				denials[i].Until = &until
			}
		}
		slices.SortFunc(denials, func(x, y release.Denial) int {
			return cmp.Or(cmp.Compare(x.Code, y.Code), cmp.Compare(x.Message, y.Message), moment(x.Until).Compare(moment(y.Until)))
		})
	}
	slices.SortFunc(a.obligations, func(x, y release.Obligation) int {
		return cmp.Or(
			cmp.Compare(x.Kind, y.Kind), cmp.Compare(x.Count, y.Count), slices.Compare(x.From, y.From),
			cmp.Compare(x.Before, y.Before), cmp.Compare(x.Within, y.Within), slices.Compare(x.Stages, y.Stages),
			cmp.Compare(x.Weight, y.Weight), cmp.Compare(x.For, y.For), cmp.Compare(x.Reason, y.Reason),
		)
	})
}

func moment(t *time.Time) time.Time {
	if t == nil {
		return time.Time{}
	}
	return *t
}

// decision is the answer with its name. The answer is part of the name: the rules have one answer to
// a question, but a time-out may come before it, and is another decision.
func (a answer) decision(gate release.Gate, question []byte, bundle string) release.Decision {
	decision := release.Decision{
		Gate: gate, Allow: a.allow, Deny: a.deny, Lifted: a.lifted, Obligations: a.obligations, Bundle: bundle,
	}
	h := sha256.New()
	fmt.Fprintf(h, "skyisland/decision/v1\n%s\n", question)
	// What is encoded here has been JSON before, or is a refusal's text, and a hash takes all of it.
	_ = json.NewEncoder(h).Encode(decision)
	decision.ID = hex.EncodeToString(h.Sum(nil)[:16])
	return decision
}
