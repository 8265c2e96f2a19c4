package manifest

import "slices"

// Field is one line of the reference: everything there is to know about a field of the manifest.
type Field struct {
	// Path is where the field is; [] stands for every item of a list, * for every key.
	Path string
	// Default is what it is when left out, as it would be written. Empty is nothing, or no text.
	Default string
	// Required fields have no default and have to be there, once what they belong to is there.
	Required bool
	// Values are all it may be, Min and Max its range, both included and as they would be written.
	Values   []string
	Min, Max string
	// Example is a value that is right, and Meaning what the field is for.
	Example string
	Meaning string
}

// Reference is every field of the manifest, in the order it is documented.
func Reference() []Field {
	return slices.Concat(applicationFields(), componentFields(), gatewayFields(), environmentFields())
}

func applicationFields() []Field {
	return []Field{
		{Path: "apiVersion", Required: true, Values: []string{APIVersion}, Example: APIVersion,
			Meaning: "The version of this format."},
		{Path: "tenant", Default: "default", Example: "fliggy",
			Meaning: "Who owns the application: a name of 1 to 63 lower-case letters, digits and inner hyphens, as all names here."},
		{Path: "application", Required: true, Example: "rail-tour",
			Meaning: "The name of what is released as one."},
		{Path: "scenario", Example: "shopping-guide",
			Meaning: "The business scenario the application belongs to; a label to search by."},
		{Path: "group", Example: "ticketing",
			Meaning: "The function group the application belongs to; a label to search by."},
	}
}

