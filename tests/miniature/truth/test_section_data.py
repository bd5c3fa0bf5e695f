from miniature.truth import section_data


def _kinds(**kinds):
    return {"by_kind": {name.replace("_", " "): line for name, line in kinds.items()}, "mixed_up": 0}


def _caption(whole, **fields):
    fields = {"count": 0.5, "colour": 0.9, "kind": 0.9, "ground": 1.0, **fields}
    return {"captions": 10, **fields, "all": whole}


def test_a_table_is_markdown():
    assert section_data.table(["a", "b"], [[1, "x"]]) == "| a | b |\n| --- | --- |\n| 1 | x |"


def test_captions_name_the_best_and_the_worst():
    found = _kinds(all=_caption(0.4), shapes=_caption(0.6), two_groups=_caption(0.1))
    _, table, text = section_data.captions(found)
    assert "| two groups | 10 | 50.0 % | 90.0 % | 90.0 % | – | 100.0 % | 10.0 % |" in table
    assert text.startswith("40.0 % of 10 captions say all of their picture and nothing else.")
    assert "The count is right least often (50.0 %), the ground most (100.0 %)." in text
    assert "two groups are told worst (10.0 % wholly right) and shapes best (60.0 %)" in text
    assert text.endswith("No caption has every value right and gives it to the wrong group.")


def test_captions_without_difference_name_none():
    same = dict.fromkeys(("count", "colour", "kind", "ground"), 1.0)
    text = section_data.captions({**_kinds(all=_caption(1.0, **same), shapes=_caption(1.0, **same)), "mixed_up": 1})[-1]
    assert "least often" not in text
    assert "told worst" not in text
    assert "1 caption has every value right" in text
    assert (
        "2 captions have"
        in section_data.captions({**_kinds(all=_caption(1.0), people=_caption(1.0)), "mixed_up": 2})[-1]
    )


def _duplicates(missed, wrong, same_scene=0):
    pairs = {"planted": 5, "pairs": 4, "found": 4 - missed, "recall": (4 - missed) / 4}
    drops = {"dropped": 6, "wrong": wrong, "precision": (6 - wrong) / 6}
    exact = {"planted": 5, "pairs": 4, "found": 4, "recall": 1.0}
    right = {"dropped": 4, "wrong": 0, "precision": 1.0}
    return {
        "pairs": {"exact": exact, "near": pairs}, "drops": {"exact": right, "near": drops}, "same_scene": same_scene,
    }  # fmt: skip


def test_duplicates_that_were_missed_and_drops_that_were_wrong_are_told():
    _, table, text = section_data.duplicates(_duplicates(1, 2, 1))
    assert "| near | 5 | 3 of 4 (75.0 %) | 4 of 6 (66.7 %) |" in table
    assert "Missed: 1 near." in text
    assert "2 of 10 (20.0 %) drops took the last record of a picture" in text
    assert "for 1 of them another picture of the same scene stays" in text


def test_faultless_duplicates_are_told_as_such():
    text = section_data.duplicates(_duplicates(0, 0))[-1]
    assert "No pair was missed. None of the 10 drops took the last record of a picture." in text


def _fault(reason, *, met=2, found=2, dropped=2):
    return {
        "reason": reason,
        "planted": 3,
        "met": met,
        "found": found,
        "recall": found / met if met else None,
        "dropped": dropped,
        "precision": found / dropped if dropped else None,
    }


def test_cleaning_names_what_was_missed_wrong_or_never_met():
    lines = {
        "tiny": _fault("too_small", found=1),
        "no_prompt": _fault("no_prompt", dropped=4),
        "grid": _fault("grid", met=0, found=0, dropped=0),
    }
    _, table, text = section_data.cleaning({"by_fault": lines, "others": {"takedown": 3, "too_long": 1}})
    assert "| no prompt | no_prompt | 3 | 2 | 2 | 100.0 % | 4 | 50.0 % |" in table
    assert "| grid | grid | 3 | 0 | 0 | – | 0 | – |" in table
    assert "Not all were found of tiny." in text
    assert "Some drops were wrong for too small and no prompt." in text
    assert "None was met of grid." in text
    assert text.endswith("were not planted: takedown (3) and too long (1).")


def test_faultless_cleaning_is_told_as_such():
    text = section_data.cleaning({"by_fault": {"tiny": _fault("too_small")}, "others": {}})[-1]
    assert "Every fault that was met was found. No drop for these reasons was wrong." in text
    assert "None was met" not in text
    assert text.endswith("were not planted: none.")
