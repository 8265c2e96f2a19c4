package cli

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/skyisland/skyisland/internal/api"
	"github.com/skyisland/skyisland/internal/api/client"
	"github.com/skyisland/skyisland/internal/provenance"
	"github.com/skyisland/skyisland/internal/release"
)

// exitUnproven is what verify ends with when it is not proven where an artifact comes from.
const exitUnproven = 3

// keyLimit bounds a file with public keys, in bytes.
const keyLimit = 64 << 10

// verification is what somebody wants to be proven, and by what.
type verification struct {
	keyFiles []string
	// envelope and digest are the files' own way, without a server.
	envelope, digest string
	// archive is a file that has to be the artifact.
	archive string
	want    expectation
}

// expectation is what a statement has to say; what is empty it may say as it likes.
type expectation struct {
	repository, commit, builder string
}

// verified is the answer.
type verified struct {
	Verified bool `json:"verified"`
	// Trust says where the keys are from, Keys which they are.
	Trust string   `json:"trust"`
	Keys  []string `json:"keys"`
	// Release is set when one was named.
	Release   *release.ID        `json:"release,omitempty"`
	Artifacts []verifiedArtifact `json:"artifacts"`
	// Content says what is known of the artifact's own bytes.
	Content string `json:"content"`
	// wrongFile says that the archive is none of the artifacts.
	wrongFile bool
}

// verifiedArtifact is an artifact with all that is stated about it.
type verifiedArtifact struct {
	Component  string              `json:"component,omitempty"`
	Artifact   release.Digest      `json:"artifact"`
	Verified   bool                `json:"verified"`
	Statements []verifiedStatement `json:"statements"`
}

// verifiedStatement is a statement that holds and says what is wanted, or why it does not. What is not signed by a trusted
// key is not shown.
type verifiedStatement struct {
	Verified   bool      `json:"verified"`
	Problem    string    `json:"problem,omitempty"`
	Subject    string    `json:"subject,omitempty"`
	Repository string    `json:"repository,omitempty"`
	Ref        string    `json:"ref,omitempty"`
	Commit     string    `json:"commit,omitempty"`
	Builder    string    `json:"builder,omitempty"`
	BuildType  string    `json:"build_type,omitempty"`
	Invocation string    `json:"invocation,omitempty"`
	Built      time.Time `json:"built,omitzero"`
	Keys       []string  `json:"keys,omitempty"`
}

func (p *program) artifactVerify() *cobra.Command {
	var v verification
	cmd := &cobra.Command{
		Use: "verify [DIGEST|RELEASE]", Short: "Prove where an artifact comes from", Args: between(0, 1),
		Long: "Checks the signed statements about an artifact, or about all artifacts of a release, on this machine.\n\n" +
			"Without --key the keys are those that the server publishes, which trusts the server. With --envelope no server is\n" +
			"asked: give --key, and --digest or --file. Of a named release the statements have to be of the commits that it was built from. --file\n" +
			"compares an archive with the artifact; without it the artifact's bytes are not looked at. Exit code 3 when it is not\n" +
			"proven.\n\n" + releaseHelp,
		RunE: func(cmd *cobra.Command, args []string) error {
			answer, err := p.verify(cmd.Context(), v, first(args))
			if err != nil {
				return err
			}
			if err := p.print(answer, answer.tell(p)); err != nil {
				return err
			}
			if !answer.Verified {
				return &exitError{code: exitUnproven}
			}
			return nil
		},
	}
	flags := cmd.Flags()
	flags.StringArrayVar(&v.keyFiles, "key", nil, "file with public keys in PEM that are trusted; may be there several times")
	flags.StringVar(&v.envelope, "envelope", "", "file with a statement; no server is asked then")
	flags.StringVar(&v.digest, "digest", "", "the artifact that the --envelope has to be about, as sha256:...")
	flags.StringVar(&v.archive, "file", "", "archive that has to be the artifact")
	flags.StringVar(&v.want.repository, "repository", "", "repository that it has to be built from")
	flags.StringVar(&v.want.commit, "commit", "", "whole commit that it has to be built from")
	flags.StringVar(&v.want.builder, "builder", "", "builder that it has to be built by, a URI")
	return cmd
}

