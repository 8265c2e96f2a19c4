package release

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"regexp"
	"strings"
)

// Digest names an artifact by its content: "sha256:" and 64 hexadecimal digits.
type Digest string

var digest = regexp.MustCompile(`^sha256:[0-9a-f]{64}$`)

// Check says what is wrong with a digest, and nil when it pins a content.
func (d Digest) Check() error {
	if digest.MatchString(string(d)) {
		return nil
	}
	return fmt.Errorf("%q is not a digest: want sha256: and 64 hexadecimal digits", string(d))
}

// Hex is the digest without its algorithm.
func (d Digest) Hex() string { return strings.TrimPrefix(string(d), "sha256:") }

// Revision is an artifact plus its configuration, as deployed. Two releases that build the same
// bytes and run them alike have the same revision.
type Revision struct {
	// ID is the component's name and the first 12 digits of the hash of what follows.
	ID        string `json:"id"`
	Component string `json:"component"`
	Artifact  Digest `json:"artifact"`
	Run       Run    `json:"run"`
	// Commit is the first commit it was built from, and Ingress the way in that it was last given;
	// neither is part of the identity, because neither changes what an instance does.
	Commit  string  `json:"commit,omitempty"`
	Ingress Ingress `json:"route,omitzero"`
}

// NewRevision names an artifact and its configuration. [NewPlan] adds the way in.
func NewRevision(component string, artifact Digest, run Run, commit string) Revision {
	sum := canonicalHash("revision/v1", struct {
		Component string `json:"component"`
		Artifact  Digest `json:"artifact"`
		Run       Run    `json:"run"`
	}{component, artifact, run})
	return Revision{ID: component + "-" + sum[:12], Component: component, Artifact: artifact, Run: run, Commit: commit}
}

// canonicalHash is the SHA-256 of a version label, a newline and the value's JSON: struct fields in
// their declared order, map keys sorted, no white space. The label keeps two kinds of document with
// the same JSON apart.
func canonicalHash(label string, value any) string {
	h := sha256.New()
	h.Write([]byte("skyisland/" + label + "\n"))
	// The values are this package's own structs, which always encode; a failure would give a hash
	// of the label alone, and so no two documents could be mistaken for each other by content.
	encoded, err := json.Marshal(value)
	if err != nil {
		encoded = []byte(err.Error())
	}
	h.Write(encoded)
	return hex.EncodeToString(h.Sum(nil))
}
