package slack_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/skyisland/skyisland/internal/notify"
	"github.com/skyisland/skyisland/internal/notify/notifytest/slacktest"
)

// both runs a test for both ways in which Slack tells us what people do.
func both(t *testing.T, test func(s setup, by way)) {
	t.Helper()
	t.Run("by Socket Mode", func(t *testing.T) {
		s := start(t)
		s.listen()
		test(s, bySocket)
	})
	t.Run("over HTTP", func(t *testing.T) { test(start(t), byHTTP) })
}

// answer is a person going all the way: the button, the form, and sending it off.
func (s setup) answer(by way, user string, m slacktest.Message, action, comment string) {
	s.Helper()
	if seen := by(s, s.server.Click(user, m, action)); seen != "" {
		s.Errorf("a click is answered by %s", seen)
	}
	if seen := by(s, s.server.Submit(user, s.lastView(), comment)); seen != "" {
		s.Errorf("the form is answered by %s", seen)
	}
}

func TestAnApprovalThroughTheForm(t *testing.T) {
	both(t, func(s setup, by way) {
		s.send("C1", notify.Thread{}, s.asking(theAsk()))
		s.answer(by, "U1", s.message(0), approve, "looks good & safe")
		view := s.lastView()
		if view.Title != "Approve" || view.Submit != "Approve" || !strings.Contains(view.Blocks[0].Text, "fliggy/rail-tour/production/3") || !view.Blocks[1].Optional {
			s.Errorf("the form is %+v, want one for an approval that asks for no more than it needs", view)
		}
		words := s.desk.heard()
		if len(words) != 1 {
			s.Fatalf("%d words, want 1", len(words))
		}
		w := words[0]
		if w.Source != "slack" || w.User != "U1" || w.Called != "name-of-U1" || w.What != "approve" || w.About != id.String() || w.PlanHash != planA || w.Ask != 1 ||
			w.Comment != "looks good & safe" || !w.At.Equal(s.clock.now()) || !strings.HasPrefix(w.ID, "slack:") {
			s.Errorf("the word is %+v", w)
		}
		if told := s.told(); told != (slacktest.Private{By: "response_url", User: "U1", Text: "thank you, that counts"}) {
			s.Errorf("U1 was told %+v", told)
		}
		m := s.message(0)
		if shown := texts(m); !strings.Contains(shown, "*Approved by* U1: looks good &amp; safe") || m.Blocks[0].Text != "🟠 rail-tour 3 asks for approval" {
			s.Errorf("everybody sees:\n%s", shown)
		}
		if got := actions(m); !slices.Equal(got, []string{approve, reject, "skyisland.answer", "skyisland.more"}) {
			s.Errorf("after the first of two approvals there are the buttons %v", got)
		}
		s.answer(by, "U2", m, approve, "")
		if got := actions(s.message(0)); !slices.Equal(got, []string{"skyisland.more"}) {
			s.Errorf("after the last there are the buttons %v", got)
		}
	})
}

func TestARejectionNeedsAReason(t *testing.T) {
	both(t, func(s setup, by way) {
		s.send("C1", notify.Thread{}, s.asking(theAsk()))
		by(s, s.server.Click("U1", s.message(0), reject))
		view := s.lastView()
		if view.Title != "Reject" || view.Blocks[1].Optional {
			s.Errorf("the form is %+v, want one that asks why", view)
		}
		seen := by(s, s.server.Submit("U1", view, "  "))
		if !strings.Contains(seen, `"response_action":"errors"`) || !strings.Contains(seen, "Say why") || len(s.desk.heard()) != 0 {
			s.Errorf("without a reason the form is answered by %s, with %d words", seen, len(s.desk.heard()))
		}
		if seen := by(s, s.server.Submit("U1", view, "too risky")); seen != "" {
			s.Errorf("with a reason the form is answered by %s", seen)
		}
		if words := s.desk.heard(); len(words) != 1 || words[0].What != "reject" || words[0].Comment != "too risky" {
			s.Errorf("words %+v", words)
		}
	})
}

