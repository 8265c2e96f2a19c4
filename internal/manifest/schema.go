package manifest

import (
	_ "embed" // for the schema below

	"github.com/skyisland/skyisland/internal/release"
)

//go:generate go run ./schema

//go:embed skyisland.schema.json
var schema string

// Schema is the JSON Schema (draft 2020-12) of the manifest, generated from [Reference].
func Schema() string { return schema }

// Full is a manifest that has one of everything that is optional or repeated, and no values, for
// who generates documentation from its types.
func Full() *Manifest {
	return &Manifest{
		Components: []release.Component{{Build: release.Build{Actions: &release.Actions{}}, Ingress: release.Ingress{
			Pins: []release.Pin{{}}, Limits: []release.RateLimit{{}}, Breaker: &release.Breaker{},
			Authentication: &release.Authentication{APIKey: &release.APIKeyAuth{}, JWT: &release.JWTAuth{}, HMAC: &release.HMACAuth{}},
			Fallback:       &release.Fallback{Answer: &release.StaticAnswer{}},
		}}},
		Environment: map[string]*Environment{
			defaultEnvironment: {Pressure: &release.Pressure{}, Approval: &release.Approval{Escalate: &release.Escalation{}}},
		},
	}
}
