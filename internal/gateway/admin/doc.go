// Package admin is how the control plane talks to gateways, both ends of it. Every call carries full
// desired state and can be repeated, so neither end keeps a session: a gateway that restarts and a
// control plane that restarts find each other again by comparing digests and versions.
package admin