func componentFields() []Field {
	return []Field{
		{Path: "components", Required: true, Meaning: "The functions and services of the application, 1 to 32 of them. They go forward together or back together."},
		{Path: "components[].name", Required: true, Example: "timetable", Meaning: "The component's name, once per application."},
		{Path: "components[].path", Default: ".", Example: "functions/timetable",
			Meaning: "Its folder, relative to the root of the repository. Commands run there."},
		{Path: "components[].build", Meaning: "How its artifact comes to be: by a command, from an image, or by GitHub Actions; see docs/builds.md. Without any of them its folder is the artifact as it is."},
		{Path: "components[].build.run", Example: "[go, build, -o, bin/timetable, .]",
			Meaning: "The program and its arguments, without a shell, in a clean working copy. What is in the folder afterwards is the artifact."},
		{Path: "components[].build.env", Example: "{GOFLAGS: -trimpath}",
			Meaning: "Its environment. Besides these it has PATH, HOME, TMPDIR and what the installation declares."},
		{Path: "components[].build.timeout", Default: "10m", Min: "1s", Max: "2h", Meaning: "When it is ended, or the wait for a workflow run is over."},
		{Path: "components[].build.output", Default: "16MiB", Min: "1KiB", Max: "1GiB", Meaning: "The most it may print before it is ended."},
		{Path: "components[].build.image", Example: "registry.example/acme/api:{commit}",
			Meaning: "An image that is built already: its file system is the artifact. By digest, as in registry.example/acme/api@sha256:…, or by a tag, in which {commit}, {short} (its first 7 digits) and {tag} (the git tag) are filled in; a tag is resolved to a digest once, when the release builds."},
		{Path: "components[].build.github-actions", Meaning: "The workflow of GitHub Actions that builds it. The release waits for its run of the commit."},
		{Path: "components[].build.github-actions.workflow", Required: true, Example: "build.yml", Meaning: "The name of its file in .github/workflows."},
		{Path: "components[].build.github-actions.image", Example: "registry.example/acme/api:{commit}",
			Meaning: "The image that the run pushes, as for build.image; either this or artifact. A tag is resolved when the run has succeeded."},
		{Path: "components[].build.github-actions.artifact", Example: "api",
			Meaning: "The name of the artifact that the run uploads, whose files are the component's; either this or image."},
		{Path: "components[].test", Meaning: "The command that tests the commit, in a clean working copy of its own. It fails the release by its exit code."},
		{Path: "components[].test.run", Example: "[go, test, ./...]", Meaning: "As for build."},
		{Path: "components[].test.env", Example: "{CI: \"true\"}", Meaning: "As for build."},
		{Path: "components[].test.timeout", Default: "10m", Min: "1s", Max: "2h", Meaning: "When it is ended."},
		{Path: "components[].test.output", Default: "16MiB", Min: "1KiB", Max: "1GiB", Meaning: "The most it may print before it is ended."},
		{Path: "components[].run", Required: true, Meaning: "How an instance is started. It is told its port in PORT and serves HTTP there."},
		{Path: "components[].run.command", Required: true, Example: "[bin/timetable]", Meaning: "The program and its arguments, without a shell."},
		{Path: "components[].run.env", Example: "{LOG_LEVEL: info}", Meaning: "Its environment, as for build. It is part of the revision: changing it releases a new one."},
		{Path: "components[].run.health", Default: "/healthz", Example: "/healthz", Meaning: "The path that answers 2xx once the instance can serve."},
		{Path: "components[].run.instances", Default: "1", Min: "1", Max: "64", Example: "2", Meaning: "How many instances each unit runs."},
		{Path: "components[].run.start", Default: "30s", Min: "1s", Max: "10m", Meaning: "How long an instance may take until it is healthy."},
		{Path: "components[].run.drain", Default: "10s", Min: "0s", Max: "10m", Meaning: "How long an instance may finish its requests after SIGTERM."},
		{Path: "components[].run.h2c", Example: "true",
			Meaning: "Gateways reach its instances by HTTP/2 without TLS. Health checks, cases and pressure stay with HTTP/1.1."},
		{Path: "components[].cases", Example: "cases/*.yaml",
			Meaning: "Files of function cases, request and expected answer, that are run against the candidate at 0 %: one pattern or a list, relative to the component's folder."},
		{Path: "components[].paths", Example: "[libs/common, go.mod]",
			Meaning: "What it is built from besides its own folder: one pattern of files and folders or a list, relative to the root of the repository, where * stops at a slash and ** does not. With it, a commit that touches none of this, and not how the component is built, is not built and tested again: the artifact that is stable goes on. Without it, every commit is built."},
		{Path: "components[].route", Meaning: "Which requests are the component's own."},
		{Path: "components[].route.host", Example: "rail.example.com", Meaning: "The host name they are for. Without it, any."},
		{Path: "components[].route.path", Example: "/rail/timetable",
			Meaning: "The path they begin with, at a segment. By default / for an only component and /<name> for each of several."},
		{Path: "components[].route.pins", Example: "[{header: X-Canary, values: [\"yes\"]}]",
			Meaning: "Requests that always go to the candidate, for people who try it out. They never count as evidence."},
		{Path: "components[].route.pins[].header", Example: "X-Canary", Meaning: "The header that pins; either this or cookie."},
		{Path: "components[].route.pins[].cookie", Example: "canary", Meaning: "The cookie that pins; either this or header."},
		{Path: "components[].route.pins[].values", Required: true, Example: "[\"yes\"]", Meaning: "The values that pin."},
	}
}

