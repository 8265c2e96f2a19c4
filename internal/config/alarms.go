package config

// Alarm is an alarm on what the gateways count.
type Alarm struct {
	Name string `yaml:"name"`
	// Metric is error-share, error-rate, request-rate, latency-p50, latency-p90, latency-p99 or in-flight.
	Metric string `yaml:"metric"`
	// Of is all, canary or stable; empty is all.
	Of string `yaml:"of"`
	// Above and Below are the bound, of which one is set: a share such as 5%, a rate such as 10/s, a latency such as
	// 500ms, or a number.
	Above string `yaml:"above"`
	Below string `yaml:"below"`
	// For is how long, 10s to 1h.
	For          string   `yaml:"for"`
	Requests     int      `yaml:"requests"`
	Tenants      []string `yaml:"tenants"`
	Applications []string `yaml:"applications"`
	Environments []string `yaml:"environments"`
	Components   []string `yaml:"components"`
	// Stop stops the release under way there.
	Stop     bool   `yaml:"stop"`
	Template string `yaml:"template"`
}
