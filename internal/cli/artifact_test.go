package cli_test

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/skyisland/skyisland/internal/api"
	"github.com/skyisland/skyisland/internal/api/apitest"
	"github.com/skyisland/skyisland/internal/cli"
	"github.com/skyisland/skyisland/internal/provenance"
	"github.com/skyisland/skyisland/internal/release"
)

// hello and bye are what two artifacts hold.
const (
	hello = "hello\n"
	bye   = "bye\n"
)

func digest(content string) release.Digest {
	sum := sha256.Sum256([]byte(content))
	return release.Digest("sha256:" + hex.EncodeToString(sum[:]))
}

// signer is a key that is the same in every run: 1 is the server's, 2 somebody else's.
func signer(t testing.TB, seed byte) (ed25519.PrivateKey, provenance.PublicKey) {
	t.Helper()
	private := ed25519.NewKeyFromSeed(bytes.Repeat([]byte{seed}, ed25519.SeedSize))
	public, err := provenance.PublicKeyOf(private)
	if err != nil {
		t.Fatal(err)
	}
	return private, public
}

const shownCommit = "8f3a21c9d0e1b2c3d4e5f60718293a4b5c6d7e8f"

// statement is what a signer states of content, built from a commit.
func statement(t testing.TB, seed byte, component, content, commit string) []byte {
	t.Helper()
	s, err := provenance.New(provenance.Build{
		Subject: "demo/rail/" + component, SHA256: digest(content).Hex(), Repository: "https://git.example/demo/rail.git", Ref: "refs/heads/main",
		Commit: commit, ManifestPath: "skyisland.yaml", ManifestSHA256: strings.Repeat("c", 64), Component: component, Command: []string{"make"},
		Release: "demo/rail/production/40", Builder: "https://sky.example/builder", Version: "1.2.3", Invocation: "release/1",
		Started: noon, Finished: noon.Add(9 * time.Second),
	})
	if err != nil {
		t.Fatal(err)
	}
	private, _ := signer(t, seed)
	envelope, err := provenance.Sign(s, private)
	if err != nil {
		t.Fatal(err)
	}
	return envelope
}

// proofs are the statements of an installation, and the keys it publishes.
type proofs struct {
	stated map[release.Digest][][]byte
	keys   []api.SigningKey
}

func (p proofs) Statements(_ context.Context, artifact release.Digest, _ []string, _ int) ([]api.Statement, error) {
	var out []api.Statement
	for _, envelope := range p.stated[artifact] {
		out = append(out, api.Statement{Release: id("rail", "production", 40), Component: "web", Made: noon, Envelope: envelope})
	}
	return out, nil
}

func (proofs) Built(context.Context, release.ID) ([]api.Artifact, error) {
	return nil, errors.ErrUnsupported
}

func (p proofs) Keys(context.Context) ([]api.SigningKey, error) { return p.keys, nil }

// prove gives an installation releases of demo/rail that are proven (40), half (41) and not (42), and puts the public keys
// and a statement into a folder.
func prove(t testing.TB, i *apitest.Installation, dir string) {
	t.Helper()
	p := proofs{stated: map[release.Digest][][]byte{
		digest(hello): {statement(t, 2, "web", hello, shownCommit), statement(t, 1, "web", hello, strings.Repeat("1", 40)), statement(t, 1, "web", hello, shownCommit)},
		digest(bye):   {statement(t, 2, "api", bye, shownCommit)},
	}}
	for seed, name := range map[byte]string{1: "ours.pem", 2: "theirs.pem"} {
		_, public := signer(t, seed)
		text, err := public.PEM()
		if err != nil {
			t.Fatal(err)
		}
		if seed == 1 {
			p.keys = append(p.keys, api.SigningKey{ID: public.ID, PEM: string(text), Signing: true})
		}
		keep(t, filepath.Join(dir, name), text)
	}
	keep(t, filepath.Join(dir, "statement.json"), statement(t, 1, "web", hello, shownCommit))
	keep(t, filepath.Join(dir, "tampered.json"), bytes.Replace(statement(t, 1, "web", hello, shownCommit), []byte(`"payload":"eyJ`), []byte(`"payload":"eyK`), 1))
	keep(t, filepath.Join(dir, "hello.tar"), []byte(hello))
	keep(t, filepath.Join(dir, "bye.tar"), []byte(bye))
	i.KnowArtifacts(p)
	move := func(component, content string) release.Move {
		return release.Move{Component: component, Candidate: release.Revision{ID: component + "-111111111111", Component: component, Artifact: digest(content)}}
	}
	for number, moves := range map[int][]release.Move{
		40: {move("web", hello)}, 41: {move("api", bye), move("web", hello)}, 42: {move("web", "nothing is stated of this")},
	} {
		s := status(id("rail", "production", number), release.Completed, -number)
		s.Moves = moves
		i.Put(s)
	}
}

