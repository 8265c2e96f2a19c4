package intake

import "github.com/skyisland/skyisland/internal/release"

// About is what an event is about, for people who look. What it does not say is empty.
type About struct {
	// Repository is a full name, or where an image is; Application is tenant/name, where it is named.
	Repository  string
	Application string
	// Ref is a branch or tag by its full name, or as it was asked for. Commit is empty for a ref that was deleted.
	Ref    string
	Commit string
	// Who did it, as the source knows them.
	Who string
}

// Describe says what a stored event is about. An event whose body is no longer kept, or that cannot be read, says nothing.
func Describe(event Event) About {
	m, err := read(event)
	if err != nil {
		return About{}
	}
	named := func(tenant, name string) string {
		if tenant == "" {
			return ""
		}
		return tenant + "/" + name
	}
	of := func(lane release.Lane) string { return named(lane.Tenant, lane.Application) }
	switch {
	case m.change != nil:
		c := m.change
		out := About{Repository: c.Repository, Ref: c.Ref, Who: c.Who}
		if !c.gone() {
			out.Commit = c.After
		}
		return out
	case m.completed != nil:
		c := m.completed
		return About{Application: of(c.Release.Lane), Commit: c.Commit, Who: c.Requester.Name}
	case m.asked != nil:
		a := m.asked
		out := About{Repository: a.Repository, Application: named(a.Tenant, a.Application), Ref: a.Ref, Commit: a.Commit, Who: a.Who}
		if a.By.Name != "" {
			out.Who = a.By.Name
		}
		return out
	case m.scheduled != nil:
		s := m.scheduled
		return About{Application: named(s.Tenant, s.Application), Ref: "refs/heads/" + s.Branch, Who: s.Schedule}
	case m.pressed != nil:
		p := m.pressed
		return About{Repository: p.Repository, Application: of(p.Release.Lane), Commit: p.Commit, Who: p.Who}
	case m.preview != nil:
		p := m.preview
		return About{Repository: p.Repository, Ref: "refs/heads/" + p.HeadRef, Commit: p.HeadSHA, Who: p.Who}
	case m.built != nil:
		return About{Repository: m.built.Repository, Commit: m.built.Commit}
	case m.image != nil:
		return About{Repository: m.image.Repository, Commit: m.image.Commit}
	case m.protection != nil:
		return About{Repository: m.protection.Repository, Commit: m.protection.Commit}
	}
	return About{}
}
