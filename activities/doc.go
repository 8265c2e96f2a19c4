// Package activities holds the side effects of a release: everything that touches a repository, a
// process, a gateway, a rule or a database. A workflow decides, an activity does, and does the same
// thing when it is asked twice.
//
// Each struct is a group of activities with the interfaces it needs and no more; internal/app fills
// them with providers. Errors cross to the workflow by the type names in errors.go.
package activities
