package provenance

import "fmt"

// Check is one of the things that have to be right, in the order in which they are looked at.
type Check string

// The checks.
const (
	// CheckEnvelope is that the envelope can be read, CheckPayloadType that it holds an in-toto statement, and
	// CheckSignature that a trusted key has signed it. What follows is only looked at after it.
	CheckEnvelope    Check = "envelope"
	CheckPayloadType Check = "payload type"
	CheckSignature   Check = "signature"
	// CheckStatement is that the payload is a statement, CheckPredicate that it states provenance, and CheckSubject that
	// it is about the artifact.
	CheckStatement Check = "statement"
	CheckPredicate Check = "predicate"
	CheckSubject   Check = "subject"
)

// Error is a check that failed. Those before it passed.
type Error struct {
	Check  Check
	Reason string
}

// Error is the check with the reason.
func (e *Error) Error() string { return string(e.Check) + ": " + e.Reason }

func failed(check Check, format string, args ...any) error {
	return &Error{check, fmt.Sprintf(format, args...)}
}

// Verified is a statement that holds.
type Verified struct {
	Statement Statement
	// KeyIDs are the trusted keys that signed it, sorted; at least one.
	KeyIDs []string
}

// Verify is the statement in an envelope about the artifact with a SHA-256, in 64 hexadecimal digits, once one of the
// trusted keys is found to have signed it. Its error is an [*Error] with the first check that failed.
//
// That it holds says who stated it, and no more: whether the builder, the repository and the commit are the ones that
// somebody wants is the caller's to compare.
func Verify(data []byte, trusted []PublicKey, sha256 string) (Verified, error) {
	body, signers, err := open(data, trusted)
	if err != nil {
		return Verified{}, err
	}
	var statement Statement
	if err := strict(body, &statement); err != nil {
		return Verified{}, failed(CheckStatement, "%v", err)
	}
	if err := statement.check(sha256); err != nil {
		return Verified{}, err
	}
	return Verified{Statement: statement, KeyIDs: signers}, nil
}

func (s Statement) check(sha256 string) error {
	if s.Type != StatementType {
		return failed(CheckStatement, "its type is %q: want %s", clip(s.Type), StatementType)
	}
	if s.PredicateType != PredicateType {
		return failed(CheckPredicate, "its type is %q: want %s", clip(s.PredicateType), PredicateType)
	}
	if s.Predicate.RunDetails.Builder.ID == "" || s.Predicate.BuildDefinition.BuildType == "" {
		return failed(CheckPredicate, "it names no builder, or no type of build")
	}
	if !sha256Hex.MatchString(sha256) {
		return failed(CheckSubject, "%q is no SHA-256 to look for: want 64 hexadecimal digits", clip(sha256))
	}
	if len(s.Subject) > mostSubjects {
		return failed(CheckSubject, "there are %d: at most %d are read", len(s.Subject), mostSubjects)
	}
	about := "nothing"
	for _, subject := range s.Subject {
		if subject.Digest["sha256"] == sha256 {
			return nil
		}
		about = clip(subject.Name) + " with the sha256 " + clip(subject.Digest["sha256"])
	}
	return failed(CheckSubject, "it is about %s, and not about the artifact sha256:%s", about, sha256)
}
