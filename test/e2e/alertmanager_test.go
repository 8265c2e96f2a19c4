package e2e

import (
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/skyisland/skyisland/internal/release"
	"github.com/skyisland/skyisland/test/island"
)

const alarmToken = "a-token-of-the-tests"

const prometheusConfig = `
global: {scrape_interval: 1s, evaluation_interval: 1s}
rule_files: [rules.yaml]
alerting:
  alertmanagers: [{static_configs: [{targets: [%q]}]}]
scrape_configs:
  - job_name: gateway
    authorization: {credentials_file: %q}
    static_configs: [{targets: [%q]}]
`

// prometheusRule fires for a candidate that has had some requests. That it serves them well is what makes sure that nothing
// but the alarm stops it.
const prometheusRule = `
groups:
  - name: candidates
    rules:
      - alert: CandidateServes
        expr: sum by (route, revision) (skyisland_gateway_requests_total{route=%q, revision!=%q}) > 20
        annotations: {summary: "{{ $labels.revision }} has served {{ $value }} requests"}
`

const alertmanagerConfig = `
route: {receiver: skyisland, group_by: [route, revision], group_wait: 0s, group_interval: 1s, repeat_interval: 1m}
receivers:
  - name: skyisland
    webhook_configs:
      - url: %q
        send_resolved: true
        http_config: {authorization: {credentials: %q}}
`

// TestARealAlertmanagerStopsTheReleaseThatItsRuleNames lets Prometheus read the gateway's own metrics, and Alertmanager tell
// of what its rule finds. Two releases ramp; the rule names the candidate of one. It runs before the tests that run beside
// each other: two more programs would take their processors.
func TestARealAlertmanagerStopsTheReleaseThatItsRuleNames(t *testing.T) {
	for _, name := range []string{"prometheus", "prometheus-alertmanager"} {
		if _, err := exec.LookPath(name); err != nil {
			t.Skipf("%s is not installed here: apt-get install prometheus prometheus-alertmanager", name)
		}
	}
	data := t.TempDir()
	write(t, filepath.Join(data, "config.yaml"), "alertmanager: {token: "+alarmToken+"}\n")
	i := island.Start(t, island.Options{Data: data, Units: []string{unitA}})
	repo, _ := live(t, i, "alarmed", in(island.Version("v1")))
	other, _ := live(t, i, "spared", in(island.Version("v1")))
	spared := other.Release(in(ramped(island.Version("v2"), holding)))
	spared.WaitWeight(half)
	stable := repo.At(1).Status().Moves[0].Candidate.ID
	alertmanager := startAlertmanager(t, i.Base+"/webhooks/alertmanager")
	startPrometheus(t, alertmanager, filepath.Join(data, "gateway-token"), strings.TrimPrefix(i.Units[0].Control, "http://"),
		fmt.Sprintf(prometheusRule, release.RouteKey(repo.Lane, "web"), stable))

	stopped := repo.Release(in(ramped(island.Version("v2"), holding)))
	caused(t, stopped.WaitEnd(release.RolledBack), release.CauseAlarm, "CandidateServes", "alertmanager")
	island.Serves(t, repo.Entry("", "web"), "v1")
	if status := spared.Status(); status.Phase != release.Ramping {
		t.Errorf("the release that no alarm names is %s", status.Phase)
	}
	repo.Idle()
	// The alarm goes on for a while, about a candidate that is gone: the next release is none of its business.
	next := repo.Release(in(ramped(island.Version("v3"), "{steps: [50%], bake: 1s, probe: 0s, patience: 2h}")))
	if status := next.Wait("a weight", func(s release.Status) bool { return s.Weight > release.NoWeight || s.Phase.Ended() }); status.Phase.Ended() {
		t.Errorf("the next release ended:\n%s", island.Tell(status))
	}
}

func write(t *testing.T, name, text string) {
	t.Helper()
	if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// startAlertmanager starts one that tells url, and returns its host:port.
func startAlertmanager(t *testing.T, url string) string {
	t.Helper()
	dir, address := t.TempDir(), island.FreeAddress(t)
	write(t, filepath.Join(dir, "alertmanager.yaml"), fmt.Sprintf(alertmanagerConfig, url, alarmToken))
	start(t, dir, "prometheus-alertmanager", "--config.file="+filepath.Join(dir, "alertmanager.yaml"), "--storage.path="+dir,
		"--web.listen-address="+address, "--cluster.listen-address=")
	ready(t, "http://"+address+"/-/ready")
	return address
}

func startPrometheus(t *testing.T, alertmanager, tokenFile, target, rules string) {
	t.Helper()
	dir, address := t.TempDir(), island.FreeAddress(t)
	write(t, filepath.Join(dir, "prometheus.yaml"), fmt.Sprintf(prometheusConfig, alertmanager, tokenFile, target))
	write(t, filepath.Join(dir, "rules.yaml"), rules)
	start(t, dir, "prometheus", "--config.file="+filepath.Join(dir, "prometheus.yaml"), "--storage.tsdb.path="+filepath.Join(dir, "data"),
		"--web.listen-address="+address)
	ready(t, "http://"+address+"/-/ready")
}

// start runs a program until the test is over. When the test failed, what it said is shown.
func start(t *testing.T, dir, name string, args ...string) {
	t.Helper()
	output, err := os.Create(filepath.Join(dir, "output.log"))
	if err != nil {
		t.Fatal(err)
	}
	command := exec.Command(name, args...)
	command.Dir, command.Stdout, command.Stderr = dir, output, output
	if err := command.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = command.Process.Kill()
		_ = command.Wait() // it was killed, which is its error
		_ = output.Close()
		if said, err := os.ReadFile(output.Name()); err == nil && t.Failed() {
			t.Logf("%s said:\n%s", name, said)
		}
	})
}

func ready(t *testing.T, url string) {
	t.Helper()
	island.Eventually(t, url, func() error {
		resp, err := http.Get(url)
		if err != nil {
			return err
		}
		defer resp.Body.Close()
		if resp.StatusCode != http.StatusOK {
			return errors.New(resp.Status)
		}
		return nil
	})
}
