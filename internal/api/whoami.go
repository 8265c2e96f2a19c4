package api

import "net/http"

// WhoAmI is who the installation takes the holder of a token for.
type WhoAmI struct {
	Name   string `json:"name"`
	Source string `json:"source"`
	// Person is who it is in the directory of people; empty without a directory, and for a name it accepts unknown.
	Person string   `json:"person,omitempty"`
	Groups []string `json:"groups,omitempty"`
	// Problem says why the directory refuses the holder, and how to be known; nothing else can be done until then.
	Problem string `json:"problem,omitempty"`
}

// whoAmI also answers those who are nobody yet: it is how they learn what is missing.
func (s *Server) whoAmI(w http.ResponseWriter, r *http.Request) {
	who, ok := s.holder(w, r)
	if !ok {
		return
	}
	out := WhoAmI{Name: who.Name, Source: who.Source, Groups: who.Groups}
	if s.people != nil {
		person, err := s.people.Person(source, who.Name)
		if err != nil {
			out.Problem = err.Error()
		} else {
			out.Person, out.Groups = person.Person, person.Groups
		}
	}
	reply(w, http.StatusOK, out)
}
