package cli

import (
	"github.com/spf13/cobra"

	"github.com/skyisland/skyisland/internal/dispatch"
)

func (p *program) release() *cobra.Command {
	return group(&cobra.Command{Use: "release", Aliases: []string{"rel"}, Short: "See releases, and tell them what to do", Long: "See releases, and tell them what to do.\n\n" + releaseHelp},
		p.releaseStart(), p.releaseList(), p.releaseShow(), p.releaseWatch(),
		p.releaseAnswer(dispatch.Approve, "Approve the plan of a release that asks"),
		p.releaseAnswer(dispatch.Reject, "Reject the plan of a release that asks"),
		p.releaseInstruct(dispatch.Pause, "Hold a release where it is; its canary stays watched"),
		p.releaseInstruct(dispatch.Resume, "Let a paused release go on"),
		p.releaseInstruct(dispatch.Promote, "End the step or the watch under way before its evidence is in"),
		p.releaseInstruct(dispatch.Abort, "Stop a release; what moved goes back"),
		p.releaseInstruct(dispatch.Rollback, "Take all traffic back to stable"),
		p.releaseInstruct(dispatch.BreakGlass, "Ask for a rule to be broken, with a reason in --comment; it counts when a second person does so too"),
	)
}
