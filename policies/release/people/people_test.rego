package release.people_test

import data.release.people

_ada := {"name": "ada-l", "source": "github", "person": "ada.lovelace", "groups": ["developers"]}

test_the_directory_says_who_is_one if {
	people.same(_ada, {"name": "U024", "source": "slack", "person": "Ada.Lovelace"})
	not people.same(_ada, {"name": "ada-l", "source": "slack", "person": "ada.larsson"})
}

test_without_it_names_do if {
	people.same({"name": "Ada"}, {"name": "ada", "person": ""})
	people.same(_ada, {"name": "ADA-L", "source": "api"})
	people.same(_ada, {"name": "ada.lovelace", "source": "api"})
	not people.same(_ada, {"name": "bob"})
}

test_somebody_without_a_name_is_nobody if {
	not people.same({}, {})
	not people.same({"name": "", "person": ""}, {"name": "", "person": 7})
}

test_people_are_counted_by_one_name if {
	people.key(_ada) == "ada.lovelace"
	people.key({"name": "Bob"}) == "bob"
}

test_among_people_and_groups if {
	people.among(_ada, ["ada.lovelace"])
	people.among(_ada, ["operations", "developers"])
	people.among({"name": "bob"}, ["bob"])
	not people.among(_ada, ["ada-l", "operations"])
	not people.among({"name": "bob"}, ["operations"])
}
