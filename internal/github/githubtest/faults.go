package githubtest

import (
	"net/http"
	"regexp"
	"strconv"
	"time"
)

// Fault makes requests fail. The first that fits a request has it.
type Fault struct {
	// Method and Path choose requests; Path is a regular expression. Empty fits all.
	Method, Path string
	// Times is how many fail; 0 is all until the fault is lifted.
	Times int
	// After lets the request take effect first: only its answer is lost.
	After bool
	// Status is what is answered, with Header; 0 drops the connection.
	Status int
	Header map[string]string
	// Document is the documentation_url of the answer, by which a client tells limits apart.
	Document string
	// Until is waited for before anything else. A fault that only delays has Pass set.
	Until <-chan struct{}
	// Reset is how long after the server's time the answer says that a limit ends.
	Reset time.Duration

	path *regexp.Regexp
	used int
}

// The faults there are names for.

// Outage is a GitHub that is away.
func Outage() Fault { return Fault{Status: http.StatusBadGateway} }

// LostAnswer lets the next request of a kind take effect, and drops its connection instead of answering.
func LostAnswer(method, path string) Fault {
	return Fault{Method: method, Path: path, Times: 1, After: true}
}

// PrimaryLimit says that the requests of an hour are used up until so long from now.
func PrimaryLimit(reset time.Duration) Fault {
	return Fault{Status: http.StatusForbidden, Reset: reset, Header: map[string]string{"X-RateLimit-Limit": "5000", "X-RateLimit-Remaining": "0"}}
}

// SecondaryLimit says that requests came too fast, with a status of 403 or 429.
func SecondaryLimit(status int, after time.Duration) Fault {
	return Fault{
		Status: status, Header: map[string]string{"Retry-After": strconv.Itoa(int(after / time.Second))},
		Document: "https://docs.github.com/rest/overview/rate-limits-for-the-rest-api#about-secondary-rate-limits",
	}
}

// Break adds a fault, and returns what lifts it.
func (s *Server) Break(f Fault) (lift func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	f.path = regexp.MustCompile(f.Path)
	added := &f
	s.faults = append(s.faults, added)
	return func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		for i, one := range s.faults {
			if one == added {
				s.faults = append(s.faults[:i:i], s.faults[i+1:]...)
				return
			}
		}
	}
}

// fault is the one a request has; nil is none.
func (s *Server) fault(r *http.Request) *Fault {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, f := range s.faults {
		if f.Method != "" && f.Method != r.Method || !f.path.MatchString(r.URL.Path) || f.Times > 0 && f.used == f.Times {
			continue
		}
		f.used++
		return f
	}
	return nil
}

// fail answers as the fault says, and returns the status.
func (f *Fault) fail(w http.ResponseWriter, now time.Time) int {
	if f.Status == 0 {
		if err := drop(w); err != nil {
			// Without the connection the next best is an answer that nobody can read.
			w.WriteHeader(http.StatusInternalServerError)
			return http.StatusInternalServerError
		}
		return 0
	}
	for name, value := range f.Header {
		w.Header().Set(name, value)
	}
	if f.Reset > 0 {
		w.Header().Set("X-RateLimit-Reset", strconv.FormatInt(now.Add(f.Reset).Unix(), 10))
	}
	write(w, f.Status, map[string]string{"message": http.StatusText(f.Status), "documentation_url": f.Document})
	return f.Status
}
