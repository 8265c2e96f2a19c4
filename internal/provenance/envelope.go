package provenance

import (
	"crypto/ed25519"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// PayloadType is what an envelope says its payload is; the signature covers it.
const PayloadType = "application/vnd.in-toto+json"

// The bounds of an envelope: ours has about 2 KiB and one signature.
const (
	// EnvelopeLimit is in bytes.
	EnvelopeLimit  = 256 << 10
	mostSignatures = 16
	mostSubjects   = 1000
)

// envelope is DSSE's own.
type envelope struct {
	Payload     string      `json:"payload"`
	PayloadType string      `json:"payloadType"`
	Signatures  []signature `json:"signatures"`
}

// signature has a KeyID that is a hint and no more: nothing protects it.
type signature struct {
	KeyID string `json:"keyid,omitempty"`
	Sig   string `json:"sig"`
}

// preAuthEncoding is what DSSE signs: PAE(type, body) = "DSSEv1" SP LEN(type) SP type SP LEN(body) SP body. The lengths
// are in bytes, as ASCII decimals without leading zeros.
func preAuthEncoding(payloadType string, body []byte) []byte {
	out := make([]byte, 0, len("DSSEv1")+len(payloadType)+len(body)+50)
	out = append(out, "DSSEv1 "...)
	out = strconv.AppendInt(out, int64(len(payloadType)), 10)
	out = append(append(append(out, ' '), payloadType...), ' ')
	out = strconv.AppendInt(out, int64(len(body)), 10)
	return append(append(out, ' '), body...)
}

// Sign puts a statement into an envelope. The same statement and key give the same bytes.
func Sign(statement Statement, key ed25519.PrivateKey) ([]byte, error) {
	public, err := PublicKeyOf(key)
	if err != nil {
		return nil, fmt.Errorf("sign a statement: %w", err)
	}
	body, err := json.Marshal(statement)
	if err != nil {
		return nil, fmt.Errorf("sign a statement: %w", err)
	}
	sig := ed25519.Sign(key, preAuthEncoding(PayloadType, body))
	out, err := json.Marshal(envelope{
		Payload: base64.StdEncoding.EncodeToString(body), PayloadType: PayloadType,
		Signatures: []signature{{KeyID: public.ID, Sig: base64.StdEncoding.EncodeToString(sig)}},
	})
	if err != nil {
		return nil, fmt.Errorf("sign a statement: %w", err)
	}
	if len(out) > EnvelopeLimit {
		return nil, fmt.Errorf("sign a statement: its envelope would have %d bytes, and at most %d are read", len(out), EnvelopeLimit)
	}
	return out, nil
}

// open is the payload of an envelope, once one of the keys is found to have signed it, and the IDs of those that did,
// sorted and each once.
func open(data []byte, trusted []PublicKey) ([]byte, []string, error) {
	if len(data) > EnvelopeLimit {
		return nil, nil, failed(CheckEnvelope, "it has %d bytes, and at most %d are read", len(data), EnvelopeLimit)
	}
	var in envelope
	if err := strict(data, &in); err != nil {
		return nil, nil, failed(CheckEnvelope, "%v", err)
	}
	if in.PayloadType != PayloadType {
		return nil, nil, failed(CheckPayloadType, "it is %q: want %s", clip(in.PayloadType), PayloadType)
	}
	body, err := decode64(in.Payload)
	if err != nil {
		return nil, nil, failed(CheckEnvelope, "its payload is not base64")
	}
	if len(in.Signatures) == 0 || len(in.Signatures) > mostSignatures {
		return nil, nil, failed(CheckSignature, "it has %d signatures: want 1 to %d", len(in.Signatures), mostSignatures)
	}
	if len(trusted) == 0 {
		return nil, nil, failed(CheckSignature, "there is no trusted key to check it with")
	}
	var signers, reasons []string
	signed := preAuthEncoding(in.PayloadType, body)
	for i, sig := range in.Signatures {
		if id, reason := signer(sig, signed, trusted); reason != "" {
			reasons = append(reasons, fmt.Sprintf("signature %d %s", i+1, reason))
		} else if !slices.Contains(signers, id) {
			signers = append(signers, id)
		}
	}
	if len(signers) == 0 {
		return nil, nil, failed(CheckSignature, "no trusted key has signed it: %s", strings.Join(reasons, "; "))
	}
	slices.Sort(signers)
	return body, signers, nil
}

// signer is the ID of the trusted key that made a signature, or why it is none's.
func signer(sig signature, signed []byte, trusted []PublicKey) (id, reason string) {
	raw, err := decode64(sig.Sig)
	if err != nil {
		return "", "is not base64"
	}
	if len(raw) != ed25519.SignatureSize {
		return "", fmt.Sprintf("has %d bytes, and one of Ed25519 has %d", len(raw), ed25519.SignatureSize)
	}
	hinted := false
	for _, key := range trusted {
		// The hint only saves work: a key counts when its signature fits.
		if sig.KeyID != "" && sig.KeyID != key.ID {
			continue
		}
		hinted = true
		if len(key.Key) == ed25519.PublicKeySize && ed25519.Verify(key.Key, signed, raw) {
			return key.ID, ""
		}
	}
	switch {
	case !hinted:
		return "", fmt.Sprintf("is of key %s, which is not trusted", clip(sig.KeyID))
	case sig.KeyID == "":
		return "", "fits none of the trusted keys"
	default:
		return "", fmt.Sprintf("does not fit what key %s would have signed: the content or the signature was changed", clip(sig.KeyID))
	}
}

// decode64 reads both alphabets, as DSSE demands of who verifies, and nothing that is not exactly one of them.
func decode64(text string) ([]byte, error) {
	if strings.ContainsAny(text, "\r\n") { // which the decoder would skip
		return nil, base64.CorruptInputError(strings.IndexAny(text, "\r\n"))
	}
	if strings.ContainsAny(text, "-_") {
		return base64.URLEncoding.Strict().DecodeString(text)
	}
	return base64.StdEncoding.Strict().DecodeString(text)
}

// clip shortens what somebody else wrote for a sentence.
func clip(text string) string {
	const most = 80
	if len(text) <= most {
		return text
	}
	return strings.ToValidUTF8(text[:most], "") + "…"
}