func TestWhatComesTwiceIsOneWord(t *testing.T) {
	t.Run("an envelope that is delivered again, also to another replica", func(t *testing.T) {
		s := start(t)
		s.listen()
		s.send("C1", notify.Thread{}, s.asking(theAsk()))
		bySocket(s, s.server.Click("U1", s.message(0), approve))
		submitted := s.server.Submit("U1", s.lastView(), "yes")
		envelope := s.server.Envelope()
		for range 3 {
			if _, err := s.server.Push(deadline(t), envelope, submitted); err != nil {
				t.Fatal(err)
			}
			s.channel.Wait()
		}
		if told := len(s.server.Private()); told != 1 {
			t.Errorf("U1 was told %d times, want once", told)
		}
		s.channel = s.another()
		s.listen()
		bySocket(s, submitted)
		if got := len(s.desk.heard()); got != 1 {
			t.Errorf("%d words, want 1", got)
		}
	})
	t.Run("a click that is delivered again opens one form", func(t *testing.T) {
		s := start(t)
		s.listen()
		s.send("C1", notify.Thread{}, s.asking(theAsk()))
		click, envelope := s.server.Click("U1", s.message(0), approve), s.server.Envelope()
		for range 2 {
			if _, err := s.server.Push(deadline(t), envelope, click); err != nil {
				t.Fatal(err)
			}
		}
		s.channel.Wait()
		if calls, views := s.server.Calls("views.open"), len(s.server.Views()); calls != 1 || views != 1 {
			t.Errorf("%d calls and %d forms, want 1 and 1", calls, views)
		}
	})
	t.Run("a double click, and both forms sent off", func(t *testing.T) {
		both(t, func(s setup, by way) {
			s.send("C1", notify.Thread{}, s.asking(theAsk()))
			m := s.message(0)
			by(s, s.server.Click("U1", m, approve))
			by(s, s.server.Click("U1", m, approve))
			views := s.server.Views()
			for _, v := range views {
				by(s, s.server.Submit("U1", v, "yes"))
				by(s, s.server.Submit("U1", v, "yes"))
			}
			if words := s.desk.heard(); len(views) != 2 || len(words) != 1 {
				s.Errorf("%d forms and %d words, want 2 and 1", len(views), len(words))
			}
			s.answer(by, "U2", s.message(0), approve, "")
			if words := s.desk.heard(); len(words) != 2 || words[0].ID == words[1].ID {
				s.Errorf("words %+v, want one of each person", words)
			}
		})
	})
	t.Run("a request that is sent again as it was", func(t *testing.T) {
		s := start(t)
		command := s.server.Command("U1", "pause "+id.String()+" lunch")
		for range 3 {
			if status, body := s.post(s.server.Request(t.Context(), s.http.URL, command)); status != 200 {
				t.Errorf("status %d: %s", status, body)
			}
			s.channel.Wait()
		}
		if words, told := len(s.desk.heard()), len(s.server.Private()); words != 1 || told != 1 {
			t.Errorf("%d words and %d answers, want 1 and 1", words, told)
		}
	})
}

func TestALateClickIsAnswered(t *testing.T) {
	both(t, func(s setup, by way) {
		s.send("C1", notify.Thread{}, s.asking(theAsk()))
		stale := s.message(0)
		s.desk.set(func() { s.desk.ask.Closed = "expired" })
		s.answer(by, "U1", stale, approve, "")
		if told := s.told(); told.Text != "⛔ too late: expired" || len(s.desk.heard()) != 0 {
			s.Errorf("U1 was told %+v, with %d words", told, len(s.desk.heard()))
		}
		if m := s.message(0); slices.Contains(actions(m), approve) || !strings.Contains(texts(m), "*expired*") {
			s.Errorf("everybody sees the buttons %v and:\n%s", actions(m), texts(m))
		}
	})
}

func TestAQuestionThatWasReplacedIsNotAnswered(t *testing.T) {
	both(t, func(s setup, by way) {
		s.send("C1", notify.Thread{}, s.asking(theAsk()))
		s.desk.set(func() { s.desk.ask.Number, s.desk.ask.PlanHash = 2, planB })
		s.answer(by, "U1", s.message(0), approve, "")
		m := s.message(0)
		if !strings.Contains(texts(m), "replaced by a newer one") || slices.Contains(actions(m), approve) || s.told().Text != "⛔ this plan has been superseded" {
			s.Errorf("everybody sees the buttons %v and:\n%s", actions(m), texts(m))
		}
	})
}