// gatewayFields are what gateways let through to a component, and what they do when it does not answer.
func gatewayFields() []Field {
	return []Field{
		{Path: "components[].route.authentication",
			Meaning: "How callers prove who they are, see docs/gateway-auth.md. One proof that holds is enough; without it everybody is let in."},
		{Path: "components[].route.authentication.api-key", Meaning: "By a key that they send."},
		{Path: "components[].route.authentication.api-key.keys", Required: true, Example: "partners", Meaning: "The gateways' credential with the hashes of the keys."},
		{Path: "components[].route.authentication.api-key.header", Example: "X-Api-Key",
			Meaning: "The header that carries the key. In Authorization it follows the word Bearer. Without it, X-Api-Key."},
		{Path: "components[].route.authentication.jwt", Meaning: "By a token that an issuer gave them, sent as Authorization: Bearer."},
		{Path: "components[].route.authentication.jwt.issuer", Required: true, Example: "https://login.example.com/", Meaning: "What its claim iss says."},
		{Path: "components[].route.authentication.jwt.audience", Required: true, Example: "orders", Meaning: "What its claim aud says or has."},
		{Path: "components[].route.authentication.jwt.keys", Required: true, Example: "https://login.example.com/.well-known/jwks.json",
			Meaning: "The address of the issuer's JWK set, or the gateways' credential that holds one."},
		{Path: "components[].route.authentication.jwt.algorithms", Example: "[RS256, ES256]",
			Meaning: "The signature algorithms that are accepted. Without it, RS256, ES256 and EdDSA."},
		{Path: "components[].route.authentication.jwt.claims", Example: "{scope: \"orders:write\"}", Meaning: "Further claims that it needs, each with its value."},
		{Path: "components[].route.authentication.jwt.subject", Example: "sub", Meaning: "The claim that names the caller. Without it, sub."},
		{Path: "components[].route.authentication.jwt.leeway", Min: "0s", Max: "5m", Example: "30s",
			Meaning: "How far the issuer's clock may be off. Without it, or with 0s, 30s."},
		{Path: "components[].route.authentication.hmac", Meaning: "By a signature over the request."},
		{Path: "components[].route.authentication.hmac.keys", Required: true, Example: "webhooks", Meaning: "The gateways' credential with the secrets."},
		{Path: "components[].route.authentication.hmac.window", Min: "1s", Max: "1h", Example: "5m",
			Meaning: "How far from now a request may say it was signed, and how long its nonce is remembered. Without it, 5m."},
		{Path: "components[].route.timeout", Min: "10ms", Max: "1h", Example: "5s",
			Meaning: "How long the head of an answer may take; then the client gets 504. Without it, as the gateway is set: 60s."},
		{Path: "components[].route.max-body", Min: "1KiB", Max: "1024GiB", Example: "10MiB",
			Meaning: "The largest body a request may have; more gets 413. Without it, as the gateway is set: 1GiB."},
		{Path: "components[].route.retries", Min: "0", Max: "3", Example: "1",
			Meaning: "How often a GET, HEAD or OPTIONS request without a body is sent again, to another instance of the same revision if there is one, when its connection broke or it was answered with 502, 503 or 504. What failed counts against the revision all the same. Without it, never."},
		{Path: "components[].route.limits", Example: "[{per: address, rate: 20/s, burst: 40}]",
			Meaning: "How many requests are let through, up to 8 limits, all of which count; more get 429 with Retry-After. Each gateway counts for itself."},
		{Path: "components[].route.limits[].per", Required: true, Values: []string{"route", "tenant", "user", "address"}, Example: "user",
			Meaning: "Whose requests count together: all of the route; all of the tenant's routes that have the same limit; a user's, who is known by authentication, the ramp's user header or cookie, or else the address; an address's, or a /64 network's in IPv6."},
		{Path: "components[].route.limits[].rate", Required: true, Min: "1/h", Max: "1000000/s", Example: "20/s", Meaning: "How many in the long run."},
		{Path: "components[].route.limits[].burst", Min: "1", Max: "1000000", Example: "40",
			Meaning: "How many at once. Without it, what the rate gives in a second, at least 1."},
		{Path: "components[].route.breaker", Meaning: "Keeps requests from a revision that fails, so that it can recover. Without it all are sent."},
		{Path: "components[].route.breaker.failures", Default: "50%", Min: "1%", Max: "100%", Meaning: "The share of requests that has to fail: no answer, or 5xx."},
		{Path: "components[].route.breaker.requests", Default: "20", Min: "1", Max: "1000000", Meaning: "The least number of requests that says anything."},
		{Path: "components[].route.breaker.within", Default: "10s", Min: "100ms", Max: "1h", Meaning: "The time both are counted over."},
		{Path: "components[].route.breaker.open", Default: "5s", Min: "100ms", Max: "1h",
			Meaning: "How long no requests are sent; then one at a time, and after three good answers all."},
		{Path: "components[].route.fallback", Meaning: "What is tried when a revision does not answer: its breaker is open, no instance accepts a connection, or the request is a GET, HEAD or OPTIONS without a body. Without it the client gets 502, 503 or 504."},
		{Path: "components[].route.fallback.stable", Example: "true", Meaning: "The candidate's requests go to the stable revision. They count against the candidate."},
		{Path: "components[].route.fallback.unit", Example: "b", Meaning: "The unit whose gateways are asked next. They ask no further one."},
		{Path: "components[].route.fallback.answer", Meaning: "An answer to give at last."},
		{Path: "components[].route.fallback.answer.status", Default: "503", Min: "200", Max: "599", Meaning: "Its status."},
		{Path: "components[].route.fallback.answer.type", Default: "application/json", Meaning: "Its Content-Type."},
		{Path: "components[].route.fallback.answer.body", Example: `'{"items": []}'`, Meaning: "Its body, at most 64 KiB."},
	}
}

