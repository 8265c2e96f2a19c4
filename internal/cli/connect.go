package cli

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"strings"

	"github.com/skyisland/skyisland/internal/api/client"
)

const (
	defaultServer = "http://127.0.0.1:7780"
	// standaloneData is the data directory of the standalone program, in which it keeps its token.
	standaloneData = ".skyisland"
	// tokenLimit bounds a file with a token, in bytes.
	tokenLimit = 4 << 10
)

// address is where the server is.
func (p *program) address() string {
	for _, address := range []string{p.server, p.o.Getenv("SKYISLAND_SERVER")} {
		if address != "" {
			return address
		}
	}
	return defaultServer
}

// client speaks to the server under the person's token.
func (p *program) client() (*client.Client, error) {
	token, err := p.findToken()
	if err != nil {
		return nil, err
	}
	c, err := client.New(p.address(), token)
	if err != nil {
		return nil, usage("%v", err)
	}
	return c, nil
}

// findToken looks for a token where it may be, the most explicit place first.
func (p *program) findToken() (string, error) {
	if p.token != "" && p.tokenFile != "" {
		return "", usage("--token and --token-file are both there: give one")
	}
	if p.token != "" {
		return p.token, nil
	}
	if p.tokenFile != "" {
		return readToken(p.path(p.tokenFile))
	}
	if token := p.o.Getenv("SKYISLAND_TOKEN"); token != "" {
		return token, nil
	}
	for _, file := range p.tokenFiles() {
		token, err := readToken(file)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		return token, err
	}
	return "", errors.New("there is no token: give one with --token-file or in SKYISLAND_TOKEN, put it into ~/.config/skyisland/token, " +
		"or be in the folder where skyisland-standalone runs")
}

// tokenFiles are where a token is looked for without being told. The standalone's is for the server on
// this machine only: it must not be sent to another.
func (p *program) tokenFiles() []string {
	var files []string
	if loopback(p.address()) {
		for dir := filepath.Clean(p.o.Dir); ; dir = filepath.Dir(dir) {
			files = append(files, filepath.Join(dir, standaloneData, "token"))
			if dir == filepath.Dir(dir) {
				break
			}
		}
	}
	config := p.o.Getenv("XDG_CONFIG_HOME")
	if config == "" && p.o.Home != "" {
		config = filepath.Join(p.o.Home, ".config")
	}
	if config != "" {
		files = append(files, filepath.Join(config, "skyisland", "token"))
	}
	return files
}

func loopback(server string) bool {
	u, err := url.Parse(server)
	if err != nil {
		return false
	}
	ip := net.ParseIP(u.Hostname())
	return u.Hostname() == "localhost" || (ip != nil && ip.IsLoopback())
}

func readToken(file string) (string, error) {
	f, err := os.Open(file)
	if err != nil {
		return "", fmt.Errorf("read the token: %w", err)
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, tokenLimit))
	if err != nil {
		return "", fmt.Errorf("read the token: %w", err)
	}
	token := strings.TrimSpace(string(data))
	if token == "" || strings.ContainsAny(token, " \t\r\n") {
		return "", fmt.Errorf("read the token: %s does not hold one word, so it is no token", file)
	}
	return token, nil
}

// path is a path as the person means it.
func (p *program) path(name string) string {
	if filepath.IsAbs(name) {
		return name
	}
	return filepath.Join(p.o.Dir, name)
}