func TestAForgedClickDecidesNothingBeyondWhatTheDeskAccepts(t *testing.T) {
	for name, test := range map[string]struct {
		value string
		forms int
	}{
		"another plan":                {value: id.String() + " 1 " + planB, forms: 1},
		"a plan that is none":         {value: id.String() + " 1 zz"},
		"a beginning of the plan":     {value: id.String() + " 1 " + planA[:12]},
		"a release that is none":      {value: "../../x 1 " + planA},
		"a question that has no name": {value: id.String() + " -1 " + planA},
		"nothing":                     {value: ""},
		"more than a button holds":    {value: strings.Repeat("a", 3000) + " 1 " + planA},
	} {
		t.Run(name, func(t *testing.T) {
			both(t, func(s setup, by way) {
				s.send("C1", notify.Thread{}, s.asking(theAsk()))
				m := s.message(0)
				for i, b := range m.Blocks {
					for j, e := range b.Elements {
						if e.ActionID == approve {
							m.Blocks[i].Elements[j].Value = test.value
						}
					}
				}
				by(s, s.server.Click("U1", m, approve))
				views := s.server.Views()
				if len(views) != test.forms {
					s.Fatalf("%d forms, want %d", len(views), test.forms)
				}
				for _, v := range views {
					by(s, s.server.Submit("U1", v, "yes"))
				}
				if words := s.desk.heard(); len(words) != 0 {
					s.Errorf("words %+v, want none", words)
				}
				if told := s.told().Text; !strings.Contains(told, "nothing was counted") && !strings.HasPrefix(told, "⛔") {
					s.Errorf("U1 was told %q", told)
				}
			})
		})
	}
}

func TestAnEditedMessageDecidesNothing(t *testing.T) {
	both(t, func(s setup, by way) {
		s.send("C1", notify.Thread{}, s.asking(theAsk()))
		click := s.server.Click("U1", s.message(0), approve)
		click.Data["message"] = map[string]any{
			"text": "approve release x", "edited": map[string]any{"user": "U9"},
			"blocks": []any{
				map[string]any{"type": "header", "block_id": "skyisland.title", "text": map[string]any{"text": "another release"}},
				map[string]any{"type": "actions", "block_id": "skyisland.buttons", "elements": []any{
					map[string]any{"action_id": approve, "value": "other/app/production/9 1 " + planB},
					map[string]any{"action_id": "skyisland.more", "url": "javascript:alert(1)"},
				}},
				map[string]any{"type": "markdown", "text": 7, "elements": "none"},
			},
		}
		by(s, click)
		by(s, s.server.Submit("U1", s.lastView(), "yes"))
		if words := s.desk.heard(); len(words) != 1 || words[0].About != id.String() || words[0].PlanHash != planA {
			s.Errorf("words %+v, want one about what the button says", words)
		}
		if got := actions(s.message(0)); slices.Contains(got, "skyisland.more") {
			s.Errorf("the buttons are %v, with an address that is none", got)
		}
	})
}

func TestAForgedFormIsRefused(t *testing.T) {
	for name, metadata := range map[string]string{
		"nothing":             "",
		"no JSON":             "{",
		"no question":         `{"do":"approve","q":"x"}`,
		"another instruction": `{"do":"rollback","q":"fliggy/rail-tour/production/3 1 ` + planA + `"}`,
	} {
		t.Run(name, func(t *testing.T) {
			s := start(t)
			view := slacktest.View{ID: "V1", CallbackID: "skyisland.answer", Metadata: metadata}
			if status, _ := s.post(s.server.Request(t.Context(), s.http.URL, s.server.Submit("U1", view, "yes"))); status != 400 {
				t.Errorf("status %d, want 400", status)
			}
			s.listen()
			bySocket(s, s.server.Submit("U1", view, "yes")) // acknowledged, or it would come for ever
			if s.desk.told != 0 {
				t.Errorf("the desk was told %d times", s.desk.told)
			}
		})
	}
}

