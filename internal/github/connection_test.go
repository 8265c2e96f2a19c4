package github

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/google/go-github/v60/github"
)

func TestOnlyRepositoriesOfTheConfiguredGitHubAreOurs(t *testing.T) {
	for _, c := range []struct{ api, host, address, want string }{
		{"", "", "https://github.com/acme/checkout.git", "acme/checkout"},
		{"", "", "https://github.com/acme/checkout", "acme/checkout"},
		{"", "", "https://GitHub.com/Acme/Check.out/", "Acme/Check.out"},
		{"", "", "git@github.com:acme/checkout.git", "acme/checkout"},
		{"", "", "ssh://git@github.com/acme/checkout.git", "acme/checkout"},
		{"", "", "ssh://git@ssh.github.com:443/acme/checkout.git", "acme/checkout"},
		{"", "", "https://token@github.com/acme/checkout.git", "acme/checkout"},
		{"", "", "https://gitlab.com/acme/checkout.git", ""},
		{"", "", "https://github.com.evil.example/acme/checkout", ""},
		{"", "", "https://evil.example/github.com/acme/checkout", ""},
		{"", "", "git@gitlab.com:acme/checkout.git", ""},
		{"", "", "/srv/git/acme/checkout.git", ""},
		{"", "", "acme/checkout", ""},
		{"", "", "file://github.com/acme/checkout", ""},
		{"", "", "https://github.com/acme", ""},
		{"", "", "https://github.com/acme/checkout/tree/main", ""},
		{"", "", "https://github.com/../..", ""},
		{"", "", "https://github.com/acme/..", ""},
		{"", "", "", ""},
		{"https://ghe.example/api/v3", "", "https://ghe.example/acme/checkout", "acme/checkout"},
		{"https://ghe.example/api/v3", "", "https://github.com/acme/checkout", ""},
		{"https://api.acme.ghe.com", "", "git@acme.ghe.com:acme/checkout.git", "acme/checkout"},
		{"http://127.0.0.1:9", "github.com", "git@github.com:acme/checkout.git", "acme/checkout"},
		{"http://127.0.0.1:9", "github.com", "http://127.0.0.1:9/acme/checkout", ""},
	} {
		connection, err := Connect(Access{API: c.api, Host: c.host, Token: "t"})
		if err != nil {
			t.Fatal(err)
		}
		got, ours := connection.Repository(c.address)
		if ours != (c.want != "") || ours && got.String() != c.want {
			t.Errorf("%s at %s is %q, %t; want %q", c.address, c.api, got, ours, c.want)
		}
	}
}

func pemOf(t *testing.T, bits int) Secret {
	t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, bits)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	return Secret(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}))
}

func TestConnectNamesWhatIsWrongAndQuotesNoSecret(t *testing.T) {
	curve, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.MarshalPKCS8PrivateKey(curve)
	if err != nil {
		t.Fatal(err)
	}
	elliptic := Secret(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}))
	for name, c := range map[string]struct {
		access Access
		want   string
	}{
		"nothing":               {Access{}, "neither a token nor an App"},
		"both":                  {Access{Token: "sesame", AppID: 1, AppKey: "k"}, "both set"},
		"half an App":           {Access{AppID: 1}, "neither"},
		"a key that is no PEM":  {Access{AppID: 1, AppKey: "sesame"}, "is not PEM"},
		"another kind of key":   {Access{AppID: 1, AppKey: elliptic}, "no RSA private key"},
		"PEM of something":      {Access{AppID: 1, AppKey: "-----BEGIN X-----\nc2VzYW1l\n-----END X-----\n"}, "no RSA private key"},
		"an address that is no": {Access{API: "github", Token: "sesame"}, "address is none"},
		"a user in the address": {Access{API: "https://u:sesame@ghe.example", Token: "sesame"}, "address is none"},
		"an address of files":   {Access{API: "file:///x", Token: "sesame"}, "address is none"},
	} {
		_, err := Connect(c.access)
		if err == nil || !strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), "sesame") {
			t.Errorf("%s: %v, want %s", name, err, c.want)
		}
	}
	a := Access{AppID: 1, AppKey: pemOf(t, 2048)}
	if _, err := Connect(a); err != nil {
		t.Errorf("a key in PKCS 8: %v", err)
	}
	if text := fmt.Sprintf("%v %+v %#v", a, a, a); strings.Contains(text, "PRIVATE") {
		t.Errorf("a key is printed: %s", text)
	}
}

