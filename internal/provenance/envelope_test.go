package provenance

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"math/big"
	"slices"
	"strings"
	"testing"
	"time"
)

const (
	someSHA256 = "5891b5b522d5df086d0ff0b110fbd9d21bb4fc7163af34d08286a2e846f6be03"
	someCommit = "0123456789abcdef0123456789abcdef01234567"
)

// key is a key that is the same in every run.
func key(t testing.TB, seed byte) (ed25519.PrivateKey, PublicKey) {
	t.Helper()
	private := ed25519.NewKeyFromSeed(bytes.Repeat([]byte{seed}, ed25519.SeedSize))
	public, err := PublicKeyOf(private)
	if err != nil {
		t.Fatal(err)
	}
	return private, public
}

func someBuild() Build {
	begin := time.Date(2026, 3, 2, 12, 0, 0, 123456789, time.FixedZone("", 8*3600))
	return Build{
		Subject: "demo/hello/web", SHA256: someSHA256, Repository: "https://ada:s3cr:t@x@git.example/demo/hello.git", Ref: "refs/heads/main",
		Commit: someCommit, ManifestPath: "skyisland.yaml", ManifestSHA256: strings.Repeat("ab", 32), Component: "web",
		Command: []string{"go", "build", "-o", "bin/web", "."}, Release: "demo/hello/production/3", Builder: "https://sky.example/builder",
		Version: "1.2.3", Invocation: "release/demo/hello/production/3/run/5/1", Started: begin, Finished: begin.Add(9 * time.Second),
	}
}

