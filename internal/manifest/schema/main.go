// Command schema writes what is generated from the manifest's reference: the JSON Schema, for
// editors and for the program to print, and the documentation of every field. It is run by
// go generate in internal/manifest.
package main

import (
	"fmt"
	"os"
	"path/filepath"
)

func main() {
	if err := run("../.."); err != nil {
		fmt.Fprintln(os.Stderr, "schema:", err)
		os.Exit(1) //nolint:forbidigo // This is the main of a generator.
	}
}

// run writes all generated files below the repository's root.
func run(root string) error {
	files, err := generated()
	if err != nil {
		return err
	}
	for name, content := range files {
		if err := os.WriteFile(filepath.Join(root, name), content, 0o644); err != nil {
			return fmt.Errorf("write %s: %w", name, err)
		}
	}
	return nil
}

// generated are the generated files by their path in the repository.
func generated() (map[string][]byte, error) {
	schema, err := jsonSchema()
	if err != nil {
		return nil, err
	}
	return map[string][]byte{
		"docs/skyisland.schema.json":              schema,
		"internal/manifest/skyisland.schema.json": schema,
		"docs/manifest.md":                        markdown(),
	}, nil
}