func (p *program) verify(ctx context.Context, v verification, name string) (verified, error) {
	if (v.envelope == "") == (name == "") {
		return verified{}, usage("name a digest or a release, or give an --envelope: one of them")
	}
	if v.envelope == "" && v.digest != "" {
		return verified{}, usage("--digest goes with --envelope: write the digest without a flag")
	}
	out := verified{Keys: []string{}}
	keys, err := p.givenKeys(v.keyFiles)
	if err != nil {
		return out, err
	}
	var archive release.Digest
	if v.archive != "" {
		if archive, err = digestOf(p.path(v.archive)); err != nil {
			return out, fmt.Errorf("read the artifact: %w", err)
		}
	}
	if v.envelope != "" {
		out.Trust = "the keys of --key"
		err = p.verifyFile(&out, v, archive, keys)
	} else {
		err = p.verifyStated(ctx, &out, v, name, keys)
	}
	if err != nil {
		return out, err
	}
	out.conclude(v.archive, archive)
	return out, nil
}

// givenKeys are the keys of the files that were named.
func (p *program) givenKeys(files []string) ([]provenance.PublicKey, error) {
	var out []provenance.PublicKey
	for _, file := range files {
		data, err := readLimited(p.path(file), keyLimit)
		if err != nil {
			return nil, fmt.Errorf("read the key: %w", err)
		}
		keys, err := provenance.ParsePublicKeys(data)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", file, err)
		}
		out = append(out, keys...)
	}
	return out, nil
}

// verifyFile checks one statement that is here.
func (p *program) verifyFile(out *verified, v verification, archive release.Digest, keys []provenance.PublicKey) error {
	if len(keys) == 0 {
		return usage("--key is missing: nobody is asked whose keys to trust when there is an --envelope")
	}
	digest := release.Digest(v.digest)
	if digest == "" {
		digest = archive
	}
	if digest == "" {
		return usage("--digest is missing: say which artifact the statement has to be about, or give its --file")
	}
	if err := digest.Check(); err != nil {
		return usage("--digest: %v", err)
	}
	envelope, err := readLimited(p.path(v.envelope), provenance.EnvelopeLimit)
	if err != nil {
		return fmt.Errorf("read the statement: %w", err)
	}
	out.add("", digest, [][]byte{envelope}, keys, v.want)
	return nil
}

// verifyStated checks what the server has.
func (p *program) verifyStated(ctx context.Context, out *verified, v verification, name string, keys []provenance.PublicKey) error {
	c, err := p.client()
	if err != nil {
		return err
	}
	artifacts := []api.Artifact{{Artifact: release.Digest(name)}}
	if strings.HasPrefix(name, "sha256:") {
		if err := artifacts[0].Artifact.Check(); err != nil {
			return usage("%v", err)
		}
	} else if artifacts, err = artifactsOf(ctx, c, out, name); err != nil {
		return err
	}
	out.Trust = "the keys of --key"
	if len(keys) == 0 {
		out.Trust = "the keys that the server itself publishes"
		if keys, err = publishedKeys(ctx, c); err != nil {
			return err
		}
	}
	for _, a := range artifacts {
		list, err := c.Statements(ctx, a.Artifact)
		if err != nil {
			return err
		}
		var envelopes [][]byte
		for _, statement := range list.Statements {
			envelopes = append(envelopes, statement.Envelope)
		}
		want := v.want
		want.commit = or(want.commit, a.Commit)
		out.add(a.Component, a.Artifact, envelopes, keys, want)
	}
	return nil
}

