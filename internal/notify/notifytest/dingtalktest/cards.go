package dingtalktest

import (
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"slices"
	"strings"
	"time"
)

// Card is a card as people see it.
type Card struct {
	Space string
	// Params are the variables that everybody sees, Private those that a person sees instead.
	Params  map[string]string
	Private map[string]map[string]string
	// Updates counts how often it was changed over the API.
	Updates int
}

func appendAll(to []byte, r *http.Request) ([]byte, error) {
	body, err := io.ReadAll(io.LimitReader(r.Body, 1<<20))
	return append(to, body...), err
}

func refuse(w http.ResponseWriter, status int, code string) {
	write(w, status, map[string]string{"code": code, "message": code, "requestid": "r1"})
}

func (s *Server) accessToken(w http.ResponseWriter, r *http.Request) {
	var asked struct{ AppKey, AppSecret string }
	if json.NewDecoder(r.Body).Decode(&asked) != nil || asked.AppKey != s.options.ClientID || asked.AppSecret != s.options.ClientSecret {
		refuse(w, http.StatusBadRequest, "invalidClientIdOrSecret")
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.issued++
	token := fmt.Sprintf("access-%d", s.issued)
	s.tokens[token] = s.options.Now().Add(2 * time.Hour)
	write(w, http.StatusOK, map[string]any{"accessToken": token, "expireIn": 7200})
}

// ForgetTokens makes all access tokens invalid.
func (s *Server) ForgetTokens() {
	s.mu.Lock()
	defer s.mu.Unlock()
	clear(s.tokens)
}

// Issued is how many access tokens were given out.
func (s *Server) Issued() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.issued
}

func (s *Server) allowed(w http.ResponseWriter, r *http.Request) bool {
	if until, ok := s.tokens[r.Header.Get("x-acs-dingtalk-access-token")]; ok && s.options.Now().Before(until) {
		return true
	}
	refuse(w, http.StatusUnauthorized, "InvalidAuthentication")
	return false
}

func (s *Server) createAndDeliver(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.allowed(w, r) {
		return
	}
	var asked struct {
		CardTemplateID, OutTrackID, CallbackType, OpenSpaceID string
		UserIDType                                            int
		CardData                                              struct {
			// Anything but strings is not decoded, and refused as DingTalk does.
			CardParamMap map[string]string
		}
		ImGroupOpenDeliverModel, ImRobotOpenDeliverModel *struct{ RobotCode string }
	}
	if err := json.NewDecoder(r.Body).Decode(&asked); err != nil {
		refuse(w, http.StatusBadRequest, "param.error")
		return
	}
	space, ok := strings.CutPrefix(asked.OpenSpaceID, "dtv1.card//")
	model := asked.ImGroupOpenDeliverModel
	if strings.HasPrefix(space, "IM_ROBOT.") {
		model = asked.ImRobotOpenDeliverModel
	}
	switch {
	case !ok || asked.OutTrackID == "" || asked.CallbackType != "STREAM" || asked.UserIDType != 1 || model == nil:
		refuse(w, http.StatusBadRequest, "param.error")
	case model.RobotCode != s.options.ClientID:
		refuse(w, http.StatusBadRequest, "param.robotCodeError")
	case asked.CardTemplateID != s.options.Template:
		refuse(w, http.StatusBadRequest, "param.cardTemplateNotExist")
	case s.cards[asked.OutTrackID] != nil:
		refuse(w, http.StatusBadRequest, "param.outTrackIdExist")
	case !slices.Contains(s.options.Spaces, space):
		s.delivered(w, false, "the robot is not in this conversation")
	default:
		s.cards[asked.OutTrackID] = &Card{Space: space, Params: asked.CardData.CardParamMap, Private: map[string]map[string]string{}}
		s.delivered(w, true, "")
	}
}

func (s *Server) delivered(w http.ResponseWriter, success bool, message string) {
	write(w, http.StatusOK, map[string]any{"success": true, "result": map[string]any{
		"deliverResults": []map[string]any{{"success": success, "errorMsg": message}},
	}})
}

func (s *Server) updateCard(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.allowed(w, r) {
		return
	}
	var asked struct {
		OutTrackID        string
		CardData          struct{ CardParamMap map[string]string }
		CardUpdateOptions struct{ UpdateCardDataByKey bool }
	}
	if err := json.NewDecoder(r.Body).Decode(&asked); err != nil {
		refuse(w, http.StatusBadRequest, "param.error")
		return
	}
	card := s.cards[asked.OutTrackID]
	if card == nil {
		refuse(w, http.StatusBadRequest, "param.cardNotExist")
		return
	}
	if !asked.CardUpdateOptions.UpdateCardDataByKey {
		clear(card.Params)
	}
	maps.Copy(card.Params, asked.CardData.CardParamMap)
	card.Updates++
	write(w, http.StatusOK, map[string]any{"success": true, "result": true})
}

// Cards are all cards by their outTrackId, as they are now.
func (s *Server) Cards() map[string]Card {
	s.mu.Lock()
	defer s.mu.Unlock()
	out := map[string]Card{}
	for track, card := range s.cards {
		copied := *card
		copied.Params, copied.Private = maps.Clone(card.Params), maps.Clone(card.Private)
		out[track] = copied
	}
	return out
}

// Callback is the data of a click on a card, as a template of ours makes it: its buttons hand over the action and
// the variable question.
func (s *Server) Callback(track, user, action string) string {
	params := map[string]string{"action": action}
	s.mu.Lock()
	if card := s.cards[track]; card != nil {
		params["question"] = card.Params["question"]
	}
	s.mu.Unlock()
	content, _ := json.Marshal(map[string]any{"cardPrivateData": map[string]any{"actionIds": []string{action}, "params": params}})
	data, _ := json.Marshal(map[string]any{
		"type": "actionCallback", "outTrackId": track, "corpId": "ding1", "userId": user, "userIdType": 1,
		"spaceType": "IM_GROUP", "extension": "{}", "content": string(content),
	})
	return string(data)
}

// apply changes a card as the acknowledgement of a click asks for.
func (s *Server) apply(track, user string, ack Ack) {
	var answer struct {
		Response struct {
			CardData, UserPrivateData struct{ CardParamMap map[string]string }
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	card := s.cards[track]
	if card == nil || json.Unmarshal([]byte(ack.Data), &answer) != nil {
		return
	}
	maps.Copy(card.Params, answer.Response.CardData.CardParamMap)
	card.Private[user] = answer.Response.UserPrivateData.CardParamMap
}