func someStatement(t testing.TB) Statement {
	t.Helper()
	s, err := New(someBuild())
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func signed(t testing.TB, s Statement, private ed25519.PrivateKey) []byte {
	t.Helper()
	data, err := Sign(s, private)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// fails wants the error of one check.
func fails(t *testing.T, err error, check Check, reason string) {
	t.Helper()
	var failure *Error
	if !errors.As(err, &failure) || failure.Check != check || !strings.Contains(failure.Reason, reason) {
		t.Errorf("got %v, want that the check of the %s fails with %q", err, check, reason)
	}
}

// The vector is that of DSSE's protocol.md, with its signature by a key of P-256.
func TestWhatIsSignedIsWhatDSSESays(t *testing.T) {
	got := preAuthEncoding("http://example.com/HelloWorld", []byte("hello world"))
	if want := "DSSEv1 29 http://example.com/HelloWorld 11 hello world"; string(got) != want {
		t.Fatalf("got %q, want %q", got, want)
	}
	point := []byte{4} // not compressed
	for _, coordinate := range []string{
		"46950820868899156662930047687818585632848591499744589407958293238635476079160",
		"5640078356564379163099075877009565129882514886557779369047442380624545832820",
	} {
		n, _ := new(big.Int).SetString(coordinate, 10)
		point = append(point, n.FillBytes(make([]byte, 32))...)
	}
	public, err := ecdsa.ParseUncompressedPublicKey(elliptic.P256(), point)
	if err != nil {
		t.Fatal(err)
	}
	sig, err := decode64("A3JqsQGtVsJ2O2xqrI5IcnXip5GToJ3F+FnZ+O88SjtR6rDAajabZKciJTfUiHqJPcIAriEGAHTVeCUjW2JIZA==")
	if err != nil {
		t.Fatal(err)
	}
	sum := sha256.Sum256(got)
	if !ecdsa.Verify(public, sum[:], new(big.Int).SetBytes(sig[:32]), new(big.Int).SetBytes(sig[32:])) {
		t.Error("the signature of the specification does not fit")
	}
	for body, want := range map[string]string{"": "DSSEv1 1 t 0 ", "\x00 \n": "DSSEv1 1 t 3 \x00 \n", "é": "DSSEv1 1 t 2 é"} {
		if got := preAuthEncoding("t", []byte(body)); string(got) != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}

// The signature is what openssl pkeyutl -sign -rawin makes of the same bytes with the key of RFC 8410.
func TestASignatureIsWhatOthersMake(t *testing.T) {
	private, err := ParsePrivateKey([]byte(rfcPrivate))
	if err != nil {
		t.Fatal(err)
	}
	const want = "juYKbLKgqzfDi4Y79tOPtN5ee0LT4CTP07pZEfiuVun4bJrk3xG6UdbajwF8EFDyYH19u6ZM8IJB2EcH80piBA=="
	change(t, signed(t, someStatement(t), private), func(e *envelope) {
		if e.Signatures[0].Sig != want {
			t.Errorf("signed as %s, want %s", e.Signatures[0].Sig, want)
		}
	})
}

func TestAStatementThatWasSignedHolds(t *testing.T) {
	private, public := key(t, 1)
	_, other := key(t, 2)
	data := signed(t, someStatement(t), private)
	if again := signed(t, someStatement(t), private); !bytes.Equal(data, again) {
		t.Error("the same statement was signed to other bytes")
	}
	for name, trusted := range map[string][]PublicKey{"alone": {public}, "beside another": {other, public}} {
		got, err := Verify(data, trusted, someSHA256)
		if err != nil || !slices.Equal(got.KeyIDs, []string{public.ID}) {
			t.Fatalf("%s: keys %v, error %v", name, got.KeyIDs, err)
		}
		run := got.Statement.Predicate.RunDetails
		if run.Builder.ID != "https://sky.example/builder" || !run.Metadata.FinishedOn.Equal(someBuild().Finished.Truncate(time.Second)) {
			t.Errorf("%s: got %+v", name, run)
		}
	}
}

// change is the envelope with something of it changed.
func change(t *testing.T, data []byte, edit func(*envelope)) []byte {
	t.Helper()
	var in envelope
	if err := json.Unmarshal(data, &in); err != nil {
		t.Fatal(err)
	}
	edit(&in)
	out, err := json.Marshal(in)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func payload(t *testing.T, data []byte) []byte {
	t.Helper()
	var body []byte
	change(t, data, func(e *envelope) { body, _ = base64.StdEncoding.DecodeString(e.Payload) })
	return body
}

// Every byte of what is signed counts: whichever is changed, no key has signed it.
func TestAnyChangedByteIsFound(t *testing.T) {
	private, public := key(t, 1)
	data := signed(t, someStatement(t), private)
	body := payload(t, data)
	for at := range body {
		tampered := slices.Clone(body)
		tampered[at] ^= 1
		changed := change(t, data, func(e *envelope) { e.Payload = base64.StdEncoding.EncodeToString(tampered) })
		_, err := Verify(changed, []PublicKey{public}, someSHA256)
		fails(t, err, CheckSignature, "signature 1 does not fit")
	}
	for at := range ed25519.SignatureSize {
		changed := change(t, data, func(e *envelope) {
			raw, _ := base64.StdEncoding.DecodeString(e.Signatures[0].Sig)
			raw[at] ^= 1
			e.Signatures[0].Sig = base64.StdEncoding.EncodeToString(raw)
		})
		_, err := Verify(changed, []PublicKey{public}, someSHA256)
		fails(t, err, CheckSignature, "signature 1 does not fit")
	}
	for name, tampered := range map[string][]byte{"shorter": body[:len(body)-1], "longer": append(slices.Clone(body), ' '), "empty": nil} {
		t.Run(name, func(t *testing.T) {
			changed := change(t, data, func(e *envelope) { e.Payload = base64.StdEncoding.EncodeToString(tampered) })
			_, err := Verify(changed, []PublicKey{public}, someSHA256)
			fails(t, err, CheckSignature, "does not fit")
		})
	}
}

func TestTheFirstCheckThatFailsIsTold(t *testing.T) {
	private, public := key(t, 1)
	strange, stranger := key(t, 2)
	good := signed(t, someStatement(t), private)
	edited := func(edit func(*envelope)) []byte { return change(t, good, edit) }
	stated := func(edit func(*Statement)) []byte {
		s := someStatement(t)
		edit(&s)
		return signed(t, s, private)
	}
	for name, c := range map[string]struct {
		data    []byte
		trusted []PublicKey
		sha256  string
		check   Check
		reason  string
	}{
		"nothing":                  {nil, nil, "", CheckEnvelope, "not a JSON object"},
		"an array":                 {[]byte("[]"), nil, "", CheckEnvelope, "not a JSON object"},
		"half an object":           {good[:len(good)/2], nil, "", CheckEnvelope, "JSON"},
		"something behind it":      {append(slices.Clone(good), " {}"...), nil, "", CheckEnvelope, "follows"},
		"no UTF-8":                 {[]byte("{\"a\":\"\xff\"}"), nil, "", CheckEnvelope, "UTF-8"},
		"a name twice":             {[]byte(`{"payload":"","payload":""}`), nil, "", CheckEnvelope, `"payload" twice`},
		"a name with a long s":     {[]byte(`{"signatures":[],"ſignatures":[]}`), nil, "", CheckEnvelope, `"ſignatures" twice`},
		"a name in other letters":  {[]byte(`{"payload":"","Payload":""}`), nil, "", CheckEnvelope, `"Payload" twice`},
		"very deep":                {[]byte(`{"a":` + strings.Repeat("[", 100) + strings.Repeat("]", 100) + "}"), nil, "", CheckEnvelope, "64 deep"},
		"too large":                {append(slices.Clone(good), bytes.Repeat([]byte(" "), EnvelopeLimit)...), nil, "", CheckEnvelope, "262144"},
		"another kind":             {[]byte(`{"payload":7}`), nil, "", CheckEnvelope, "JSON is wrong"},
		"another payload type":     {edited(func(e *envelope) { e.PayloadType = "application/json" }), []PublicKey{public}, someSHA256, CheckPayloadType, `"application/json"`},
		"a payload in no base64":   {edited(func(e *envelope) { e.Payload = "ab\n==" }), []PublicKey{public}, someSHA256, CheckEnvelope, "base64"},
		"a payload without its =":  {edited(func(e *envelope) { e.Payload = "YQ" }), []PublicKey{public}, someSHA256, CheckEnvelope, "base64"},
		"no signature":             {edited(func(e *envelope) { e.Signatures = nil }), []PublicKey{public}, someSHA256, CheckSignature, "0 signatures"},
		"very many signatures":     {edited(func(e *envelope) { e.Signatures = slices.Repeat(e.Signatures, 17) }), []PublicKey{public}, someSHA256, CheckSignature, "17 signatures"},
		"no key":                   {good, nil, someSHA256, CheckSignature, "no trusted key to check it with"},
		"another key":              {good, []PublicKey{stranger}, someSHA256, CheckSignature, "is of key " + public.ID + ", which is not trusted"},
		"a hint at another key":    {edited(func(e *envelope) { e.Signatures[0].KeyID = stranger.ID }), []PublicKey{public, stranger}, someSHA256, CheckSignature, "does not fit"},
		"no hint and another key":  {edited(func(e *envelope) { e.Signatures[0].KeyID = "" }), []PublicKey{stranger}, someSHA256, CheckSignature, "fits none"},
		"half a signature":         {edited(func(e *envelope) { e.Signatures[0].Sig = "YWJj" }), []PublicKey{public}, someSHA256, CheckSignature, "3 bytes"},
		"a signature in no base64": {edited(func(e *envelope) { e.Signatures[0].Sig = "!" }), []PublicKey{public}, someSHA256, CheckSignature, "not base64"},
		"signed by a stranger":     {signed(t, someStatement(t), strange), []PublicKey{public}, someSHA256, CheckSignature, "not trusted"},
		"another statement type":   {stated(func(s *Statement) { s.Type = "https://in-toto.io/Statement/v0.1" }), []PublicKey{public}, someSHA256, CheckStatement, "v0.1"},
		"another predicate":        {stated(func(s *Statement) { s.PredicateType = "https://slsa.dev/provenance/v0.2" }), []PublicKey{public}, someSHA256, CheckPredicate, "v0.2"},
		"no builder":               {stated(func(s *Statement) { s.Predicate.RunDetails.Builder.ID = "" }), []PublicKey{public}, someSHA256, CheckPredicate, "no builder"},
		"no type of build":         {stated(func(s *Statement) { s.Predicate.BuildDefinition.BuildType = "" }), []PublicKey{public}, someSHA256, CheckPredicate, "no type of build"},
		"no subject":               {stated(func(s *Statement) { s.Subject = nil }), []PublicKey{public}, someSHA256, CheckSubject, "about nothing"},
		"very many subjects":       {stated(func(s *Statement) { s.Subject = make([]Resource, 1001) }), []PublicKey{public}, someSHA256, CheckSubject, "1001"},
		"another subject":          {good, []PublicKey{public}, strings.Repeat("0", 64), CheckSubject, "it is about demo/hello/web with the sha256 " + someSHA256},
		"a subject without one":    {stated(func(s *Statement) { s.Subject[0].Digest = map[string]string{"sha512": someSHA256} }), []PublicKey{public}, someSHA256, CheckSubject, "about demo/hello/web"},
		"no digest to look for":    {stated(func(s *Statement) { s.Subject[0].Digest = nil }), []PublicKey{public}, "", CheckSubject, "no SHA-256"},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := Verify(c.data, c.trusted, c.sha256)
			fails(t, err, c.check, c.reason)
			if len(got.KeyIDs) != 0 || got.Statement.Type != "" {
				t.Errorf("what does not hold was given out: %+v", got)
			}
		})
	}
}

// A payload of another type was signed as such, and is no statement because somebody writes the type over it.
func TestTheTypeIsSigned(t *testing.T) {
	private, public := key(t, 1)
	data := signed(t, someStatement(t), private)
	body := payload(t, data)
	changed := change(t, data, func(e *envelope) {
		e.Signatures[0].Sig = base64.StdEncoding.EncodeToString(ed25519.Sign(private, preAuthEncoding("text/plain", body)))
	})
	_, err := Verify(changed, []PublicKey{public}, someSHA256)
	fails(t, err, CheckSignature, "does not fit")
}

// A payload is only read once it is known who signed it.
func TestTheContentIsLookedAtAfterTheSignature(t *testing.T) {
	private, public := key(t, 1)
	data := signed(t, someStatement(t), private)
	changed := change(t, data, func(e *envelope) { e.Payload = base64.StdEncoding.EncodeToString([]byte("no JSON")) })
	_, err := Verify(changed, []PublicKey{public}, someSHA256)
	fails(t, err, CheckSignature, "")
	changed = change(t, changed, func(e *envelope) {
		e.Signatures[0].Sig = base64.StdEncoding.EncodeToString(ed25519.Sign(private, preAuthEncoding(PayloadType, []byte("no JSON"))))
	})
	_, err = Verify(changed, []PublicKey{public}, someSHA256)
	fails(t, err, CheckStatement, "not a JSON object")
}

func TestGarbageBesideAGoodSignatureIsPassedOver(t *testing.T) {
	one, first := key(t, 1)
	two, second := key(t, 2)
	data := signed(t, someStatement(t), one)
	body := payload(t, data)
	other := signature{Sig: base64.URLEncoding.EncodeToString(ed25519.Sign(two, preAuthEncoding(PayloadType, body)))}
	changed := change(t, data, func(e *envelope) {
		good := e.Signatures[0]
		e.Signatures = []signature{{Sig: "!"}, {KeyID: "x", Sig: good.Sig}, {Sig: "YWJj"}, good, good, {Sig: good.Sig}, other}
	})
	want := []string{first.ID, second.ID}
	slices.Sort(want)
	got, err := Verify(changed, []PublicKey{first, second}, someSHA256)
	if err != nil || !slices.Equal(got.KeyIDs, want) {
		t.Errorf("keys %v, error %v; want each of the two once", got.KeyIDs, err)
	}
	// A key that is trusted twice counts once.
	got, err = Verify(changed, []PublicKey{second, second}, someSHA256)
	if err != nil || !slices.Equal(got.KeyIDs, []string{second.ID}) {
		t.Errorf("keys %v, error %v; want the trusted one alone", got.KeyIDs, err)
	}
}

// Both alphabets of base64 are read, as DSSE demands.
func TestBothAlphabetsAreRead(t *testing.T) {
	private, public := key(t, 1)
	build := someBuild()
	build.Version = "~~~???>>>"
	s, err := New(build)
	if err != nil {
		t.Fatal(err)
	}
	changed := change(t, signed(t, s, private), func(e *envelope) {
		body, _ := base64.StdEncoding.DecodeString(e.Payload)
		e.Payload = base64.URLEncoding.EncodeToString(body)
	})
	if _, err := Verify(changed, []PublicKey{public}, someSHA256); err != nil {
		t.Error(err)
	}
	for _, text := range []string{"+-==", "ab=c", "YR==", "a"} {
		if got, err := decode64(text); err == nil {
			t.Errorf("%q was read as %q", text, got)
		}
	}
}

func FuzzVerify(f *testing.F) {
	private, public := key(f, 1)
	good := signed(f, someStatement(f), private)
	f.Add(good)
	f.Add([]byte(`{"payload":"","payloadType":"application/vnd.in-toto+json","signatures":[{"keyid":"","sig":""}]}`))
	f.Add([]byte(`{"a":[{"a":[1e400,"\ud800"]}]}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		got, err := Verify(data, []PublicKey{public}, someSHA256)
		if err != nil {
			var failure *Error
			if !errors.As(err, &failure) || failure.Reason == "" {
				t.Errorf("the error %v does not say which check failed", err)
			}
			return
		}
		// Nobody can sign without the key: what holds is what was signed, whatever is around it.
		again, err := json.Marshal(got.Statement)
		want, _ := json.Marshal(someStatement(t))
		if err != nil || !bytes.Equal(again, want) {
			t.Errorf("%s holds, and was never signed", again)
		}
	})
}

func FuzzStrict(f *testing.F) {
	f.Add([]byte(`{"a":{"b":[1,{"c":null}]},"d":"e"}`))
	f.Add([]byte(`{"a":1,"A":2}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		var into map[string]any
		if strict(data, &into) == nil && !json.Valid(data) {
			t.Errorf("%q is no JSON, and was read", data)
		}
	})
}
