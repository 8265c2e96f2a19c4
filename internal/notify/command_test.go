package notify_test

import (
	"errors"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/skyisland/skyisland/internal/notify"
)

func TestParseCommand(t *testing.T) {
	for _, tt := range []struct {
		name, text string
		want       notify.Word
	}{
		{"status of a release", "status demo/hello/production/3", notify.Word{What: "status", About: "demo/hello/production/3"}},
		{"status of the newest of a lane", "  STATUS\tdemo/hello/production ", notify.Word{What: "status", About: "demo/hello/production"}},
		{"an approval with the beginning of the hash", "approve demo/hello/production/3 0123abcd", notify.Word{What: "approve", About: "demo/hello/production/3", PlanHash: "0123abcd"}},
		{"a rejection with its reason", "reject demo/hello/production/3 sha256:0123ABCDEF not on a Friday", notify.Word{What: "reject", About: "demo/hello/production/3", PlanHash: "0123abcdef", Comment: "not on a Friday"}},
		{"an abort with its reason", "abort demo/hello/production/3 wrong branch", notify.Word{What: "abort", About: "demo/hello/production/3", Comment: "wrong branch"}},
		{"a rollback", "rollback demo/hello/production", notify.Word{What: "rollback", About: "demo/hello/production"}},
		{"a freeze of everything", "freeze all", notify.Word{What: "freeze", About: "all"}},
		{"a freeze that ends by itself", "freeze demo/hello 90m a sale", notify.Word{What: "freeze", About: "demo/hello", For: 90 * time.Minute, Comment: "a sale"}},
		{"a freeze until it is lifted", "freeze demo because of a sale", notify.Word{What: "freeze", About: "demo", Comment: "because of a sale"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got, err := notify.ParseCommand(tt.text)
			if err != nil || !reflect.DeepEqual(got, tt.want) {
				t.Errorf("ParseCommand(%q) = %+v, %v, want %+v", tt.text, got, err, tt.want)
			}
		})
	}
}

func TestCommandsThatAreNotUnderstood(t *testing.T) {
	for _, tt := range []struct{ name, text, want string }{
		{"an unknown command", "deploy demo/hello/production/3", "is no command"},
		{"an approval without a release", "approve", "approve which release?"},
		{"an approval without a plan", "approve demo/hello/production/3", "approve which plan?"},
		{"a plan that is too short", "approve demo/hello/production/3 0123abc", "at least the first 8 digits"},
		{"a reason where the plan belongs", "approve demo/hello/production/3 looks good", "is not a plan"},
		{"a release that is none", "pause hello", "is not a release"},
		{"something after a status", "status demo/hello/production/3 please", "is too much"},
		{"a freeze of nothing", "freeze", "freeze what?"},
		{"a freeze of a release", "freeze demo/hello/production/3", "cannot be frozen"},
		{"a freeze with a negative length", "freeze demo -2h", "is not how long"},
		{"a freeze for ever and a day", "freeze demo 9000h", "at most 31 days"},
		{"far too much", strings.Repeat("a", 5000), "at most 4096 bytes"},
		{"what is no text", "status \xff", "is text"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got, err := notify.ParseCommand(tt.text); err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("ParseCommand(%.60q) = %+v, %v, want an error with %q", tt.text, got, err, tt.want)
			}
		})
	}
	for _, text := range []string{"", "  ", "help", "Help me"} {
		if _, err := notify.ParseCommand(text); !errors.Is(err, notify.ErrHelp) {
			t.Errorf("ParseCommand(%q) = %v, want ErrHelp", text, err)
		}
	}
}

func FuzzParseCommand(f *testing.F) {
	f.Add("approve demo/hello/production/3 0123abcd why")
	f.Add("freeze all 2h")
	f.Add("freeze a \x00")
	f.Fuzz(func(t *testing.T, text string) {
		word, err := notify.ParseCommand(text)
		if err == nil && (word.What == "" || word.About == "" || len([]rune(word.Comment)) > 1000) {
			t.Errorf("ParseCommand(%q) = %+v without an error", text, word)
		}
	})
}