// artifactsOf are what a release is made of, each with the commit that it has to be built from: the release's own, or of a
// component that nothing has touched since, an earlier one.
func artifactsOf(ctx context.Context, c *client.Client, out *verified, name string) ([]api.Artifact, error) {
	id, err := find(ctx, c, name)
	if err != nil {
		return nil, err
	}
	list, err := c.Artifacts(ctx, id)
	if err != nil {
		return nil, err
	}
	if len(list.Artifacts) == 0 {
		return nil, notFound("%s has built nothing", id)
	}
	out.Release = &id
	for i := range list.Artifacts {
		list.Artifacts[i].Commit = or(list.Artifacts[i].Commit, list.Commit)
	}
	return list.Artifacts, nil
}

// publishedKeys are the keys that the server trusts, by its own word.
func publishedKeys(ctx context.Context, c *client.Client) ([]provenance.PublicKey, error) {
	list, err := c.SigningKeys(ctx)
	if err != nil {
		return nil, err
	}
	var out []provenance.PublicKey
	for _, published := range list.Keys {
		keys, err := provenance.ParsePublicKeys([]byte(published.PEM))
		if err != nil {
			return nil, fmt.Errorf("the server publishes what is no key: %w", err)
		}
		out = append(out, keys...)
	}
	if len(out) == 0 {
		return nil, errors.New("the server publishes no key: give one with --key")
	}
	return out, nil
}

// add checks the statements about an artifact.
func (out *verified) add(component string, artifact release.Digest, envelopes [][]byte, keys []provenance.PublicKey, want expectation) {
	if len(out.Keys) == 0 {
		for _, key := range keys {
			out.Keys = append(out.Keys, key.ID)
		}
	}
	one := verifiedArtifact{Component: component, Artifact: artifact, Statements: []verifiedStatement{}}
	for _, envelope := range envelopes {
		statement := verifyStatement(envelope, keys, artifact, want)
		one.Verified = one.Verified || statement.Verified
		one.Statements = append(one.Statements, statement)
	}
	out.Artifacts = append(out.Artifacts, one)
}

func verifyStatement(envelope []byte, keys []provenance.PublicKey, artifact release.Digest, want expectation) verifiedStatement {
	proof, err := provenance.Verify(envelope, keys, artifact.Hex())
	if err != nil {
		return verifiedStatement{Problem: err.Error()}
	}
	source, run := proof.Statement.Source(), proof.Statement.Predicate.RunDetails
	out := verifiedStatement{
		Repository: source.Repository, Ref: source.Ref, Commit: source.Commit, Builder: run.Builder.ID,
		BuildType: proof.Statement.Predicate.BuildDefinition.BuildType, Invocation: run.Metadata.InvocationID,
		Built: run.Metadata.FinishedOn, Keys: proof.KeyIDs,
	}
	for _, subject := range proof.Statement.Subject {
		if subject.Digest["sha256"] == artifact.Hex() {
			out.Subject = subject.Name
		}
	}
	out.Problem = want.missed(out)
	out.Verified = out.Problem == ""
	return out
}

// missed is what a statement that holds does not say as it should; empty when it says all of it.
func (want expectation) missed(s verifiedStatement) string {
	for _, one := range []struct{ what, want, got string }{
		{"repository", provenance.Bare(want.repository), s.Repository}, {"commit", want.commit, s.Commit}, {"builder", want.builder, s.Builder},
	} {
		if one.want != "" && one.want != one.got {
			return fmt.Sprintf("%s: it is %s, and not %s", one.what, one.got, one.want)
		}
	}
	return ""
}

// conclude says whether all of it is proven. file is the archive, empty without one.
func (out *verified) conclude(file string, archive release.Digest) {
	out.Verified = len(out.Artifacts) > 0
	fits := false
	for _, a := range out.Artifacts {
		out.Verified = out.Verified && a.Verified
		fits = fits || a.Artifact == archive
	}
	switch {
	case file == "":
		out.Content = "not looked at: --file ARCHIVE compares an archive with the artifact"
	case fits:
		out.Content = fmt.Sprintf("%s is the artifact %s", file, archive)
	default:
		out.Content = fmt.Sprintf("%s is %s, which is not the artifact", file, archive)
		out.Verified, out.wrongFile = false, true
	}
}
