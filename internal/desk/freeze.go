package desk

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/skyisland/skyisland/internal/notify"
	"github.com/skyisland/skyisland/internal/release"
)

// freeze declares that nothing is promoted.
func (d *Desk) freeze(ctx context.Context, word notify.Word, by release.Actor) (notify.Reply, error) {
	now := d.Now().UTC()
	freeze, err := release.NewFreeze(word.About, word.For, word.Comment, by, now)
	if err != nil {
		return d.refuse(ctx, word, release.ID{}, by, err.Error())
	}
	if freeze.ID = instructionID(word); freeze.ID == "" {
		return d.refuse(ctx, word, release.ID{}, by, "the freeze has no name by which it is known again")
	}
	err = d.Freezer.AddFreeze(ctx, freeze)
	var denied *release.DeniedError
	switch {
	case errors.As(err, &denied):
		return d.refuse(ctx, word, release.ID{}, by, denied.Error())
	case err != nil:
		return notify.Reply{}, err
	}
	d.Log.InfoContext(ctx, "freeze declared", "freeze", freeze.ID, "about", word.About, "actor", by.String())
	until := "until somebody lifts it: skyisland freeze lift " + freeze.ID
	if freeze.Ends != nil {
		until = "until " + freeze.Ends.Format(time.RFC3339)
	}
	return notify.Reply{Text: fmt.Sprintf("%s is frozen, %s", word.About, until)}, nil
}
