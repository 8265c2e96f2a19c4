package scaffold

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// The changes of the tour, each made to the application as the one before left it.
const (
	// Good adds the time each train takes to the answers.
	Good = "good"
	// Bad greets clients in their language. Its author took it that a preferred language always has
	// its weight written, as in "zh-CN;q=1": so it stands in every test. Browsers and apps leave a
	// weight of 1 out, and each of their requests fails.
	Bad = "bad"
)

// ClientHeader is what real clients send and checks do not, and ClientLanguages a value of it as
// phones send it.
const (
	ClientHeader    = "Accept-Language"
	ClientLanguages = "zh-CN,zh;q=0.9,en;q=0.8"
)

// edit replaces a text that has to be in a file once.
type edit struct{ file, before, after string }

var changes = map[string][]edit{
	Good: {
		{"timetable.go", "\tArrives string `json:\"arrives\"`\n}", "\tArrives string `json:\"arrives\"`\n\t// Takes is how long the journey is, such as 4h29m.\n\tTakes string `json:\"takes\"`\n}"},
		{"timetable.go", "\tanswer(w, http.StatusOK, Answer{From: from, To: to, Trains: trains})\n", "\tanswer(w, http.StatusOK, Answer{From: from, To: to, Trains: timed(trains)})\n"},
		{"timetable.go", "func answer(", `// timed are the trains with the time each takes. The timetable is shared by all requests, so they
// are copied.
func timed(trains []Train) []Train {
	out := make([]Train, len(trains))
	for i, t := range trains {
		departs, err := time.Parse("15:04", t.Departs)
		if err != nil {
			slog.Warn("departure unreadable", "train", t.Number, "error", err)
		}
		arrives, err := time.Parse("15:04", t.Arrives)
		if err != nil {
			slog.Warn("arrival unreadable", "train", t.Number, "error", err)
		}
		t.Takes = strings.TrimSuffix(arrives.Sub(departs).String(), "0s")
		out[i] = t
	}
	return out
}

func answer(`},
		{"timetable.go", "\t\"strings\"\n)", "\t\"strings\"\n\t\"time\"\n)"},
		{"timetable_test.go", "got.Trains[0].Number != \"G1\"", "got.Trains[0].Number != \"G1\" || got.Trains[0].Takes != \"4h29m\""},
		{"cases/timetable.yaml", "departs: \"07:00\"}", "departs: \"07:00\", takes: 4h29m}"},
	},
	Bad: {
		{"timetable.go", "\tTrains []Train `json:\"trains\"`\n}", "\tTrains []Train `json:\"trains\"`\n\t// Greeting is in the client's language.\n\tGreeting string `json:\"greeting\"`\n}"},
		{"timetable.go", "Trains: timed(trains)})\n", "Trains: timed(trains), Greeting: greeting})\n"},
		{"timetable.go", "\tfrom, to := strings", "\tgreeting := greet(r.Header.Get(\"Accept-Language\"))\n\tfrom, to := strings"},
		{"timetable.go", "// routes are", `// greetings are by language and region.
var greetings = map[string]map[string]string{
	"en": {"US": "Have a good trip!", "GB": "Have a pleasant journey!"},
	"zh": {"CN": "一路平安！", "TW": "一路順風！"},
}

// greet wishes a good journey in the language that a client prefers, written as in Accept-Language:
// languages with their weights, the preferred one first.
func greet(languages string) string {
	if languages == "" {
		return greetings["en"]["US"]
	}
	var preferred []string
	for _, l := range strings.Split(languages, ",") {
		language, weight, _ := strings.Cut(l, ";")
		if weight == "q=1" || weight == "q=1.0" {
			preferred = append(preferred, language)
		}
	}
	language, region, _ := strings.Cut(preferred[0], "-")
	return greetings[language][region]
}

// routes are`},
		{"timetable_test.go", "func TestNoTrainsAreNotFound", `func TestGreetingInTheLanguageOfTheClient(t *testing.T) {
	for languages, want := range map[string]string{"": "Have a good trip!", "zh-CN;q=1,en-US;q=0.5": "一路平安！", "en-GB;q=1.0": "Have a pleasant journey!"} {
		if got := greet(languages); got != want {
			t.Errorf("%q is greeted with %q, want %q", languages, got, want)
		}
	}
}

func TestNoTrainsAreNotFound`},
	},
}

// Variant makes a change of the tour, [Good] or [Bad], to the application in a folder. Bad builds
// on Good. It is an error when the application is not as the change needs it.
func Variant(dir, name string) error {
	edits, ok := changes[name]
	if !ok {
		return fmt.Errorf("change %q is unknown: there are %s and %s", name, Good, Bad)
	}
	files := map[string]string{}
	for _, e := range edits {
		text, read := files[e.file]
		if !read {
			data, err := os.ReadFile(filepath.Join(dir, e.file))
			if err != nil {
				return fmt.Errorf("make the %s change: %w", name, err)
			}
			text = string(data)
		}
		if strings.Count(text, e.before) != 1 {
			return fmt.Errorf("make the %s change: %s is not as it was written, or has the change already", name, e.file)
		}
		files[e.file] = strings.Replace(text, e.before, e.after, 1)
	}
	for file, text := range files {
		if err := os.WriteFile(filepath.Join(dir, file), []byte(text), 0o644); err != nil {
			return fmt.Errorf("make the %s change: %w", name, err)
		}
	}
	return nil
}
