# METADATA
# title: Clock
# description: |
#   The only clock there is: the moment in the input. Moments are nanoseconds since 1970. Text that is
#   no moment is undefined rather than an error, so that a topic can deny it in its own words.
# scope: package
package release.clock

now := moment(input.at)

moment(text) := time.parse_rfc3339_ns(text) if {
	is_string(text)
	regex.match(_rfc3339, text)
}

# Narrower than RFC 3339: years outside these overflow the nanoseconds.
_rfc3339 := concat("", [
	`^(19[789]|20[0-9]|21[0-9])[0-9]-(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])`,
	`T([01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9](\.[0-9]{1,9})?`,
	`(Z|[+-]([01][0-9]|2[0-3]):[0-5][0-9])$`,
])
