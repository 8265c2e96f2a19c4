package git

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/skyisland/skyisland/internal/git/gittest"
)

// tree describes what is under dir: "mode path content" a line.
func tree(t *testing.T, dir string) string {
	t.Helper()
	var lines []string
	err := filepath.WalkDir(dir, func(at string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		info, err := entry.Info()
		if err != nil {
			return err
		}
		content, err := os.ReadFile(at)
		if info.Mode()&fs.ModeSymlink != 0 {
			var target string
			target, err = os.Readlink(at)
			content = []byte(target)
		}
		name, _ := filepath.Rel(dir, at)
		lines = append(lines, info.Mode().String()+" "+name+" "+string(content))
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return strings.Join(lines, "\n")
}

func TestExportIsExactlyTheCommit(t *testing.T) {
	repo := gittest.New(t)
	repo.Git("config", "core.autocrlf", "false")
	repo.Write("a.txt", "one\ntwo\n")
	repo.Write("secret.txt", "$Id$ $Format:%H$\n")
	repo.Write("sub/run.sh", "#!/bin/sh\n")
	repo.Write("empty", "")
	if err := os.Chmod(filepath.Join(repo.Dir, "sub/run.sh"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("../a.txt", filepath.Join(repo.Dir, "sub/link")); err != nil {
		t.Fatal(err)
	}
	// Added last, so that git stores the files above as they are.
	repo.Git("add", "--all")
	repo.Write(".gitattributes", "secret.txt export-ignore export-subst ident\n*.txt text eol=crlf filter=lfs\n")
	commit := repo.Commit("everything attributes can change")
	s := newSource(t, Options{})
	if err := s.Fetch(t.Context(), repo.Dir, commit); err != nil {
		t.Fatal(err)
	}
	dest := filepath.Join(t.TempDir(), "new", "copy")
	if err := s.Export(t.Context(), repo.Dir, commit, dest); err != nil {
		t.Fatal(err)
	}
	want := strings.Join([]string{
		"-rw-r--r-- .gitattributes secret.txt export-ignore export-subst ident\n*.txt text eol=crlf filter=lfs\n",
		"-rw-r--r-- a.txt one\ntwo\n",
		"-rw-r--r-- empty ",
		"-rw-r--r-- secret.txt $Id$ $Format:%H$\n",
		"Lrwxrwxrwx sub/link ../a.txt",
		"-rwxr-xr-x sub/run.sh #!/bin/sh\n",
	}, "\n")
	if got := tree(t, dest); got != want {
		t.Errorf("exported:\n%s\nwant:\n%s", got, want)
	}

	// A build leaves its traces; the next export has none of them.
	if err := os.WriteFile(filepath.Join(dest, "a.txt"), []byte("changed"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dest, "built"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := s.Export(t.Context(), repo.Dir, commit, dest); err != nil {
		t.Fatal(err)
	}
	if got := tree(t, dest); got != want {
		t.Errorf("exported again:\n%s\nwant:\n%s", got, want)
	}
	if entries, err := os.ReadDir(filepath.Dir(dest)); err != nil || len(entries) != 1 {
		t.Errorf("left beside the export: %v, %v", entries, err)
	}
}

func TestExportOfAnEmptyCommit(t *testing.T) {
	repo := gittest.New(t)
	commit := repo.Commit("nothing")
	s := newSource(t, Options{})
	if err := s.Fetch(t.Context(), repo.Dir, commit); err != nil {
		t.Fatal(err)
	}
	dest := filepath.Join(t.TempDir(), "copy")
	if err := s.Export(t.Context(), repo.Dir, commit, dest); err != nil {
		t.Fatal(err)
	}
	if got := tree(t, dest); got != "" {
		t.Errorf("exported %q", got)
	}
}

func TestExportRefuses(t *testing.T) {
	link := func(name, target string) func(*testing.T, *gittest.Repo) {
		return func(t *testing.T, repo *gittest.Repo) {
			at := filepath.Join(repo.Dir, name)
			if err := errors.Join(os.MkdirAll(filepath.Dir(at), 0o755), os.Symlink(target, at)); err != nil {
				t.Fatal(err)
			}
		}
	}
	for name, c := range map[string]struct {
		make func(*testing.T, *gittest.Repo)
		want error
		says string
	}{
		"a link to an absolute path": {link("l", "/etc/passwd"), ErrUnsupported, `"l" points outside`},
		"a link above the root":      {link("a/l", "../../x"), ErrUnsupported, `"a/l" points outside`},
		"a link above the root by way of another": {func(t *testing.T, repo *gittest.Repo) {
			link("a/b/up", "../..")(t, repo)
			link("l", "a/b/up/../x")(t, repo)
		}, ErrUnsupported, `"l" points outside`},
		"a submodule": {func(_ *testing.T, repo *gittest.Repo) {
			repo.Git("update-index", "--add", "--cacheinfo", "160000,"+strings.Repeat("1", 40)+",lib")
		}, ErrUnsupported, `"lib" is a submodule`},
		"too many files": {func(_ *testing.T, repo *gittest.Repo) {
			for _, name := range []string{"1", "2", "3", "4"} {
				repo.Write(name, "")
			}
		}, ErrTooLarge, "over 3 files"},
		"too many bytes": {func(_ *testing.T, repo *gittest.Repo) {
			repo.Write("big", strings.Repeat("b", 1001))
		}, ErrTooLarge, "over 1000 bytes"},
	} {
		t.Run(name, func(t *testing.T) {
			repo := gittest.New(t)
			c.make(t, repo)
			if !strings.Contains(name, "submodule") {
				repo.Git("add", "--all")
			}
			repo.Git("commit", "--quiet", "-m", name)
			commit := repo.Git("rev-parse", "HEAD")
			s := newSource(t, Options{ExportFiles: 3, ExportBytes: 1000})
			if err := s.Fetch(t.Context(), repo.Dir, commit); err != nil {
				t.Fatal(err)
			}
			dir := t.TempDir()
			err := s.Export(t.Context(), repo.Dir, commit, filepath.Join(dir, "copy"))
			if !errors.Is(err, c.want) || !strings.Contains(err.Error(), c.says) {
				t.Errorf("Export = %v, want %v saying %q", err, c.want, c.says)
			}
			if entries, err := os.ReadDir(dir); err != nil || len(entries) != 0 {
				t.Errorf("left behind: %v, %v", entries, err)
			}
		})
	}
}

func TestExportRefusesHostileTrees(t *testing.T) {
	for name, c := range map[string]struct {
		entries [][3]string // mode, type is blob or tree, name
		want    error
	}{
		"a folder named ..":   {[][3]string{{"40000", "tree", ".."}}, ErrUnsupported},
		"a folder named .git": {[][3]string{{"40000", "tree", ".GIT"}}, ErrUnsupported},
		"a folder named .":    {[][3]string{{"40000", "tree", "."}}, ErrUnsupported},
		"one name twice":      {[][3]string{{"100644", "blob", "a"}, {"100644", "blob", "a"}}, os.ErrExist},
		"a file and a folder": {[][3]string{{"100644", "blob", "a"}, {"40000", "tree", "a"}}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			repo := gittest.New(t)
			repo.Write("f", "content")
			repo.Commit("base")
			raw := map[string]string{
				"blob": repo.Git("rev-parse", "HEAD:f"),
				"tree": repo.Git("rev-parse", "HEAD^{tree}"),
			}
			commit := hostileCommit(t, repo, c.entries, raw)
			s := newSource(t, Options{})
			if err := s.Fetch(t.Context(), repo.Dir, commit); err != nil {
				t.Fatal(err)
			}
			dir := t.TempDir()
			err := s.Export(t.Context(), repo.Dir, commit, filepath.Join(dir, "copy"))
			if err == nil || !errors.Is(err, c.want) && c.want != nil {
				t.Errorf("Export = %v, want %v", err, c.want)
			}
			if entries, err := os.ReadDir(dir); err != nil || len(entries) != 0 {
				t.Errorf("left behind: %v, %v", entries, err)
			}
		})
	}
}

// hostileCommit stores a tree no git command would write.
func hostileCommit(t *testing.T, repo *gittest.Repo, entries [][3]string, ids map[string]string) string {
	t.Helper()
	var raw strings.Builder
	for _, e := range entries {
		raw.WriteString(e[0] + " " + e[2] + "\x00" + unhex(t, ids[e[1]]))
	}
	repo.Write("raw", raw.String())
	tree := repo.Git("hash-object", "-t", "tree", "-w", "--literally", "raw")
	commit := repo.Git("commit-tree", "-m", "hostile", tree)
	repo.Git("update-ref", "refs/heads/hostile", commit)
	return commit
}

func unhex(t *testing.T, id string) string {
	t.Helper()
	raw := make([]byte, 0, len(id)/2)
	for i := 0; i < len(id); i += 2 {
		var b byte
		for _, c := range []byte(id[i : i+2]) {
			b = b<<4 | byte(strings.IndexByte("0123456789abcdef", c))
		}
		raw = append(raw, b)
	}
	return string(raw)
}

func TestCheckLinks(t *testing.T) {
	for name, c := range map[string]struct {
		targets map[string]string
		escapes bool
	}{
		"beside":                        {map[string]string{"l": "x"}, false},
		"up and down again":             {map[string]string{"a/b/l": "../../c/d"}, false},
		"the root itself":               {map[string]string{"a/l": ".."}, false},
		"above the root and back":       {map[string]string{"l": "../repo/x"}, true},
		"dangling inside":               {map[string]string{"l": "nowhere/at/all"}, false},
		"a loop":                        {map[string]string{"l": "m", "m": "l"}, false},
		"a loop that grows":             {map[string]string{"l": "l/l"}, false},
		"up through a link to a folder": {map[string]string{"l": "m/../../x", "m": "a/b"}, false},
		"up through a link to the root": {map[string]string{"l": "a/m/../x", "a/m": ".."}, true},
		"through an absolute link":      {map[string]string{"l": "m/x", "m": "/etc"}, true},
	} {
		t.Run(name, func(t *testing.T) {
			if err := checkLinks(c.targets); errors.Is(err, ErrUnsupported) != c.escapes {
				t.Errorf("checkLinks = %v, want an escape: %v", err, c.escapes)
			}
		})
	}
}
