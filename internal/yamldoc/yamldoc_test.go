package yamldoc

import (
	"errors"
	"reflect"
	"strings"
	"testing"

	"github.com/skyisland/skyisland/internal/release"
)

type sample struct {
	Name  string            `json:"name"`
	Count int               `json:"count"`
	Size  int64             `json:"size"`
	Ratio float64           `json:"ratio"`
	On    bool              `json:"on"`
	Wait  release.Duration  `json:"wait"`
	List  []string          `json:"list"`
	Map   map[string]string `json:"map"`
	Any   any               `json:"any"`
	Sub   *sample           `json:"sub"`
}

func problems(t *testing.T, err error) release.Problems {
	t.Helper()
	var p release.Problems
	if err != nil && !errors.As(err, &p) {
		t.Fatalf("not problems: %v", err)
	}
	return p
}

func TestEveryKindOfValueIsRead(t *testing.T) {
	var got sample
	text := `
name: "a: b"
count: 3
size: 2KiB
ratio: 99.9
on: true
wait: 1h30m
list: [1, 1.10, true, "x", 'y']
map: {b: 2, a: "1"}
any: {whole: 7, part: 1.5, yes: true, text: t, list: [1, {a: b}]}
sub: &s {name: inner, list: only}
`
	if err := Read("f", []byte(text), &got, "sub.list").Err(); err != nil {
		t.Fatal(err)
	}
	want := sample{
		Name: "a: b", Count: 3, Size: 2048, Ratio: 99.9, On: true, Wait: 5400e9,
		List: []string{"1", "1.10", "true", "x", "y"}, Map: map[string]string{"a": "1", "b": "2"},
		Any: map[string]any{
			"whole": int64(7), "part": 1.5, "yes": true, "text": "t",
			"list": []any{int64(1), map[string]any{"a": "b"}},
		},
		Sub: &sample{Name: "inner", List: []string{"only"}},
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got  %+v\nwant %+v", got, want)
	}
}

func TestWhatAFileMayCostIsBounded(t *testing.T) {
	bomb := strings.Builder{}
	bomb.WriteString("any:\n  a0: &a0 [x, x, x, x, x, x, x, x, x]\n")
	for i := 1; i < 9; i++ {
		item := "*a" + string(rune('0'+i-1))
		bomb.WriteString("  a" + string(rune('0'+i)) + ": &a" + string(rune('0'+i)) + " [" + strings.Repeat(item+", ", 8) + item + "]\n")
	}
	for _, c := range []struct{ name, text, want string }{
		{"aliases of aliases", bomb.String(), "means more than is sensible"},
		{"an anchor inside its own value", "any: &a [*a]", "means more than is sensible"},
		{"brackets in brackets", "any: " + strings.Repeat("[", 5000), "more than 32 brackets"},
		{"a list in a list in a list on one line", "any:\n  " + strings.Repeat("- ", 4000) + "x", "means more than is sensible"},
		{"a long line", "name: " + strings.Repeat("x", 9000), "the line has 9006 bytes"},
		{"many lines", strings.Repeat("name: x\n", 20_000), "the file has 20001 lines"},
		{"a large file", strings.Repeat("name: xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx\n", 9_000), "the file has 351000 bytes"},
		{"many problems", strings.Repeat("zzzzzzzzzzzz: x\n", 5_000), "and 4900 more problems"},
	} {
		t.Run(c.name, func(t *testing.T) {
			err := Read("f", []byte(c.text), &sample{}).Err()
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v, want %q in it", err, c.want)
			}
			if n := len(problems(t, err)); n > maxProblems+1 {
				t.Errorf("%d problems", n)
			}
		})
	}
}

func TestProblemsAreWhereAnEditorWouldPutTheCursor(t *testing.T) {
	for _, c := range []struct {
		name, text, path string
		line, column     int
	}{
		{"a wrong value", "name: a\ncount: many\n", "count", 2, 8},
		{"an unknown field", "name: a\nnames: b\n", "names", 2, 1},
		{"a key given again", "sub:\n  name: a\n  name: b\n", "sub.name", 3, 3},
		{"an item of a list", "list:\n  - a\n  - {b: c}\n", "list[1]", 3, 5},
		{"a key that looks like a path", "map: {a.b: {}}\n", `map["a.b"]`, 1, 12},
		{"after text that is wider than its bytes", "map: {行: [x]}\n", "map.行", 1, 10},
		{"windows line ends", "name: a\r\ncount: many\r\n", "count", 2, 8},
		{"no value", "name: a\nsub:\n", "sub", 2, 1},
	} {
		t.Run(c.name, func(t *testing.T) {
			got := problems(t, Read("f", []byte(c.text), &sample{}).Err())
			if len(got) != 1 || got[0].Path != c.path || got[0].Line != c.line || got[0].Column != c.column {
				t.Errorf("got %+v, want %s at %d:%d", got, c.path, c.line, c.column)
			}
		})
	}
}

func TestBrokenSyntaxKeepsWhatStandsElsewhere(t *testing.T) {
	var got sample
	doc := Read("f", []byte("name: a\nlist: [a, b\nsub:\n  name: inner\n  list: }\ncount: 4\n"), &got)
	if p := problems(t, doc.Err()); len(p) != 2 || p[0].Line != 2 || p[1].Line != 5 {
		t.Errorf("want problems in lines 2 and 5, got %v", p)
	}
	if got.Name != "a" || got.Count != 4 || got.Sub == nil || got.Sub.Name != "inner" {
		t.Errorf("got %+v", got)
	}
	if !doc.Has("list") || doc.Sound("sub.list") || doc.Has("size") {
		t.Error("a broken field counts as there and unsound, others do not")
	}
}

func TestNearest(t *testing.T) {
	known := []string{"steps", "bake", "patience", "sticky", "user-header"}
	for _, c := range []struct{ word, want string }{
		{"step", "steps"}, {"setps", "steps"}, {"BAKE", "bake"}, {"patient", "patience"}, {"userheader", "user-header"},
		{"colour", ""}, {"x", ""}, {strings.Repeat("steps", 100), ""},
	} {
		if got := Nearest(c.word, known); got != c.want {
			t.Errorf("%s: got %q, want %q", c.word, got, c.want)
		}
	}
}

func TestParseSize(t *testing.T) {
	for _, c := range []struct {
		text string
		want int64
	}{{"0", 0}, {"1024", 1024}, {"10B", 10}, {"1KiB", 1024}, {"16 MiB", 16 << 20}, {"2GiB", 2 << 30}} {
		if got, err := ParseSize(c.text); err != nil || got != c.want {
			t.Errorf("%s: got %d, %v, want %d", c.text, got, err, c.want)
		}
	}
	for _, text := range []string{"", "-1", "16MB", "1.5MiB", "99999999999GiB", "MiB"} {
		if got, err := ParseSize(text); err == nil {
			t.Errorf("%q: got %d, want an error", text, got)
		}
	}
}

func FuzzRead(f *testing.F) {
	f.Add([]byte("name: a\nlist: [a, b\nsub:\n  name: &x inner\n  list: }\nany: {a: *x, ? b : c}\n"))
	f.Fuzz(func(_ *testing.T, data []byte) {
		doc := Read("f", data, &sample{}, "list")
		if err := doc.Err(); err != nil {
			_ = err.Error()
		}
	})
}