func keep(t testing.TB, file string, data []byte) {
	t.Helper()
	if err := os.WriteFile(file, data, 0o600); err != nil {
		t.Fatal(err)
	}
}

func TestOnlyTheKeysThatAreTrustedProve(t *testing.T) {
	i, dir := installation(), t.TempDir()
	prove(t, i, dir)
	server := i.Start(t, info())
	for line, want := range map[string]int{
		"rail/production/40":                                          cli.ExitOK,
		"rail/production/40 --key ours.pem":                           cli.ExitOK,
		"rail/production/40 --key theirs.pem":                         cli.ExitOK, // they have stated it too
		"rail/production/41":                                          cli.ExitRolledBack,
		"rail/production/41 --key ours.pem --key theirs.pem":          cli.ExitOK,
		"rail/production/42":                                          cli.ExitRolledBack,
		"rail/production/40 --commit " + strings.Repeat("1", 40):      cli.ExitOK,
		"rail/production/40 --commit " + strings.Repeat("2", 40):      cli.ExitRolledBack,
		"rail/production/40 --builder https://sky.example/builder":    cli.ExitOK,
		"rail/production/40 --builder https://laptop.example":         cli.ExitRolledBack,
		"rail/production/40 --repository https://git.example/x.git":   cli.ExitRolledBack,
		"rail/production/40 --file hello.tar":                         cli.ExitOK,
		"rail/production/40 --file bye.tar":                           cli.ExitRolledBack,
		"rail/production/41 --key theirs.pem --file bye.tar":          cli.ExitOK,
		string(digest(hello)):                                         cli.ExitOK,
		string(digest("other")):                                       cli.ExitRolledBack,
		"--envelope statement.json --key ours.pem --file hello.tar":   cli.ExitOK,
		"--envelope statement.json --key theirs.pem --file hello.tar": cli.ExitRolledBack,
		"--envelope statement.json --key ours.pem --file bye.tar":     cli.ExitRolledBack,
		"--envelope tampered.json --key ours.pem --file hello.tar":    cli.ExitRolledBack,
		"--envelope hello.tar --key ours.pem --file hello.tar":        cli.ExitRolledBack,
		"--envelope statement.json --key ours.pem --digest latest":    cli.ExitUsage,
		"--envelope statement.json --file hello.tar":                  cli.ExitUsage,
		"--envelope statement.json --key ours.pem":                    cli.ExitUsage,
		"--envelope statement.json --key ours.pem 40":                 cli.ExitUsage,
		"":                                   cli.ExitUsage,
		"rail/production/40 --digest x":      cli.ExitUsage,
		"sha256:short":                       cli.ExitUsage,
		"rail/production/99":                 cli.ExitNotFound,
		"rail/production/40 --key hello.tar": cli.ExitError,
		"rail/production/40 --key none.pem":  cli.ExitError,
		"rail/production/40 --file none.tar": cli.ExitError,
		"--envelope none.json --key ours.pem --file hello.tar": cli.ExitError,
	} {
		t.Run(line, func(t *testing.T) {
			out, errs := newOutput(), newOutput()
			o := surroundings(t, server, out, errs)
			o.Dir = dir
			if strings.Contains(line, "--envelope") {
				o.Getenv = func(string) string { return "" } // no server is needed
			}
			if got := cli.Run(t.Context(), o, append([]string{"artifact", "verify"}, strings.Fields(line)...)); got != want {
				t.Errorf("exit code %d, want %d\n%s%s", got, want, out, errs)
			}
			if verdict := strings.Contains(out.String(), "\nVerified.\n"); verdict != (want == cli.ExitOK) {
				t.Errorf("it says\n%s", out)
			}
		})
	}
}
