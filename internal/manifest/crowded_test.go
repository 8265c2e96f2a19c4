package manifest

import (
	"fmt"
	"strings"
	"testing"
)

func TestEnvironmentsThatShareUnitsAreTold(t *testing.T) {
	for _, test := range []struct {
		staging, production string
		want                string
	}{
		{"", "", "production and staging are both in all units"},
		{"units: [a]", "", "production and staging are both in unit a"},
		{"", "units: [b]", "production and staging are both in unit b"},
		{"units: [a, b]", "units: [c, b]", "production and staging are both in unit b"},
		{"units: [a]", "units: [b]", ""},
	} {
		m, err := Read("skyisland.yaml", fmt.Appendf(nil, "apiVersion: skyisland/v1\ntenant: demo\napplication: hello\n"+
			"components: [{name: web, run: {command: [./web]}}]\nenvironments:\n  staging: {%s}\n  production: {after: staging, %s}\n", test.staging, test.production))
		if err != nil {
			t.Fatal(err)
		}
		if told := strings.Join(m.Crowded(), "\n"); !strings.HasPrefix(told, test.want) || test.want == "" && told != "" {
			t.Errorf("with %q and %q it tells %q, want %q", test.staging, test.production, told, test.want)
		}
	}
}