func TestAnAnswerGoesOnlyToSlack(t *testing.T) {
	for name, address := range map[string]string{
		"another host":         "https://evil.example/commands/1",
		"a host that looks so": "https://hooks.slack.com.evil.example/x",
		"without encryption":   "http://hooks.slack.com/x",
		"with a user":          "https://a:b@hooks.slack.com/x",
		"another port":         "https://hooks.slack.com:8443/x",
		"nothing":              "",
		"no address":           "://",
	} {
		t.Run(name, func(t *testing.T) {
			s := start(t)
			command := s.server.Command("U1", "status "+id.String())
			command.Data["response_url"] = address
			byHTTP(s, command)
			if told := s.told(); told.By != "chat.postEphemeral" || told.User != "U1" {
				t.Errorf("U1 was told %+v, want it by chat.postEphemeral", told)
			}
		})
	}
}

func TestAnAnswerThatComesAfterHalfAnHour(t *testing.T) {
	both(t, func(s setup, by way) {
		s.send("C1", notify.Thread{}, s.asking(theAsk()))
		by(s, s.server.Click("U1", s.message(0), approve))
		s.clock.pass(time.Hour)
		by(s, s.server.Submit("U1", s.lastView(), "yes"))
		if told := s.told(); told.By != "chat.postEphemeral" || told.Text != "thank you, that counts" || len(s.desk.heard()) != 1 {
			s.Errorf("U1 was told %+v, with %d words", told, len(s.desk.heard()))
		}
	})
}

func TestAFormThatCannotBeOpenedIsSaidSo(t *testing.T) {
	both(t, func(s setup, by way) {
		s.send("C1", notify.Thread{}, s.asking(theAsk()))
		click := s.server.Click("U1", s.message(0), approve)
		s.clock.pass(4 * time.Second)
		by(s, click)
		if told := s.told(); !strings.Contains(told.Text, "press again") || len(s.server.Views()) != 0 {
			s.Errorf("U1 was told %+v", told)
		}
	})
}

func TestTheDeskIsAskedAgain(t *testing.T) {
	s := start(t)
	s.desk.fails = []error{errors.New("database is locked")}
	byHTTP(s, s.server.Command("U1", "pause "+id.String()))
	if told := s.told().Text; told != "thank you, that counts" || s.desk.told != 2 {
		t.Errorf("U1 was told %q after %d times, want it to count the second time", told, s.desk.told)
	}
	s.desk.fails = []error{errors.New("a"), errors.New("b"), errors.New("c")}
	byHTTP(s, s.server.Command("U1", "pause "+id.String()))
	if told := s.told().Text; !strings.Contains(told, "It is not known whether that was done") {
		t.Errorf("U1 was told %q", told)
	}
}

func TestCommands(t *testing.T) {
	for name, test := range map[string]struct {
		text string
		now  string // in what is answered at once
		told string
		word notify.Word
	}{
		"help":                        {text: " help", now: `Write /skyisland and one of these:\nstatus RELEASE`},
		"nothing":                     {text: "", now: "status RELEASE"},
		"what is no command":          {text: "deploy <it>", now: `\"deploy\" is no command`},
		"a release that is none":      {text: "pause x&y", now: `\u0026amp;y\" is not a release`},
		"an approval without a plan":  {text: "approve " + id.String(), now: "which plan?"},
		"status":                      {text: "STATUS " + id.String(), told: "ramping at 5% &amp; &lt;well&gt;"},
		"an approval":                 {text: "approve " + id.String() + " a1a1a1a1 fine &lt;3 &amp; so", told: "thank you, that counts", word: notify.Word{What: "approve", About: id.String(), PlanHash: "a1a1a1a1", Comment: "fine <3 & so"}},
		"an approval of another plan": {text: "approve " + id.String() + " b2b2b2b2", told: "⛔ this plan has been superseded"},
		"a freeze":                    {text: "freeze all 2h storm", told: "thank you, that counts", word: notify.Word{What: "freeze", About: "all", For: 2 * time.Hour, Comment: "storm"}},
	} {
		t.Run(name, func(t *testing.T) {
			both(t, func(s setup, by way) {
				seen := by(s, s.server.Command("U1", test.text))
				if test.now == "" && seen != "" || !strings.Contains(seen, test.now) || test.now != "" && !strings.Contains(seen, `"response_type":"ephemeral"`) {
					s.Errorf("answered at once by %s, want %q for U1 alone", seen, test.now)
				}
				if test.told != "" && s.told() != (slacktest.Private{By: "response_url", User: "U1", Text: test.told}) {
					s.Errorf("U1 was told %+v, want %q", s.told(), test.told)
				}
				words := s.desk.heard()
				if test.word.What == "" {
					if len(words) != 0 {
						s.Errorf("words %+v, want none", words)
					}
					return
				}
				if len(words) != 1 {
					s.Fatalf("%d words, want 1", len(words))
				}
				got := words[0]
				if got.Source != "slack" || got.User != "U1" || got.Called != "name-of-U1" || !strings.HasPrefix(got.ID, "slack:") {
					s.Errorf("the word is %+v", got)
				}
				got.ID, got.Source, got.User, got.Called, got.At = "", "", "", "", time.Time{}
				if got != test.word {
					s.Errorf("the word is %+v, want %+v", got, test.word)
				}
			})
		})
	}
}

