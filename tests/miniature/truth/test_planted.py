from miniature.truth import planted
from miniature.world import Group, Scene

RED, BLUE = (Scene((Group(1, "circle", colour),), "black") for colour in ("red", "blue"))


def _truth(**rows):
    return {name: {"scene": scene, "fault": fault, "of": original} for name, (scene, fault, original) in rows.items()}


COPIES = _truth(
    a=(RED, None, None),
    b=(RED, "exact_duplicate", "a"),
    c=(RED, "near_duplicate", "a"),
    d=(RED, None, None),
    e=(BLUE, None, None),
)


def test_all_pairs_of_one_picture_count_by_how_the_copies_were_made():
    fates = {"a": None, "b": "exact_duplicate", "c": "near_duplicate", "d": None, "e": None}
    found = planted.duplicates(COPIES, fates)
    assert found["pairs"] == {
        "exact": {"planted": 1, "pairs": 1, "found": 1, "recall": 1.0},
        "near": {"planted": 1, "pairs": 2, "found": 2, "recall": 1.0},
    }
    assert found["drops"]["near"] == {"dropped": 1, "wrong": 0, "precision": 1.0}


def test_a_copy_that_stays_beside_its_original_is_missed():
    found = planted.duplicates(COPIES, {"a": None, "b": "exact_duplicate", "c": None})
    assert found["pairs"]["near"] == {"planted": 1, "pairs": 2, "found": 1, "recall": 0.5}


def test_it_does_not_matter_which_of_the_copies_stays():
    found = planted.duplicates(COPIES, {"a": "exact_duplicate", "b": None, "c": "near_duplicate"})
    assert [line["recall"] for line in found["pairs"].values()] == [1.0, 1.0]
    assert [line["wrong"] for line in found["drops"].values()] == [0, 0]


def test_dropping_the_last_record_of_a_picture_is_wrong():
    found = planted.duplicates(COPIES, {"a": None, "d": "near_duplicate", "e": "near_duplicate"})
    assert found["drops"]["near"] == {"dropped": 2, "wrong": 2, "precision": 0.0}
    assert found["same_scene"] == 1


def test_of_a_picture_that_is_gone_altogether_one_drop_is_wrong():
    near = planted.duplicates(COPIES, {"a": "near_duplicate", "b": "exact_duplicate"})["drops"]
    exact = planted.duplicates(COPIES, {"a": "exact_duplicate", "b": "exact_duplicate"})["drops"]
    assert (near["near"]["wrong"], near["exact"]["wrong"]) == (1, 0)
    assert (exact["near"]["wrong"], exact["exact"]["wrong"]) == (0, 1)


def test_records_dropped_for_another_reason_are_no_test_of_duplicates():
    found = planted.duplicates(COPIES, {"a": "unsafe", "b": None, "c": "takedown"})
    assert found["pairs"]["exact"]["recall"] is None


FAULTS = _truth(
    a=(RED, "tiny", None),
    b=(RED, "tiny", None),
    c=(RED, "tiny", None),
    d=(RED, None, None),
    e=(RED, "unsafe", None),
)


def test_faults_are_found_among_the_records_that_were_met():
    found = planted.faults(FAULTS, {"a": "too_small", "b": None, "d": "too_small", "e": "takedown"})
    assert found["by_fault"]["tiny"] == {
        "reason": "too_small",
        "planted": 3,
        "met": 2,
        "found": 1,
        "recall": 0.5,
        "dropped": 2,
        "precision": 0.5,
    }
    assert found["by_fault"]["unsafe"]["recall"] == 0.0
    assert found["by_fault"]["video"]["recall"] is None
    assert found["others"] == {"takedown": 1}


def test_duplicates_are_no_other_reason():
    assert planted.faults(FAULTS, {"d": "near_duplicate"})["others"] == {}