func TestTheTokenGoesToTheAPIAlone(t *testing.T) {
	var elsewhere, there []string
	other := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		elsewhere = append(elsewhere, r.Header.Get("Authorization"))
	}))
	defer other.Close()
	api := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		there = append(there, r.Header.Get("Authorization"))
		switch r.URL.Path {
		case "/repos/acme/old":
			http.Redirect(w, r, "/repos/acme/new", http.StatusMovedPermanently)
		case "/repos/acme/away":
			http.Redirect(w, r, other.URL+"/repos/acme/away", http.StatusTemporaryRedirect)
		case "/repos/acme/endless":
			_, _ = io.Copy(w, io.LimitReader(endless{}, 2*answerLimit))
		default:
			_, _ = io.WriteString(w, `{"name":"new"}`)
		}
	}))
	defer api.Close()
	connection, err := Connect(Access{API: api.URL, Token: "sesame"})
	if err != nil {
		t.Fatal(err)
	}
	client, err := connection.Client(t.Context(), Repository{"acme", "old"})
	if err != nil {
		t.Fatal(err)
	}
	if r, _, err := client.Repositories.Get(t.Context(), "acme", "old"); err != nil || r.GetName() != "new" {
		t.Errorf("a renamed repository: %v, %v", r, err)
	}
	if _, _, err := client.Repositories.Get(t.Context(), "acme", "away"); err == nil {
		t.Error("a redirection to another host was followed")
	}
	// An address of another host in an answer, or in a mistake of ours.
	request, err := client.NewRequest(http.MethodGet, other.URL+"/x", nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := client.Do(t.Context(), request, nil); err != nil {
		t.Error(err)
	}
	if len(elsewhere) != 1 || elsewhere[0] != "" || len(there) != 3 || there[1] != "Bearer sesame" {
		t.Errorf("asked %v, and elsewhere %v", there, elsewhere)
	}
	if _, _, err := client.Repositories.Get(t.Context(), "acme", "endless"); !errors.Is(err, errTooLarge) {
		t.Errorf("an endless answer: %v", err)
	}
}

// endless is white space, which a reader of JSON reads on and on.
type endless struct{}

func (endless) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = ' '
	}
	return len(p), nil
}

func TestFailuresAreJudged(t *testing.T) {
	now := time.Date(2026, 3, 2, 9, 0, 0, 0, time.UTC)
	answered := func(status int, header ...string) error {
		h := http.Header{}
		for i := 0; i < len(header); i += 2 {
			h.Set(header[i], header[i+1])
		}
		return &github.ErrorResponse{Response: &http.Response{StatusCode: status, Header: h}, Message: "No"}
	}
	// As go-github makes it of a page that is no JSON.
	foreign := func(status int) error {
		return &github.ErrorResponse{Response: &http.Response{StatusCode: status, Header: http.Header{}}}
	}
	reset := fmt.Sprint(now.Add(10 * time.Minute).Unix())
	past := fmt.Sprint(now.Add(-time.Minute).Unix())
	minute, hour := time.Minute, time.Hour
	for name, c := range map[string]struct {
		err     error
		refused bool
		limit   time.Duration
	}{
		"primary":                    {&github.RateLimitError{Rate: github.Rate{Reset: github.Timestamp{Time: now.Add(10 * time.Minute)}}}, false, 10 * time.Minute},
		"primary, of long ago":       {&github.RateLimitError{Rate: github.Rate{Reset: github.Timestamp{Time: now.Add(-time.Hour)}}}, false, secondaryLimit},
		"primary without a time":     {&github.RateLimitError{}, false, secondaryLimit},
		"secondary":                  {&github.AbuseRateLimitError{RetryAfter: &minute}, false, time.Minute},
		"secondary without a time":   {&github.AbuseRateLimitError{}, false, secondaryLimit},
		"secondary with the hour's":  {&github.AbuseRateLimitError{RetryAfter: &hour, Response: &http.Response{Header: http.Header{}}}, false, secondaryLimit},
		"429 with a time":            {answered(429, "Retry-After", "90"), false, 90 * time.Second},
		"429 with a reset":           {answered(429, "X-RateLimit-Remaining", "0", "X-RateLimit-Reset", reset), false, 10 * time.Minute},
		"429 with a reset of then":   {answered(429, "X-RateLimit-Remaining", "0", "X-RateLimit-Reset", past), false, secondaryLimit},
		"429 alone":                  {answered(429), false, secondaryLimit},
		"429 for years":              {answered(429, "Retry-After", "99999999"), false, mostLimit},
		"429 with nonsense":          {answered(429, "Retry-After", "soon"), false, secondaryLimit},
		"403 with a time":            {answered(403, "Retry-After", "5"), false, 5 * time.Second},
		"403":                        {answered(403), true, 0},
		"401":                        {answered(401), false, unknownLimit},
		"404":                        {answered(404), true, 0},
		"422":                        {answered(422), true, 0},
		"410":                        {answered(410), true, 0},
		"409":                        {answered(409), false, 0},
		"500":                        {answered(500), false, 0},
		"503":                        {answered(503), false, 0},
		"403 of a proxy":             {foreign(403), false, 0},
		"404 of a proxy":             {foreign(404), false, 0},
		"429 of a proxy":             {foreign(429), false, secondaryLimit},
		"202":                        {&github.AcceptedError{}, false, 0},
		"a connection that was lost": {io.ErrUnexpectedEOF, false, 0},
		"wrapped":                    {fmt.Errorf("x: %w", answered(404)), true, 0},
	} {
		if got := judge(c.err, now); got.refused != c.refused || got.limit != c.limit || got.Error() == "" || len(got.Error()) > 600 {
			t.Errorf("%s: %v, refused %t, limit %s", name, got, got.refused, got.limit)
		}
	}
	for attempts, before := 1, time.Duration(0); attempts < 50; attempts++ {
		pause := backoff(attempts)
		if pause < firstRetry*7/10 || pause > lastRetry*13/10 || attempts < 7 && pause < before {
			t.Errorf("after %d attempts it waits %s", attempts, pause)
		}
		before = pause
	}
}
