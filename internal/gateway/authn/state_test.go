package authn

import (
	"maps"
	"time"
)

// credentialState is a file in use, as tests see it.
type credentialState struct {
	Name string
	// Holds says what it is read as: API keys, secrets, or a JWK set.
	Holds string
	// Entries are how many keys are in force; 0 refuses everybody.
	Entries int
	// Loaded is when they came into force.
	Loaded time.Time
	// Fault says what is wrong with the file now, and Leak who else may read or write it.
	Fault string
	Leak  string
}

// state lists the files in use by name.
func (c *Credentials) state() []credentialState {
	c.looking.Lock()
	defer c.looking.Unlock()
	states := []credentialState{}
	for _, f := range c.inUse() {
		s := credentialState{Name: f.name, Holds: kinds[f.kind].name, Leak: f.leak}
		if now := f.content.Load(); now != nil {
			s.Entries, s.Loaded = now.entries, f.loaded
		}
		if err := f.wrong(); err != nil {
			s.Fault = err.Error()
		}
		states = append(states, s)
	}
	return states
}

// remembered is how many signed requests each credential has in memory, by its name.
func (c *Credentials) remembered() map[string]int {
	c.mu.Lock()
	memories := maps.Clone(c.memories)
	c.mu.Unlock()
	counts := make(map[string]int, len(memories))
	for name, m := range memories {
		counts[name] = m.len()
	}
	return counts
}

// keySetState is an issuer in use, as tests see it.
type keySetState struct {
	// From is the address, without a query.
	From string
	// Keys are how many are in force; 0 refuses everybody.
	Keys int
	// Due is when they will be fetched again.
	Due time.Time
	// Fault says why the last fetch brought nothing.
	Fault string
}

// state lists the issuers in use by their addresses.
func (k *KeySets) state() []keySetState {
	states := []keySetState{}
	for _, s := range k.inUse() {
		s.mu.Lock()
		state := keySetState{From: s.from(), Due: s.due}
		if set := s.content.Load(); set != nil {
			state.Keys = len(set.keys)
		}
		if s.fault != nil {
			state.Fault = s.fault.Error()
		}
		s.mu.Unlock()
		states = append(states, state)
	}
	return states
}

func (m *memory) len() int {
	n := 0
	for i := range m.shards {
		s := &m.shards[i]
		s.mu.Lock()
		n += len(s.seen)
		s.mu.Unlock()
	}
	return n
}
