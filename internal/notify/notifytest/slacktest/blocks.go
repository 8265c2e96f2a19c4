package slacktest

import (
	"encoding/json"
	"net/http"
	"unicode/utf16"
)

// The limits of Block Kit (docs.slack.dev/reference/block-kit).
const (
	mostMessageBlocks = 50
	mostViewBlocks    = 100
	mostText          = 3000
	mostHeader        = 150
	mostButton        = 75
	mostValue         = 2000
	mostURL           = 3000
	mostID            = 255
	mostViewTitle     = 24
	mostMetadata      = 3000
)

// Block is what people see of one: its text, and its buttons or inputs.
type Block struct {
	Type, ID, Text string
	Elements       []Element
	// Optional is of an input.
	Optional bool
}

// Element is a button or an input.
type Element struct {
	Type, ActionID, Text, Value, URL, Style string
}

// View is a form that was opened.
type View struct {
	ID, CallbackID, Title, Submit, Metadata string
	Blocks                                  []Block
}

type text struct {
	Type     string `json:"type"`
	Text     string `json:"text"`
	Verbatim bool   `json:"verbatim"`
}

type element struct {
	Type      string `json:"type"`
	ActionID  string `json:"action_id"`
	Text      text   `json:"text"`
	Value     string `json:"value"`
	URL       string `json:"url"`
	Style     string `json:"style"`
	MaxLength int    `json:"max_length"`
}

func (e element) shown() Element {
	return Element{Type: e.Type, ActionID: e.ActionID, Text: e.Text.Text, Value: e.Value, URL: e.URL, Style: e.Style}
}

// length is the larger of what Slack may count.
func length(s string) int { return len(utf16.Encode([]rune(s))) }

// parseBlocks reads blocks, or says why Slack takes them for none.
func parseBlocks(raw json.RawMessage, most int) (out []Block, why string) {
	if len(raw) == 0 {
		return nil, ""
	}
	var blocks []struct {
		Type     string    `json:"type"`
		ID       string    `json:"block_id"`
		Text     text      `json:"text"`
		Elements []element `json:"elements"`
		Label    text      `json:"label"`
		Element  *element  `json:"element"`
		Optional bool      `json:"optional"`
	}
	if err := json.Unmarshal(raw, &blocks); err != nil {
		return nil, "invalid_blocks_format"
	}
	if len(blocks) > most {
		return nil, "invalid_blocks"
	}
	ids := map[string]bool{}
	for _, b := range blocks {
		shown := Block{Type: b.Type, ID: b.ID, Text: b.Text.Text, Optional: b.Optional}
		good := length(b.ID) <= mostID && (b.ID == "" || !ids[b.ID])
		ids[b.ID] = true
		switch b.Type {
		case "header":
			good = good && b.Text.Type == "plain_text" && b.Text.Text != "" && length(b.Text.Text) <= mostHeader
		case "section":
			good = good && (b.Text.Type == "mrkdwn" || b.Text.Type == "plain_text") && b.Text.Text != "" && length(b.Text.Text) <= mostText
		case "actions":
			good = good && len(b.Elements) > 0 && len(b.Elements) <= 25
			actions := map[string]bool{}
			for _, e := range b.Elements {
				good = good && e.isButton() && !actions[e.ActionID]
				actions[e.ActionID] = true
				shown.Elements = append(shown.Elements, e.shown())
			}
		case "input":
			good = good && b.Label.Type == "plain_text" && b.Label.Text != "" && b.Element != nil && b.Element.Type == "plain_text_input" && b.Element.MaxLength <= 3000
			if b.Element != nil {
				shown.Text, shown.Elements = b.Label.Text, []Element{b.Element.shown()}
			}
		default:
			good = false
		}
		if !good {
			return nil, "invalid_blocks"
		}
		out = append(out, shown)
	}
	return out, ""
}

func (e element) isButton() bool {
	styled := e.Style == "" || e.Style == "primary" || e.Style == "danger"
	return e.Type == "button" && e.Text.Type == "plain_text" && e.Text.Text != "" && length(e.Text.Text) <= mostButton && styled &&
		length(e.Value) <= mostValue && length(e.URL) <= mostURL && length(e.ActionID) <= mostID
}

func (s *Server) openView(r *http.Request) answer {
	var asked struct {
		TriggerID string `json:"trigger_id"`
		View      struct {
			Type       string          `json:"type"`
			CallbackID string          `json:"callback_id"`
			Title      text            `json:"title"`
			Submit     text            `json:"submit"`
			Metadata   string          `json:"private_metadata"`
			Blocks     json.RawMessage `json:"blocks"`
		} `json:"view"`
	}
	if err := json.NewDecoder(r.Body).Decode(&asked); err != nil {
		return refused("invalid_json")
	}
	until, known := s.triggers[asked.TriggerID]
	delete(s.triggers, asked.TriggerID) // it serves one form
	v := asked.View
	blocks, why := parseBlocks(v.Blocks, mostViewBlocks)
	switch {
	case !known:
		return refused("invalid_trigger_id")
	case s.options.Now().After(until):
		return refused("expired_trigger_id")
	case why != "" || v.Type != "modal" || v.Title.Text == "" || length(v.Title.Text) > mostViewTitle || length(v.Submit.Text) > mostViewTitle || length(v.Metadata) > mostMetadata:
		return refused("invalid_arguments")
	}
	opened := View{ID: s.next("V"), CallbackID: v.CallbackID, Title: v.Title.Text, Submit: v.Submit.Text, Metadata: v.Metadata, Blocks: blocks}
	s.views = append(s.views, opened)
	return answer{"ok": true, "view": answer{"id": opened.ID, "type": "modal", "callback_id": opened.CallbackID}}
}