func TestTheSameCommandWrittenTwiceIsTwoWords(t *testing.T) {
	s := start(t)
	for range 2 {
		byHTTP(s, s.server.Command("U1", "pause "+id.String()))
	}
	if words := s.desk.heard(); len(words) != 2 {
		t.Errorf("%d words, want 2", len(words))
	}
}

func TestTooMuchAtOnceIsRefusedAndTakenLater(t *testing.T) {
	s := start(t)
	s.listen()
	held := make(chan struct{})
	s.desk.set(func() { s.desk.held, s.desk.ask.Wants[0].Count = held, 100 })
	for i := range 32 {
		if status, body := s.post(s.server.Request(t.Context(), s.http.URL, s.server.Command("U1", fmt.Sprintf("pause %s %d", id, i)))); status != 200 || body != "" {
			t.Fatalf("command %d: status %d, %s", i, status, body)
		}
	}
	s.send("C1", notify.Thread{}, s.asking(theAsk()))
	command, click := s.server.Command("U1", "pause "+id.String()), s.server.Click("U1", s.message(0), approve)
	if _, body := s.post(s.server.Request(t.Context(), s.http.URL, command)); !strings.Contains(body, "Too much is going on") {
		t.Errorf("one command too many is answered by %s", body)
	}
	if status, _ := s.post(s.server.Request(t.Context(), s.http.URL, click)); status != 503 {
		t.Errorf("one click too many: status %d, want 503", status)
	}
	close(held)
	s.channel.Wait()
	bySocket(s, command) // what was refused has not been seen
	bySocket(s, click)
	if words, views := len(s.desk.heard()), len(s.server.Views()); words != 33 || views != 1 {
		t.Errorf("%d words and %d forms, want 33 and 1", words, views)
	}
}

func TestOtherInteractionsAreLeftAlone(t *testing.T) {
	both(t, func(s setup, by way) {
		s.send("C1", notify.Thread{}, s.asking(theAsk()))
		by(s, s.server.Click("U1", s.message(0), "skyisland.more"))
		for _, kind := range []string{"view_closed", "shortcut", "message_action"} {
			by(s, slacktest.Payload{Kind: "interactive", Data: map[string]any{"type": kind}})
		}
		by(s, s.server.Submit("U1", slacktest.View{ID: "V9", CallbackID: "somebody-else"}, "x"))
		if len(s.server.Private()) != 0 || s.desk.told != 0 || len(s.server.Views()) != 0 {
			s.Error("what is not ours was followed")
		}
	})
}

func TestAFormOfAMessageWithLongAddressesOpens(t *testing.T) {
	both(t, func(s setup, by way) {
		n := s.asking(theAsk())
		n.Link, n.Answer, n.Title = "https://sky.example/"+strings.Repeat("a", 2900), "https://sky.example/"+strings.Repeat("b", 2900), strings.Repeat("🚂", 100)
		s.send("C1", notify.Thread{}, n)
		s.answer(by, "U1", s.message(0), approve, strings.Repeat("🚂", 3000))
		words := s.desk.heard()
		if len(words) != 1 || len([]rune(words[0].Comment)) > 1000 || s.told().By != "response_url" {
			s.Errorf("words %+v, and U1 was told %+v", words, s.told())
		}
	})
}
