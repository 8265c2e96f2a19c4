// Package authn decides who sends a request, before the gateway carries it to anybody.
//
// Its one idea is that a policy travels and a credential does not. What a route wants comes from a manifest and goes
// through histories, logs and every gateway's disk; the keys lie in a folder on the gateway's machine, or at the issuer,
// and are only named there. So a route can be in force whose keys are not there yet: it refuses, with an answer that
// says it is not the caller's fault, and serves as soon as they come.
//
// An [Authenticator] belongs to one version of a route and is cheap to make anew. What has to outlive it lies below:
// [Credentials] has the files and remembers which signed requests it has seen, [KeySets] has what issuers publish.
package authn
