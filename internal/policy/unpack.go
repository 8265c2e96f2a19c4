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

// unpack reads a bundle: a gzipped tarball of Rego, in memory. Data belongs into the data file: two places that say when
// nothing is promoted would hide one another.
func unpack(bundle []byte) (map[string][]byte, error) {
	if len(bundle) > maxBundle {
		return nil, fmt.Errorf("the bundle has more than %d bytes", maxBundle)
	}
	zipped, err := gzip.NewReader(bytes.NewReader(bundle))
	if err != nil {
		return nil, fmt.Errorf("%w: it is no gzipped tarball: %w", errDamaged, err)
	}
	bounded := &io.LimitedReader{R: zipped, N: maxUnpacked + 1}
	archive := tar.NewReader(bounded)
	// A reader that is at its bound looks like one whose end was lost.
	broken := func(err error) error {
		if bounded.N <= 0 {
			return fmt.Errorf("the bundle unpacks to more than %d bytes", maxUnpacked)
		}
		return fmt.Errorf("%w: it cannot be unpacked: %w", errDamaged, err)
	}
	files, size := map[string][]byte{}, 0
	for count := 0; ; count++ {
		header, err := archive.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, broken(err)
		}
		name := strings.TrimPrefix(path.Clean("/"+header.Name), "/")
		if count > maxBundleFiles {
			return nil, fmt.Errorf("the bundle has more than %d files", maxBundleFiles)
		}
		data := slices.Contains([]string{"data.json", "data.yaml", "data.yml"}, path.Base(name))
		if header.Typeflag != tar.TypeReg || !isRule(name) && !data {
			continue
		}
		text, err := io.ReadAll(io.LimitReader(archive, int64(maxRules-size)+1))
		if err != nil {
			return nil, broken(err)
		}
		if size += len(text); size > maxRules {
			return nil, fmt.Errorf("the bundle has more than %d bytes", maxRules)
		}
		if data {
			var some map[string]any
			if err := json.Unmarshal(text, &some); err != nil || len(some) > 0 {
				return nil, fmt.Errorf("the bundle has data in %s: data belongs into policy.data", name)
			}
			continue
		}
		if _, twice := files[name]; twice {
			return nil, fmt.Errorf("the bundle has %s twice: which of them counts?", name)
		}
		files[name] = text
	}
	// To the end, where the checksum is: what was damaged on the way may still look like rules.
	if _, err := io.Copy(io.Discard, bounded); err != nil {
		return nil, fmt.Errorf("%w: %w", errDamaged, err)
	}
	if bounded.N <= 0 {
		// A reader that is at its bound looks like one at its end, and a rule that is lost may be a denial.
		return nil, fmt.Errorf("the bundle unpacks to more than %d bytes", maxUnpacked)
	}
	if len(files) == 0 {
		return nil, errors.New("the bundle has no rules: there is no *.rego file in it")
	}
	return files, nil
}
