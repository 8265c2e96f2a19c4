package cli

import (
	"context"
	"fmt"
	"net/http"
	"os/exec"
	"strings"
	"time"

	"github.com/skyisland/skyisland/internal/api"
	"github.com/skyisland/skyisland/internal/api/client"
	"github.com/skyisland/skyisland/internal/release"
)

// examine looks at one thing after the other. What depends on something that is not there is left out:
// one cause is named once.
func (p *program) examine(ctx context.Context) []check {
	checks := []check{checkGit(ctx)}
	anybody, err := client.New(p.address(), "")
	if err != nil {
		return append(checks, check{"server", resultFail, err.Error(), "give the address with --server or SKYISLAND_SERVER"})
	}
	if err := anybody.Health(ctx); err != nil {
		return append(checks, check{"server", resultFail, err.Error(), "start one with skyisland-standalone, or look at the log of the one that should run"})
	}
	checks = append(checks, ok("server", "answers at %s", anybody.Server()))
	c, err := p.client()
	if err != nil {
		return append(checks, check{"token", resultFail, err.Error(), "take the token of the installation's configuration; a standalone keeps its in " + standaloneData + "/token"})
	}
	who, err := c.WhoAmI(ctx)
	if err != nil {
		return append(checks, check{"token", resultFail, err.Error(), "take the token of this server's installation; a standalone keeps its in " + standaloneData + "/token"})
	}
	checks = append(checks, checkToken(who))
	info, err := c.Info(ctx)
	if err != nil {
		return append(checks, check{"access", resultFail, err.Error(), "ask who configures the server for a token that may see, or see what this one is for: skyisland whoami"})
	}
	checks = append(checks, p.checkVersion(info), checkTemporalUI(ctx, info))
	if info.GitRemote != "" {
		checks = append(checks, ok("git remote", "push to %s", info.GitRemote))
	}
	if info.Rules != nil {
		checks = append(checks, checkRules(*info.Rules)...)
	}
	checks = append(checks, checkTraffic(ctx, c, info)...)
	return append(checks, checkWaiting(ctx, c))
}

// checkToken looks at what the token lets its holder do.
func checkToken(who api.WhoAmI) check {
	if who.Unlimited {
		return check{"token", resultWarn, "is known to the server, and lets whoever has it do everything",
			"give it scopes in the server's configuration: tokens[].scopes, see docs/api.md"}
	}
	return ok("token", "is known to the server, and lets you %s", mayDo(who))
}

func checkGit(ctx context.Context) check {
	out, err := exec.CommandContext(ctx, "git", "--version").Output()
	if err != nil {
		return check{"git", resultFail, "git cannot be run: " + err.Error(), "install git; a push is how a release begins"}
	}
	return ok("git", "%s", strings.TrimSpace(string(out)))
}

func (p *program) checkVersion(info api.Info) check {
	if info.Version == p.o.Version {
		return ok("version", "the server and this program are %s", info.Version)
	}
	return check{"version", resultWarn, fmt.Sprintf("the server is %s and this program is %s", info.Version, p.o.Version), "use the program that came with the server"}
}

// checkTemporalUI looks at the page that people are sent to.
func checkTemporalUI(ctx context.Context, info api.Info) check {
	const name = "temporal"
	if info.TemporalUI == "" {
		return check{name, resultWarn, "the server names no Temporal UI", "name it in the server's configuration, temporal.ui, so that people find it"}
	}
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	bad := func(err error) check {
		return check{name, resultWarn, fmt.Sprintf("the Temporal UI at %s cannot be reached: %v", info.TemporalUI, err), "releases go on without it; see whether it runs, and whether this machine may reach it"}
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, info.TemporalUI, nil)
	if err != nil {
		return bad(err)
	}
	res, err := (&http.Client{Timeout: 5 * time.Second}).Do(req)
	if err != nil {
		return bad(err)
	}
	defer res.Body.Close()
	if res.StatusCode >= http.StatusInternalServerError {
		return bad(fmt.Errorf("it answers %s", res.Status))
	}
	return ok(name, "its UI answers at %s", info.TemporalUI)
}

// checkTraffic asks for every unit whether its gateways are there and serve alike.
func checkTraffic(ctx context.Context, c *client.Client, info api.Info) []check {
	state, err := c.Traffic(ctx, "", "")
	if err != nil {
		return []check{{"gateways", resultFail, err.Error(), "look at the server's log"}}
	}
	var checks []check
	for _, unit := range info.Units {
		checks = append(checks, checkUnit(unit, state)...)
	}
	return checks
}

func checkUnit(unit api.Unit, state api.TrafficState) []check {
	name := "unit " + unit.Name
	var checks []check
	digests := map[string]bool{}
	gateways, routes := 0, 0
	for _, g := range state.Gateways {
		if g.Unit != unit.Name {
			continue
		}
		if g.Error != "" {
			checks = append(checks, check{name, resultFail, fmt.Sprintf("the gateway at %s does not answer: %s", g.Address, g.Error),
				"start it, or see whether the server may reach it and knows its token; releases wait for it"})
			continue
		}
		gateways++
		routes = max(routes, len(g.Routes))
		digests[g.Digest] = true
		for _, r := range g.Routes {
			if r.Lapsed && r.Tripped == "" {
				checks = append(checks, check{name, resultWarn, fmt.Sprintf("the lease of %s ran out and %s took its traffic back to stable", r.Key, g.Name),
					"see whether release " + r.Release + " goes on: skyisland release show " + r.Release})
			}
		}
	}
	switch {
	case gateways == 0 && len(checks) == 0:
		checks = append(checks, check{name, resultFail, "it has no gateway", "name its gateways in the server's configuration"})
	case len(digests) > 1:
		checks = append(checks, check{name, resultWarn, fmt.Sprintf("its %d gateways serve different routes", gateways),
			"wait a moment and look again; if it stays, see the server's log and skyisland traffic"})
	case gateways > 0:
		checks = append(checks, ok(name, "%s, %s%s", plural(gateways, "gateway"), plural(routes, "route"), entry(unit)))
	}
	return checks
}

func entry(unit api.Unit) string {
	if unit.Entry == "" {
		return ""
	}
	return ", clients reach it at " + unit.Entry
}

func plural(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}

// checkWaiting names releases that wait for a person.
func checkWaiting(ctx context.Context, c *client.Client) check {
	const name = "people"
	page, err := c.Releases(ctx, api.ReleaseFilter{Phase: release.Approving, Limit: 20})
	if err != nil {
		return check{name, resultWarn, "what waits for people cannot be listed: " + err.Error(), "look at the server's log"}
	}
	var waiting []string
	for _, r := range page.Releases {
		waiting = append(waiting, r.ID.String())
	}
	if len(waiting) == 0 {
		return ok(name, "no release waits for anybody's approval")
	}
	return check{name, resultWarn, "for approval waits " + strings.Join(waiting, ", "), "look at it and answer: skyisland release approve " + waiting[0]}
}
