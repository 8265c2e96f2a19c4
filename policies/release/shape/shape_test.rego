package release.shape_test

import data.release.shape

_lane := {"tenant": "fliggy", "application": "rail-tour", "environment": "production"}

test_text_has_letters if {
	shape.text("a")
	every value in ["", " ", 7, null, ["a"], {}] {
		not shape.text(value)
	}
}

test_texts_are_a_list_with_something_in_it if {
	shape.texts(["a", "b"])
	every value in ["a", [], [""], ["a", 7], {"a": "b"}, null] {
		not shape.texts(value)
	}
}

test_whole_numbers_have_bounds if {
	shape.whole(1, 1, 3)
	shape.whole(3, 1, 3)
	every value in [0, 4, 1.5, "2", null, [2]] {
		not shape.whole(value, 1, 3)
	}
}

test_fields_are_known if {
	shape.fields({"a": 1}, {"a", "b"})
	every value in [{"c": 1}, "a", null, ["a"]] {
		not shape.fields(value, {"a", "b"})
	}
}

test_a_scope_is_of_lists if {
	shape.scoped({})
	shape.scoped({"tenants": ["fliggy"], "environments": ["production"]})
	every entry in [{"tenants": []}, {"applications": "rail-tour"}, {"environments": [7]}] {
		not shape.scoped(entry)
	}
}

test_a_scope_covers_what_it_names if {
	every entry in [{}, {"tenants": ["other", "fliggy"]}, {"applications": ["rail-tour"], "environments": ["production"]}] {
		shape.covers(entry, _lane)
	}
	every entry in [{"tenants": ["other"]}, {"tenants": ["fliggy"], "applications": ["hotels"]}, {"environments": ["staging"]}] {
		not shape.covers(entry, _lane)
	}
}
