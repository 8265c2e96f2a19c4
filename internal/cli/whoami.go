package cli

import (
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"github.com/skyisland/skyisland/internal/api"
	"github.com/skyisland/skyisland/internal/cli/progress"
)

func (p *program) whoAmI() *cobra.Command {
	return &cobra.Command{
		Use: "whoami", Short: "Say who the server takes you for", Args: between(0, 0),
		Long: "Says whose your token is, who that is in the directory of people, which groups you are in, and what the token lets\n" +
			"you do. When the directory does not know you it says how to get there, and the exit code is 1.",
		RunE: func(cmd *cobra.Command, _ []string) error {
			c, err := p.client()
			if err != nil {
				return err
			}
			who, err := c.WhoAmI(cmd.Context())
			if err != nil {
				return err
			}
			if err := p.print(who, func(w io.Writer) { showWho(w, who) }); err != nil || who.Problem == "" {
				return err
			}
			return &exitError{code: ExitError}
		},
	}
}

func showWho(w io.Writer, who api.WhoAmI) {
	line := func(format string, args ...any) { fmt.Fprintln(w, progress.Clean(fmt.Sprintf(format, args...))) }
	switch {
	case who.Problem != "":
		line("You have the token named %s, and can do nothing yet: %s.", who.Name, who.Problem)
		return
	case who.Person != "":
		line("You are %s, by the token named %s.", who.Person, who.Name)
	default:
		line("You are whoever has the token named %s; no directory of people says who that is.", who.Name)
	}
	if len(who.Groups) == 0 {
		line("You are in no group.")
	} else {
		line("You are in %s.", strings.Join(who.Groups, ", "))
	}
	line("Your token lets you %s.", mayDo(who))
}

// mayDo is what a token is for.
func mayDo(who api.WhoAmI) string {
	scopes := make([]string, len(who.Scopes))
	for i, scope := range who.Scopes {
		scopes[i] = string(scope)
	}
	text := strings.Join(scopes, ", ")
	if who.Unlimited {
		text = "do everything (it is given no scopes)"
	}
	if len(who.Tenants) > 0 {
		text += ", for " + strings.Join(who.Tenants, ", ") + " only"
	}
	return text
}
