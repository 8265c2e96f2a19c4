package policy

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"path"
	"slices"
	"strings"
)

// content is what is there at an origin: rules, and what a bundle says of itself.
type content struct {
	files    map[string][]byte
	manifest manifest
}

// member is a file of a bundle.
type member struct {
	name string
	text []byte
}

// unpack reads a bundle: a gzipped tarball of Rego, in memory. Data belongs into the data file: two places that say when
// nothing is promoted would hide one another. Nothing of it is looked at before its signature, where it has to have one.
func unpack(bundle []byte, signature *Signature) (content, error) {
	members, err := membersOf(bundle)
	if err != nil {
		return content{}, err
	}
	if signature != nil {
		if err := signature.verify(members); err != nil {
			return content{}, err
		}
	}
	out, size := content{files: map[string][]byte{}}, 0
	for _, m := range members {
		data := slices.Contains([]string{"data.json", "data.yaml", "data.yml"}, path.Base(m.name))
		if !isRule(m.name) && !data && m.name != manifestName {
			continue
		}
		if size += len(m.text); size > maxRules {
			return content{}, fmt.Errorf("the bundle has more than %d bytes", maxRules)
		}
		switch {
		case m.name == manifestName:
			if out.manifest, err = readManifest(m.text); err != nil {
				return content{}, err
			}
		case data:
			var some map[string]any
			if err := json.Unmarshal(m.text, &some); err != nil || len(some) > 0 {
				return content{}, fmt.Errorf("the bundle has data in %s: data belongs into policy.data", m.name)
			}
		default:
			out.files[m.name] = m.text
		}
	}
	if len(out.files) == 0 {
		return content{}, errors.New("the bundle has no rules: there is no *.rego file in it")
	}
	return out, nil
}

// membersOf are the regular files of a gzipped tarball. Their names are clean: none leads out of the bundle.
func membersOf(bundle []byte) ([]member, error) {
	if len(bundle) > maxBundle {
		return nil, fmt.Errorf("the bundle has more than %d bytes", maxBundle)
	}
	zipped, err := gzip.NewReader(bytes.NewReader(bundle))
	if err != nil {
		return nil, fmt.Errorf("%w: it is no gzipped tarball: %w", errDamaged, err)
	}
	bounded := &io.LimitedReader{R: zipped, N: maxUnpacked + 1}
	archive := tar.NewReader(bounded)
	tooLarge := fmt.Errorf("the bundle unpacks to more than %d bytes", maxUnpacked)
	// A reader that is at its bound looks like one whose end was lost.
	broken := func(err error) error {
		if bounded.N <= 0 {
			return tooLarge
		}
		return fmt.Errorf("%w: it cannot be unpacked: %w", errDamaged, err)
	}
	var out []member
	seen, size := map[string]bool{}, 0
	for count := 0; ; count++ {
		header, err := archive.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, broken(err)
		}
		if count > maxBundleFiles {
			return nil, fmt.Errorf("the bundle has more than %d files", maxBundleFiles)
		}
		if header.Typeflag != tar.TypeReg {
			continue
		}
		// What is read counts too: the holes of a sparse file are long and take no room in the archive.
		text, err := io.ReadAll(io.LimitReader(archive, int64(maxUnpacked-size)+1))
		if err != nil {
			return nil, broken(err)
		}
		if size += len(text); size > maxUnpacked {
			return nil, tooLarge
		}
		name := strings.TrimPrefix(path.Clean("/"+header.Name), "/")
		if seen[name] {
			return nil, fmt.Errorf("the bundle has %s twice: which of them counts?", name)
		}
		seen[name] = true
		out = append(out, member{name, text})
	}
	// To the end, where the checksum is: what was damaged on the way may still look like rules.
	if _, err := io.Copy(io.Discard, bounded); err != nil {
		return nil, broken(err)
	}
	if bounded.N <= 0 {
		// A reader that is at its bound looks like one at its end, and a rule that is lost may be a denial.
		return nil, tooLarge
	}
	return out, nil
}
