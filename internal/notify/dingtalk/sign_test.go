package dingtalk

import (
	"net/url"
	"strings"
	"testing"
	"time"
)

func TestSign(t *testing.T) {
	timestamp, signature := sign("SECabc123", time.UnixMilli(1700000000000))
	if timestamp != "1700000000000" || signature != "N5P09a4+p1AMJIJWnIvQd2Yxw9+fu/oEBnPrjCcsLXk=" {
		t.Errorf("sign = %s, %s", timestamp, signature)
	}
	if got := (url.Values{"sign": {signature}}).Encode(); got != "sign=N5P09a4%2Bp1AMJIJWnIvQd2Yxw9%2Bfu%2FoEBnPrjCcsLXk%3D" {
		t.Errorf("in the address it is %s", got)
	}
	if got := signatureOf("my-app-secret", "1700000000000"); got != "4KOM4x+Um0j8DUZz6qxuABugzDeEvECL+YTGiJKHu+E=" {
		t.Errorf("of an outgoing message it is %s", got)
	}
}

func FuzzParseClick(f *testing.F) {
	f.Add([]byte(`{"type":"actionCallback","outTrackId":"o","userId":"u","userIdType":1,"content":"{\"cardPrivateData\":{\"actionIds\":[\"approve\"],\"params\":{\"action\":\"approve\",\"release\":\"r-1\"}}}"}`))
	f.Add([]byte(`{"content":"{"}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		said, err := parseClick(data)
		if err != nil {
			return
		}
		if said.track == "" || said.user == "" || said.action != "approve" && said.action != "reject" {
			t.Errorf("parseClick(%q) = %+v without an error", data, said)
		}
		if q, err := parseQuestion(said.question); err == nil && strings.Count(q.String(), " ") != 3 {
			t.Errorf("question %q", q)
		}
	})
}
