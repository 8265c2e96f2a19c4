package app

import (
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"strings"
)

// secretBytes is the length of a secret that is made here: 256 bits.
const secretBytes = 32

// Secret reads a secret from its file, and makes one on the first start. Only the owner can read it.
func Secret(file string) (string, error) {
	data, err := os.ReadFile(file)
	if err == nil {
		if found := strings.TrimSpace(string(data)); len(found) >= secretBytes {
			return found, nil
		}
		return "", fmt.Errorf("%s holds no usable secret: remove it to have a new one made", file)
	}
	if !errors.Is(err, os.ErrNotExist) {
		return "", fmt.Errorf("read a secret: %w", err)
	}
	random := make([]byte, secretBytes)
	if _, err := rand.Read(random); err != nil {
		return "", fmt.Errorf("make a secret: %w", err)
	}
	text := hex.EncodeToString(random)
	// A name of its own first: a start that is killed half-way must not leave half a secret.
	temp := file + ".new"
	if err := os.WriteFile(temp, []byte(text+"\n"), 0o600); err != nil {
		return "", fmt.Errorf("keep a secret: %w", err)
	}
	if err := os.Rename(temp, file); err != nil {
		return "", fmt.Errorf("keep a secret: %w", err)
	}
	return text, nil
}
