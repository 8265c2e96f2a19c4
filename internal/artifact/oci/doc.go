// Package oci speaks with OCI registries: artifacts are shared through one, and images of others become artifacts.
//
// What is read is named by its digest, and not used before its bytes have been found to be those the digest names. A
// tag is good for one question only: which digest it has now. Everything a registry may say is bounded, because whose
// registry it is the manifest of an application says.
package oci
