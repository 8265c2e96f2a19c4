// Package provenance states where an artifact comes from, in a form that others can check: an in-toto statement with the
// SLSA provenance of the build, in a DSSE envelope signed with Ed25519.
//
// Its one idea is that nothing of a statement is looked at before a trusted key has been found to have signed exactly these
// bytes. Everything here is a function of its arguments: files, clocks and databases are elsewhere.
//
// The formats are those of https://in-toto.io/Statement/v1, https://slsa.dev/provenance/v1 and DSSE 1.0
// (https://github.com/secure-systems-lab/dsse). docs/provenance.md says what our statements hold.
package provenance