func environmentFields() []Field {
	return append([]Field{
		{Path: "environments", Meaning: "Where the application is released to, by name. Without it, production is released from the branch main."},
		{Path: "environments.*.branch", Default: "main", Example: "main",
			Meaning: "The branch whose pushes are released there. Several environments may have the same."},
		{Path: "environments.*.tags", Example: "[v*]",
			Meaning: "Tags that are released there, instead of pushes: one pattern or a list, where * stops at a slash and ** does not. The tag's commit has to be on the branch."},
		{Path: "environments.*.after", Example: "staging",
			Meaning: "The environment whose completed releases are promoted there: the same commit with the same artifacts, which are never built again. Nothing else is released there. Its branch is that of the environment before it."},
		{Path: "environments.*.preview", Example: "preview",
			Meaning: "The label of pull requests whose head is released there, instead of pushes. Pull requests from other repositories are not."},
		{Path: "environments.*.concurrency", Default: "supersede", Values: []string{"supersede", "queue", "reject"},
			Meaning: "What a push does while a release is under way: supersede rolls the older one back and starts the newest, queue waits for its end, reject refuses the push."},
		{Path: "environments.*.units", Example: "[a, b]",
			Meaning: "The units, such as regions, in the order they are released; they roll back in reverse. Without it, all the installation has."},
		{Path: "environments.*.pressure", Meaning: "The load the candidate must carry before it has traffic. Without it there is no pressure gate."},
		{Path: "environments.*.pressure.rate", Required: true, Min: "1/s", Max: "20000/s", Example: "300/s",
			Meaning: "Requests on all instances of a component together. They are sent on time whether or not earlier ones were answered."},
		{Path: "environments.*.pressure.for", Default: "30s", Min: "1s", Max: "10m", Meaning: "For how long. Rate and time together have to make 100 requests, which a 99th percentile needs."},
		{Path: "environments.*.pressure.p99", Required: true, Min: "1ms", Max: "30s", Example: "200ms", Meaning: "The most the 99th percentile of latency may be."},
		{Path: "environments.*.pressure.errors", Default: "0.1%", Min: "0%", Max: "50%", Example: "0.1%", Meaning: "The largest share of requests that may fail, 4xx answers included."},
		{Path: "environments.*.pressure.forecast", Default: "0/s", Min: "0/s", Max: "1000000/s", Example: "900/s",
			Meaning: "The traffic to expect. The instances must carry it, at what one of them was found to carry. 0/s asks for nothing."},
		{Path: "environments.*.ramp", Meaning: "The way of the traffic to the new revision."},
		{Path: "environments.*.ramp.steps", Default: "[1%, 5%, 20%, 50%]", Example: "[1%, 5%, 20%, 50%]",
			Meaning: "Rising weights over 0 % and up to 50 %; the cutover to 100 % follows the last. [] leaves only a first release, which has nothing to be compared with; the built-in rules refuse it later."},
		{Path: "environments.*.ramp.bake", Default: "2m", Min: "0s", Max: "24h", Meaning: "The least time at each step. A step also needs its evidence."},
		{Path: "environments.*.ramp.patience", Default: "30m", Min: "1s", Max: "168h",
			Meaning: "The longest time at one step without enough evidence to go on; after it the release rolls back. At least bake."},
		{Path: "environments.*.ramp.probe", Default: "30s", Min: "0s", Max: "1h",
			Meaning: "A first step of at most 1 % that lasts so long, for caches to warm up. 0s leaves it out."},
		{Path: "environments.*.ramp.exposure", Default: "0", Min: "0", Max: "1000", Example: "6",
			Meaning: "The most bad answers that a canary which fails every request may give at any step before it is rolled back, at least 3. Larger steps are made smaller. 0 leaves steps as they are written."},
		{Path: "environments.*.ramp.sticky", Default: "request", Values: []string{"request", "user"},
			Meaning: "What keeps its side: request draws anew for each request, user keeps a user's."},
		{Path: "environments.*.ramp.user-header", Example: "X-User-Id",
			Meaning: "The header that names the user. Without it, a cookie that the gateway sets. Only with sticky: user."},
	}, judgementFields()...)
}

