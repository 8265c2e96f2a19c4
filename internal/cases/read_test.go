package cases

import (
	"errors"
	"reflect"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/skyisland/skyisland/internal/release"
)

func TestReadFillsDefaults(t *testing.T) {
	got, err := Read("cases/a.yaml", []byte(`
cases:
  - name: a plain question
  - name: everything
    request:
      path: /x
      query: {from: Beijing, limit: 3}
      headers: {Accept-Language: zh}
      json: {a: [1, null, 2.5]}
    expect:
      status: 201
      headers: {Content-Type: application/json}
      body: {contains: one, equals: "", json: {b: true}}
      within: 200ms
`))
	if err != nil {
		t.Fatal(err)
	}
	empty := ""
	want := []Case{
		{
			Name: "a plain question", File: "cases/a.yaml", Line: 3,
			Request: Request{Method: "GET"}, Expect: Expect{Status: 200, Within: release.Duration(10 * time.Second)},
		},
		{
			Name: "everything", File: "cases/a.yaml", Line: 4,
			Request: Request{
				Method: "POST", Path: "/x", Query: map[string]string{"from": "Beijing", "limit": "3"},
				Headers: map[string]string{"Accept-Language": "zh"},
				JSON:    map[string]any{"a": []any{int64(1), nil, 2.5}},
			},
			Expect: Expect{
				Status: 201, Headers: map[string]string{"Content-Type": "application/json"},
				Body:   Body{Contains: []string{"one"}, Equals: &empty, JSON: map[string]any{"b": true}},
				Within: release.Duration(200 * time.Millisecond),
			},
		},
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got  %+v\nwant %+v", got, want)
	}
}

func TestReadSaysEverythingThatIsWrong(t *testing.T) {
	_, err := Read("c.yaml", []byte(`cases:
  - name: twice
    request: {method: get, path: x, body: a, json: {}}
  - name: twice
    request: {path: "/a?b=c", headers: {"a b": c}}
    expect: {status: 99, body: {contains: ""}, within: 2h}
  - request: {pth: /}
`))
	want := []string{
		`c.yaml:3:23: cases[0].request.method: "get" is unknown; did you mean GET?`,
		`c.yaml:3:34: cases[0].request.path: "x" is not a path; begin it with /, and leave out the host`,
		`c.yaml:3:43: cases[0].request.body: a body and JSON at once; write one of them`,
		`c.yaml:4:11: cases[1].name: "twice" is the name of cases[0] too; give each case its own name`,
		`c.yaml:5:21: cases[1].request.path: "/a?b=c" is more than a path; write the query as query: {name: value}`,
		`c.yaml:5:48: cases[1].request.headers["a b"]: "a b" is not the name of a header; write one such as Accept-Language`,
		`c.yaml:6:22: cases[1].expect.status: 99 is not the status of an answer; write one from 200 to 599`,
		`c.yaml:6:43: cases[1].expect.body.contains[0]: every body contains an empty text; write what it should contain`,
		`c.yaml:6:56: cases[1].expect.within: 2h is no useful bound; write one up to 1m`,
		`c.yaml:7:5: cases[2].name: a case without a name; add name, a sentence such as: name: an unknown line is not found`,
		`c.yaml:7:15: cases[2].request.pth: unknown field pth; did you mean path?`,
	}
	if err == nil {
		t.Fatal("no error")
	}
	got := strings.Split(err.Error(), "\n")
	for i := range max(len(got), len(want)) {
		if i >= len(got) || i >= len(want) || got[i] != want[i] {
			t.Fatalf("problem %d:\ngot\n%s\nwant\n%s", i, strings.Join(got, "\n"), strings.Join(want, "\n"))
		}
	}
}

func TestLoad(t *testing.T) {
	good, bad := []byte("cases: [{name: a}]"), []byte("cases: [{nam: a}]")
	folder := fstest.MapFS{
		"cases/b.yaml": {Data: good}, "cases/a.yaml": {Data: good}, "cases/notes.md": {Data: []byte("#")},
		"bad/1.yaml": {Data: bad}, "bad/2.yaml": {Data: []byte("")},
	}
	for _, c := range []struct {
		name     string
		patterns []string
		files    []string
		problem  string
	}{
		{"files come once and in order", []string{"cases/*.yaml", "./cases/b.yaml"}, []string{"cases/a.yaml", "cases/b.yaml"}, ""},
		{"a pattern that matches nothing is an error", []string{"cases/*.yaml", "case/*.yaml"}, nil, "case/*.yaml: no case file matches"},
		{"what is wrong in several files comes at once", []string{"bad/*.yaml"}, nil, "bad/2.yaml:1:1: the file is empty"},
		{"no patterns are no cases", nil, nil, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, err := Load(folder, c.patterns)
			if c.problem != "" {
				var problems release.Problems
				if !errors.As(err, &problems) || !strings.Contains(err.Error(), c.problem) {
					t.Fatalf("got %v, want %q", err, c.problem)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			var files []string
			for _, c := range got {
				files = append(files, c.File)
			}
			if !reflect.DeepEqual(files, c.files) {
				t.Errorf("got %v, want %v", files, c.files)
			}
		})
	}
}

func FuzzRead(f *testing.F) {
	f.Add([]byte("cases:\n  - name: a\n    request: {json: {a: [1, null]}}\n    expect: {body: {json: [1]}}\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		found, err := Read("f", data)
		if err == nil && len(found) == 0 {
			t.Fatal("accepted, but no cases")
		}
	})
}
