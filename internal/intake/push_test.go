package intake

import (
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"
)

func TestReadPushSaysAllThatIsWrongInOrder(t *testing.T) {
	const want = `the push event's ref is "main": want a name of at most 1024 bytes that begins with refs/
the push event's before is "": want a commit of 40 or 64 lower-case hexadecimal digits
the push event's after is "HEAD": want a commit of 40 or 64 lower-case hexadecimal digits
the push event's repository.full_name is "": want a name of at most 512 bytes
the push event's repository.clone_url is "a b": want a URL of at most 2048 bytes, or nothing`
	for range 20 {
		_, err := readPush([]byte(`{"ref":"main","after":"HEAD","repository":{"clone_url":"a b"}}`))
		if err == nil || err.Error() != want {
			t.Fatalf("error = %v\nwant %s", err, want)
		}
	}
}

func TestReadPush(t *testing.T) {
	for _, tt := range []struct {
		name, body string
		want       string // what the error says; empty for none
	}{
		{"the least there is", vector, ""},
		{"a repository with SHA-256 commits", pushBody("a/b", "refs/heads/main", strings.Repeat("a", 64), strings.Repeat("b", 64)), ""},
		{"fields that vary from sender to sender", `{"ref":"refs/heads/main","before":"` + commitA + `","after":"` + commitB + `","commits":{},"created":7,
			"repository":{"full_name":"a/b","pushed_at":{"x":1},"created_at":"now","custom_properties":{"k":["a","b"]}},"pusher":null,"head_commit":null}`, ""},
		{"no JSON", `{"ref":`, "cannot be read"},
		{"another type", `[]`, "cannot be read: it is of the kind array: want an object"},
		{"null", `null`, "ref is"},
		{"a number for a ref", `{"ref":1}`, "cannot be read: ref is of the kind number: want text"},
		{"a list for an inner object", `{"repository":{"full_name":[]}}`, "repository.full_name is of the kind array: want text"},
		{"a short commit", pushBody("a/b", "refs/heads/main", commitA, "0d1a26e"), "after is"},
		{"a commit in capitals", pushBody("a/b", "refs/heads/main", strings.ToUpper(commitA), commitB), "before is"},
		{"a ref that is too long", pushBody("a/b", "refs/heads/"+strings.Repeat("x", 1014), commitA, commitB), "ref is"},
		{"a ref with a line break", pushBody("a/b", "refs/heads/a\nb", commitA, commitB), "ref is"},
		{"a repository with a NUL", `{"ref":"refs/heads/main","before":"` + commitA + `","after":"` + commitB + `","repository":{"full_name":"a/\u0000"}}`, "full_name is"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, err := readPush([]byte(tt.body))
			if tt.want == "" && err != nil {
				t.Errorf("error = %v, want none", err)
			}
			if tt.want != "" && (err == nil || !strings.Contains(err.Error(), tt.want)) {
				t.Errorf("error = %v, want %q", err, tt.want)
			}
		})
	}
}

func TestMessagesAndNamesAreTidied(t *testing.T) {
	for _, tt := range []struct {
		name, in string
		limit    int
		want     string
	}{
		{"lines and tabs stay", "Fix\n\n\tthe fare", 100, "Fix\n\n\tthe fare"},
		{"escapes and NULs go", "a\x1b[31mb\x00c\r", 100, "a[31mbc"},
		{"a cut does not split a character", "ééé", 5, "éé"},
		{"what fits stays whole", "ééé", 6, "ééé"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := tidy(tt.in, tt.limit); got != tt.want {
				t.Errorf("tidy = %q, want %q", got, tt.want)
			}
		})
	}
}

func TestWhoPushed(t *testing.T) {
	for _, tt := range []struct{ name, body, want string }{
		{"the account", `{"sender":{"login":"mona"},"pusher":{"name":"Mona Lisa"}}`, "mona"},
		{"the name, for want of an account", `{"pusher":{"name":"Mona Lisa"}}`, "Mona Lisa"},
		{"nobody", `{}`, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			p, _ := readPush([]byte(tt.body)) // incomplete, and read all the same
			if got := p.Who; got != tt.want {
				t.Errorf("who = %q, want %q", got, tt.want)
			}
		})
	}
}

func FuzzReadPush(f *testing.F) {
	for _, body := range []string{
		vector, `null`, `[]`, `{}`, `{"ref":"refs/heads/main"}`,
		`{"ref":"refs/heads/main","before":"` + commitA + `","after":"` + zero + `","deleted":true,"head_commit":{"message":"\u0000\ud800"},"sender":{"login":"x"},"repository":{"full_name":"a/b","pushed_at":1}}`,
		`{"ref":"refs/tags/v1","before":"` + zero + `","after":"` + strings.Repeat("f", 64) + `","repository":{"full_name":"a/b","pushed_at":"x"}}`,
	} {
		f.Add([]byte(body))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		p, err := readPush(body)
		if again, err2 := readPush(body); err != nil && (err2 == nil || err.Error() != err2.Error()) || err == nil && again.happening("d") != p.happening("d") {
			t.Fatalf("read twice, it differs: %v, %v", err, err2)
		}
		for _, text := range []struct {
			value string
			limit int
		}{{p.Message, messageLimit}, {p.Who, nameLimit}} {
			if len(text.value) > text.limit || !utf8.ValidString(text.value) || strings.ContainsRune(text.value, 0) {
				t.Errorf("not a tidy text: %q", text.value)
			}
		}
		if err != nil {
			return
		}
		if !strings.HasPrefix(p.Ref, "refs/") || !commit.MatchString(p.Before) || !commit.MatchString(p.After) || p.Repository == "" {
			t.Errorf("read %+v without an error", p)
		}
		if name := p.happening("d"); strings.ContainsFunc(name, unicode.IsControl) || strings.Count(name, " ") != 4 {
			t.Errorf("the happening %q has not five parts", name)
		}
	})
}