func judgementFields() []Field {
	return []Field{
		{Path: "environments.*.analysis", Meaning: "What counts as worse than stable, and how sure the verdict has to be."},
		{Path: "environments.*.analysis.errors", Meaning: "The judgement on errors."},
		{Path: "environments.*.analysis.errors.margin", Default: "0.05%", Min: "0%", Max: "10%", Example: "0.5%",
			Meaning: "How much larger the canary's share of failed requests may be."},
		{Path: "environments.*.analysis.latency", Meaning: "The judgement on latency."},
		{Path: "environments.*.analysis.latency.quantile", Default: "99", Min: "90", Max: "99.9", Example: "99", Meaning: "The quantile that is compared, in percent."},
		{Path: "environments.*.analysis.latency.margin", Default: "20%", Min: "0%", Max: "100%", Meaning: "How much larger the canary's may be."},
		{Path: "environments.*.analysis.false-rollback", Default: "1%", Min: "0.01%", Max: "10%",
			Meaning: "The largest acceptable chance that a harmless release is rolled back."},
		{Path: "environments.*.analysis.detect", Default: "5%", Min: "0.1%", Max: "100%",
			Meaning: "The share of failed requests that a step has to be able to see before it may end. Smaller needs more requests."},
		{Path: "environments.*.analysis.blind", Default: "30s", Min: "1s", Max: "1h", Meaning: "How long a canary may go without requests before that is said."},
		{Path: "environments.*.analysis.blind-back", Default: "5m", Min: "1s", Max: "24h", Meaning: "How long before the ramp steps back for it. At least blind."},
		{Path: "environments.*.approval", Meaning: "A gate at which people are asked. Without it nobody is."},
		{Path: "environments.*.approval.before", Default: "ramp", Values: []string{"ramp", "cutover"}, Meaning: "Before what they are asked."},
		{Path: "environments.*.approval.from", Example: "[release-managers]", Meaning: "Groups or people who may answer. Without it, everybody with access."},
		{Path: "environments.*.approval.count", Default: "1", Min: "1", Max: "20", Example: "2", Meaning: "How many have to approve."},
		{Path: "environments.*.approval.within", Default: "24h", Min: "1m", Max: "720h", Meaning: "When the release ends because nobody answered."},
		{Path: "environments.*.approval.remind", Min: "1m", Max: "720h", Example: "4h",
			Meaning: "When those who have not answered are asked again. Shorter than within; without it, after half of it."},
		{Path: "environments.*.approval.escalate", Meaning: "Who is asked too when the answers do not come. Without it, nobody."},
		{Path: "environments.*.approval.escalate.after", Required: true, Min: "1m", Max: "720h", Example: "12h", Meaning: "When they are asked. Shorter than within."},
		{Path: "environments.*.approval.escalate.to", Required: true, Example: "[heads-of-engineering]", Meaning: "Groups or people who may answer from then on."},
		{Path: "environments.*.freeze", Default: "hold", Values: []string{"hold", "finish", "revert"},
			Meaning: "What a freeze that opens in the middle of a ramp does: hold the weight, finish the ramp, or revert to stable."},
		{Path: "environments.*.watch", Default: "10m", Min: "0s", Max: "168h",
			Meaning: "How long the predecessor stays warm after the cutover, for a rollback that starts nothing."},
	}
}
