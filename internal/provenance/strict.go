package provenance

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"unicode"
	"unicode/utf8"
)

// deepest bounds how deep JSON may be nested.
const deepest = 64

// strict reads one JSON object of which nobody can have another idea: UTF-8, no name twice, also not in other letters,
// nothing after it. Names that are not known are left to whoever knows them, as in-toto demands.
func strict(data []byte, into any) error {
	if !utf8.Valid(data) {
		return errors.New("it is not UTF-8")
	}
	if first := bytes.TrimLeft(data, " \t\r\n"); len(first) == 0 || first[0] != '{' {
		return errors.New("it is not a JSON object")
	}
	if err := unambiguous(data); err != nil {
		return err
	}
	if err := json.Unmarshal(data, into); err != nil {
		return fmt.Errorf("its JSON is wrong: %w", err)
	}
	return nil
}

// level is an object, with the names so far, or an array, without.
type level struct {
	names map[string]bool
	// named is set between a name and its value.
	named bool
}

// fold is the same for all letters that the decoder takes for one: a K and the sign for kelvin, an s and the long one.
func fold(r rune) rune {
	for {
		next := unicode.SimpleFold(r)
		if next <= r {
			return next
		}
		r = next
	}
}

func unambiguous(data []byte) error {
	decoder := json.NewDecoder(bytes.NewReader(data))
	decoder.UseNumber()
	var stack []*level
	for {
		token, err := decoder.Token()
		if errors.Is(err, io.EOF) {
			return errors.New("its JSON ends in the middle")
		}
		if err != nil {
			return fmt.Errorf("its JSON is wrong: %w", err)
		}
		var within *level
		if len(stack) > 0 {
			within = stack[len(stack)-1]
		}
		if name, ok := token.(string); ok && within != nil && within.names != nil && !within.named {
			folded := strings.Map(fold, name)
			if within.names[folded] {
				return fmt.Errorf("its JSON has %q twice", clip(name))
			}
			within.names[folded], within.named = true, true
			continue
		}
		if within != nil {
			within.named = false
		}
		switch token {
		case json.Delim('{'):
			stack = append(stack, &level{names: map[string]bool{}})
		case json.Delim('['):
			stack = append(stack, &level{})
		case json.Delim('}'), json.Delim(']'):
			stack = stack[:len(stack)-1]
		}
		if len(stack) > deepest {
			return fmt.Errorf("its JSON is nested more than %d deep", deepest)
		}
		if len(stack) == 0 {
			break
		}
	}
	if _, err := decoder.Token(); !errors.Is(err, io.EOF) {
		return errors.New("something follows its JSON")
	}
	return nil
}
