package gateway

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"log/slog"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// testCertificates is one certificate for shop.example, and who trusts it.
func testCertificates(t testing.TB) (*Certificates, *x509.CertPool) {
	t.Helper()
	pair := writePair(t, t.TempDir(), "shop", time.Hour, "shop.example")
	c, err := OpenCertificates([]KeyPair{pair}, "", nil)
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AddCert(c.shown.Load().first.Leaf)
	return c, roots
}

// writePair makes a self-signed certificate that is good for a while.
func writePair(t testing.TB, dir, name string, ends time.Duration, hosts ...string) KeyPair {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	serial, err := rand.Int(rand.Reader, big.NewInt(1<<60))
	if err != nil {
		t.Fatal(err)
	}
	cert, err := x509.CreateCertificate(rand.Reader, &x509.Certificate{
		SerialNumber: serial, NotBefore: time.Now().Add(-2 * time.Hour), NotAfter: time.Now().Add(ends), DNSNames: hosts,
		IsCA: true, BasicConstraintsValid: true,
	}, &x509.Certificate{SerialNumber: serial}, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	encoded, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	p := KeyPair{CertFile: filepath.Join(dir, name+".crt"), KeyFile: filepath.Join(dir, name+".key")}
	for file, block := range map[string]*pem.Block{p.CertFile: {Type: "CERTIFICATE", Bytes: cert}, p.KeyFile: {Type: "PRIVATE KEY", Bytes: encoded}} {
		if err := os.WriteFile(file, pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return p
}

// shows is the first host name of the certificate that a client gets who asks for a name.
func shows(t *testing.T, c *Certificates, name string) string {
	t.Helper()
	cert, err := c.choose(&tls.ClientHelloInfo{
		ServerName: name, SupportedVersions: []uint16{tls.VersionTLS13}, SignatureSchemes: []tls.SignatureScheme{tls.ECDSAWithP256AndSHA256},
		SupportedCurves: []tls.CurveID{tls.CurveP256},
	})
	if err != nil {
		t.Fatal(err)
	}
	return cert.Leaf.DNSNames[0]
}

func TestTheCertificateOfAName(t *testing.T) {
	dir := t.TempDir()
	first := writePair(t, t.TempDir(), "main", time.Hour, "main.example")
	writePair(t, dir, "shop", time.Hour, "shop.example", "www.shop.example")
	writePair(t, dir, "all", time.Hour, "*.shop.example")
	c, err := OpenCertificates([]KeyPair{first}, dir, nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct{ name, host, want string }{
		{"its own", "shop.example", "shop.example"},
		{"in other letters", "WWW.Shop.Example", "shop.example"},
		{"with the dot of the root", "shop.example.", "shop.example"},
		{"one for all beside it", "a.shop.example", "*.shop.example"},
		{"not one level deeper", "a.b.shop.example", "main.example"},
		{"the first where none fits", "else.example", "main.example"},
		{"the first without a name", "", "main.example"},
	} {
		t.Run(test.name, func(t *testing.T) {
			if got := shows(t, c, test.host); got != test.want {
				t.Errorf("%q gets %s, want %s", test.host, got, test.want)
			}
		})
	}
}

func TestCertificateFilesAreFollowed(t *testing.T) {
	dir := t.TempDir()
	pair := writePair(t, dir, "shop", time.Hour, "one.example")
	var log bytes.Buffer
	c, err := OpenCertificates([]KeyPair{pair}, "", slog.New(slog.NewTextHandler(&log, nil)))
	if err != nil {
		t.Fatal(err)
	}
	key, err := os.ReadFile(pair.KeyFile)
	if err != nil {
		t.Fatal(err)
	}
	write := func(file, content string) {
		if err := os.WriteFile(file, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for _, step := range []struct {
		name   string
		change func()
		shown  string
		log    string // what the log has, and that once
	}{
		{"a new pair counts", func() { writePair(t, dir, "shop", time.Hour, "two.example") }, "two.example", "[two.example]"},
		{"a key of another certificate does not", func() { write(pair.KeyFile, string(key)) }, "two.example", "private key does not match public key"},
		{"nor does half a file", func() { write(pair.CertFile, "-----BEGIN CERTIFICATE-----\nMIIB") }, "two.example", "failed to find any PEM data"},
		{"nor one that is gone", func() { _ = os.Remove(pair.CertFile) }, "two.example", "no such file"},
		{"nor one that has ended", func() { writePair(t, dir, "shop", -time.Hour, "ended.example") }, "two.example", "and the one before has not"},
		{"a good one counts again", func() { writePair(t, dir, "shop", time.Hour, "three.example") }, "three.example", "[three.example]"},
		{"everybody may read a key", func() {
			writePair(t, dir, "shop", time.Hour, "four.example")
			_ = os.Chmod(pair.KeyFile, 0o604)
		}, "four.example", "private key can be read by everybody"},
	} {
		t.Run(step.name, func(t *testing.T) {
			log.Reset()
			step.change()
			c.look()
			c.look()
			if got := shows(t, c, ""); got != step.shown {
				t.Errorf("it shows %s, want %s", got, step.shown)
			}
			if n := strings.Count(log.String(), step.log); n != 1 || !strings.Contains(log.String(), dir) {
				t.Errorf("said %d times: %q, in %s", n, step.log, log.String())
			}
			if strings.Contains(log.String(), "PRIVATE") || strings.Contains(log.String(), strings.Split(string(key), "\n")[1]) {
				t.Errorf("the log has a key: %s", log.String())
			}
		})
	}
}

func TestAFolderOfCertificates(t *testing.T) {
	dir := t.TempDir()
	if _, err := OpenCertificates(nil, dir, nil); err == nil {
		t.Error("an empty folder is enough to start")
	}
	if err := os.WriteFile(filepath.Join(dir, "bad.crt"), []byte("bad"), 0o600); err != nil {
		t.Fatal(err)
	}
	writePair(t, dir, "one", time.Hour, "one.example")
	c, err := OpenCertificates(nil, dir, nil)
	if err != nil {
		t.Fatal(err)
	}
	two := writePair(t, dir, "two", time.Hour, "two.example")
	c.look()
	if got := shows(t, c, "two.example"); got != "two.example" {
		t.Errorf("a new pair is not shown, but %s", got)
	}
	_ = os.Remove(two.KeyFile)
	c.look()
	if got := shows(t, c, "two.example"); got != "two.example" {
		t.Errorf("half a pair gone: %s is shown", got)
	}
	_ = os.Remove(two.CertFile)
	c.look()
	if got := shows(t, c, "two.example"); got != "one.example" {
		t.Errorf("a pair that is gone: %s is shown", got)
	}
	_ = os.RemoveAll(dir)
	c.look()
	if got := shows(t, c, ""); got != "one.example" {
		t.Errorf("a folder that is gone: %s is shown", got)
	}
}

func TestNamedCertificatesHaveToBeGood(t *testing.T) {
	dir := t.TempDir()
	good, other := writePair(t, dir, "good", time.Hour, "a"), writePair(t, dir, "other", time.Hour, "b")
	for name, pairs := range map[string][]KeyPair{
		"no such file":               {good, {CertFile: filepath.Join(dir, "none"), KeyFile: good.KeyFile}},
		"private key does not match": {good, {CertFile: other.CertFile, KeyFile: good.KeyFile}},
	} {
		if _, err := OpenCertificates(pairs, "", nil); err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("got %v, want %s", err, name)
		}
	}
}

// TestARenewedCertificateIsShownToNewConnections changes the files below a listener.
func TestARenewedCertificateIsShownToNewConnections(t *testing.T) {
	dir := t.TempDir()
	pair := writePair(t, dir, "shop", time.Hour, "one.example")
	c, err := OpenCertificates([]KeyPair{pair}, "", nil)
	if err != nil {
		t.Fatal(err)
	}
	f := newFront(t, Options{Certificates: c}, x509.NewCertPool())
	dial := func(version uint16) (*tls.Conn, error) {
		return tls.DialWithDialer(&net.Dialer{Timeout: 5 * time.Second}, "tcp", strings.TrimPrefix(f.base, "https://"),
			&tls.Config{InsecureSkipVerify: true, MinVersion: tls.VersionTLS10, MaxVersion: version})
	}
	for _, host := range []string{"one.example", "two.example"} {
		writePair(t, dir, "shop", time.Hour, host)
		c.look()
		conn, err := dial(tls.VersionTLS12)
		if err != nil {
			t.Fatal(err)
		}
		if got := conn.ConnectionState().PeerCertificates[0].DNSNames[0]; got != host {
			t.Errorf("a new connection is shown %s, want %s", got, host)
		}
		_ = conn.Close()
	}
	if _, err := dial(tls.VersionTLS11); err == nil {
		t.Error("TLS 1.1 is spoken")
	}
}
