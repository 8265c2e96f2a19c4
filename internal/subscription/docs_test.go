package subscription

import (
	"os"
	"os/exec"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/skyisland/skyisland/internal/events"
)

func page(t *testing.T) string {
	t.Helper()
	text, err := os.ReadFile("../../docs/events.md")
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func TestTheReferenceNamesEveryTypeAndNoOther(t *testing.T) {
	var told []string
	for _, found := range regexp.MustCompile("(?m)^\\| `(dev\\.[^`]+)` \\|").FindAllStringSubmatch(page(t), -1) {
		told = append(told, found[1])
	}
	if !slices.Equal(told, events.Types()) {
		t.Errorf("docs/events.md names %q, want %q", told, events.Types())
	}
}

func TestTheReferenceGivesThePlanAndTheNetworksThatAreRefused(t *testing.T) {
	text := strings.Join(strings.Fields(page(t)), " ")
	var waits []string
	for _, wait := range plan()[1:] {
		name := strings.NewReplacer("h0m0s", " h", "m0s", " min").Replace(wait.String())
		if !strings.Contains(name, " ") {
			name = strings.Replace(name, "s", " s", 1)
		}
		waits = append(waits, name)
	}
	last := len(waits) - 1
	if want := "at once, and then after " + strings.Join(waits[:last], ", ") + " and " + waits[last]; !strings.Contains(text, want) {
		t.Errorf("docs/events.md lacks %q", want)
	}
	for _, address := range []string{"169.254.169.254", "168.63.129.16", "100.100.100.200", "fd00:ec2::254", "fd20:ce::254"} {
		if !strings.Contains(text, address) {
			t.Errorf("docs/events.md lacks %s", address)
		}
	}
}

// The example in shell gives the signature of the vector of Standard Webhooks.
func TestTheExampleThatVerifiesByHandIsRight(t *testing.T) {
	for _, tool := range []string{"sh", "openssl", "xxd", "base64"} {
		if _, err := exec.LookPath(tool); err != nil {
			t.Skipf("there is no %s here", tool)
		}
	}
	example := regexp.MustCompile("(?s)```sh\n(key=.*?)```").FindStringSubmatch(page(t))
	if example == nil {
		t.Fatal("docs/events.md has no example")
	}
	cmd := exec.CommandContext(t.Context(), "sh", "-c", example[1])
	cmd.Env = append(os.Environ(), "secret="+vectorSecret, "id=msg_p5jXN8AQM9LWM0D4loKWxJek", "timestamp=1614265330", `body={"test": 2432232314}`)
	out, err := cmd.CombinedOutput()
	if err != nil || strings.TrimSpace(string(out)) != "g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=" {
		t.Errorf("it gives %s, %v", out, err)
	}
}
