# METADATA
# title: Shape
# description: |
#   What a value of the data has to look like. None of these fails over a value of another type: a rule that
#   failed would hide what the others say.
# scope: package
package release.shape

text(value) if {
	is_string(value)
	trim_space(value) != ""
}

texts(list) if {
	is_array(list)
	count(list) > 0
	every element in list {
		text(element)
	}
}

# whole is a whole number from least to most.
whole(value, least, most) if {
	is_number(value)
	value == floor(value)
	value >= least
	value <= most
}

# fields is an object without other keys than these: a misspelt one would limit nothing.
fields(entry, known) if {
	is_object(entry)
	object.keys(entry) - known == set()
}

# scope are the lists by which an entry says what it is for. What it leaves out it does not limit.
scope := {"tenants", "applications", "environments"}

scoped(entry) if {
	every list in scope {
		texts(object.get(entry, list, ["any"]))
	}
}

covers(entry, lane) if {
	lane.tenant in object.get(entry, "tenants", [lane.tenant])
	lane.application in object.get(entry, "applications", [lane.application])
	lane.environment in object.get(entry, "environments", [lane.environment])
}
