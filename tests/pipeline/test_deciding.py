from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline import deciding, params, tables
from pipeline.cleaning import REASONS, CleanParams, HeldOut, Wording
from pipeline.deciding import EVIDENCE, FINE, KEPT, NAMES, evidence_of, judge
from pipeline.grouping import split_of
from pipeline.looks import THUMBNAIL_BYTES, Look
from pipeline.picture_facts import FACTS, FAULTS
from pipeline.sources.record import RECORDS

CONFIG = params.load(CleanParams, "clean", Path(__file__).parents[2] / "params.yaml").model_copy(
    update={"phash_distance": 4, "min_side_px": 48}
)


def row(name, **changes):
    """Evidence about one row; ``picture`` and ``prompt`` are told by words."""
    number = sum(map(ord, name))
    values = {
        "picture": name,
        "prompt": f"prompt {name}",
        "taken_down": False,
        "held_out": False,
        "nsfw_level": 1,
        "fault": FINE,
        "width": 64,
        "height": 64,
        "phash": number * 0x9E3779B97F4A7C15 % 2**64,
        "thumbnail": bytes([number % 256]) * THUMBNAIL_BYTES,
        **changes,
    }
    found = np.zeros(1, EVIDENCE)
    for field, value in values.items():
        match field:
            case "picture" | "prompt":
                found[field] = deciding.short_digest(value.encode())
            case "thumbnail":
                found[field] = np.frombuffer(value, np.uint8)
            case _:
                found[field] = value
    found["look"] = deciding.short_digest(f"{values['phash']}".encode() + values["thumbnail"])
    return found


def judged(*rows, config=CONFIG, **options):
    return judge(np.concatenate(rows), config, **options)


def reasons(*rows, **options):
    return [None if number == KEPT else REASONS[number] for number in judged(*rows, **options).reasons]


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({}, None),
        ({"fault": FAULTS.index("broken_image"), "width": 0, "height": 0}, "broken_image"),
        ({"fault": FAULTS.index("too_many_pixels"), "width": 0, "height": 0}, "too_many_pixels"),
        ({"width": 47}, "too_small"),
        ({"width": 48, "height": 144}, None),
        ({"width": 48, "height": 145}, "too_long"),
        ({"nsfw_level": 2}, "unsafe"),
        ({"nsfw_level": 0}, None),
        ({"prompt": ""}, "no_prompt"),
        ({"other_language": True}, "other_language"),
        ({"refused_word": True, "held_out": True}, "refused_word"),
        ({"held_out": True}, "evaluation_prompt"),
        ({"held_out": True, "width": 3, "nsfw_level": 9}, "too_small"),
    ],
)
def test_a_sample_is_dropped_for_its_first_fault(changes, reason):
    assert reasons(row("a", **changes)) == [reason]


def test_a_takedown_removes_the_picture_and_its_exact_copies():
    assert reasons(row("a", taken_down=True), row("b", picture="a"), row("c")) == ["takedown", "takedown", None]


NEAR = {"phash": 2**64 - 1, "thumbnail": bytes(THUMBNAIL_BYTES)}
ALSO = {"phash": 2**64 - 2, "thumbnail": bytes([3]) * THUMBNAIL_BYTES}


def test_near_copies_of_a_removed_picture_go_with_it_and_none_comes_in_its_place():
    assert reasons(row("a", taken_down=True, **NEAR), row("b", **ALSO), row("c")) == ["takedown", "takedown_copy", None]


def test_near_copies_of_a_picture_that_was_removed_earlier_go_by_its_look():
    look = Look(NEAR["phash"], NEAR["thumbnail"])
    assert reasons(row("b", **ALSO), row("c"), removed=[look]) == ["takedown_copy", None]


def test_what_looks_like_a_near_copy_only_stays():
    far = {"phash": 2**64 - 1 - 0x1F, "thumbnail": bytes(THUMBNAIL_BYTES)}
    assert reasons(row("a", taken_down=True, **NEAR), row("b", **ALSO), row("c", **far)) == [
        "takedown",
        "takedown_copy",
        None,
    ]


def test_a_broken_picture_that_is_taken_down_has_no_look():
    broken = {"fault": 0, "phash": 0, "thumbnail": bytes(THUMBNAIL_BYTES)}
    assert reasons(row("a", taken_down=True, **broken), row("b", **broken), row("c", **{**broken, "fault": FINE})) == [
        "takedown",
        "no_image",
        None,
    ]


def test_a_copy_of_an_unsafe_picture_is_unsafe_wherever_it_is_unrated():
    assert reasons(row("a", nsfw_level=0), row("b", picture="a", nsfw_level=8)) == ["unsafe", "unsafe"]


def test_of_exact_duplicates_the_first_stays():
    assert reasons(row("a"), row("b", picture="a")) == [None, "exact_duplicate"]


def test_the_prompt_of_a_dropped_exact_copy_joins_no_group_that_of_a_near_one_does():
    exact = judged(row("a"), row("b", picture="a", prompt="shared"), row("c", prompt="shared"))
    assert len({exact.groups[0], exact.groups[2]}) == 2
    near = judged(row("a", **NEAR), row("b", prompt="shared", **ALSO), row("c", prompt="shared"))
    assert len({near.groups[0], near.groups[2]}) == 1


def test_a_dropped_sample_does_not_count_as_the_first():
    assert reasons(row("a", prompt=""), row("b", picture="a"), row("c", picture="a")) == [
        "no_prompt",
        None,
        "exact_duplicate",
    ]


def test_of_near_duplicates_the_first_stays():
    assert reasons(row("a", **NEAR), row("b", **ALSO)) == [None, "near_duplicate"]


def test_pictures_that_look_the_very_same_are_near_duplicates_of_the_first():
    assert reasons(row("a", **NEAR), row("b", **NEAR), row("c", **ALSO), row("d", **NEAR)) == [
        None,
        "near_duplicate",
        "near_duplicate",
        "near_duplicate",
    ]


def test_what_looks_like_a_dropped_picture_only_stays_but_shares_its_group():
    chain = [{"phash": bits, "thumbnail": bytes(THUMBNAIL_BYTES)} for bits in (0x0, 0xF, 0xFF)]
    found = judged(*(row(name, **looks) for name, looks in zip("abc", chain, strict=True)))
    assert [KEPT if number == KEPT else REASONS[number] for number in found.reasons] == [KEPT, "near_duplicate", KEPT]
    assert found.groups.tolist() == [0, 0, 0]


def test_exact_and_near_duplicates_and_equal_prompts_share_a_group():
    found = judged(row("a", **NEAR), row("b", picture="a"), row("c", **ALSO), row("d", prompt="prompt c"), row("e"))
    assert found.groups.tolist() == [0, 0, 0, 0, 4]


@st.composite
def _evidence(draw):
    """Rows with few pictures, prompts and looks among them, so that groups meet in every way."""
    rows = [
        row(
            f"{number}",
            picture=f"p{draw(st.integers(0, 6))}" if draw(st.booleans()) else f"own {number}",
            prompt=draw(st.sampled_from(["", "one", "two", "three", f"own {number}"])),
            phash=draw(st.sampled_from([0, 0x3, 0x3F, 0x3FF, 0xFFFF0000, number * 0x9E3779B97F4A7C15 % 2**64])),
            thumbnail=bytes([draw(st.sampled_from([0, 4, 9, 200]))]) * THUMBNAIL_BYTES,
            nsfw_level=draw(st.sampled_from([0, 1, 1, 4])),
            taken_down=draw(st.integers(0, 9)) == 0,
        )
        for number in range(draw(st.integers(1, 14)))
    ]
    return np.concatenate(rows)


@settings(max_examples=150)
@given(_evidence())
def test_nothing_leaks_between_splits(evidence):
    found = judge(evidence, CONFIG)
    kept = np.flatnonzero(found.reasons == KEPT)
    splits = {
        one: split_of(f"s{found.groups[one]:03d}", seed=3, val_share=0.3, test_share=0.3) for one in kept.tolist()
    }
    for one, split in splits.items():
        for other, other_split in splits.items():
            distance = int(evidence["phash"][one] ^ evidence["phash"][other]).bit_count()
            difference = np.abs(evidence["thumbnail"][one].astype(int) - evidence["thumbnail"][other]).mean()
            near = distance <= CONFIG.phash_distance and difference <= CONFIG.colour_distance
            same = evidence["picture"][one] == evidence["picture"][other]
            assert one == other or not near
            assert one == other or not same
            if evidence["prompt"][one] == evidence["prompt"][other]:
                assert split == other_split


@settings(max_examples=100)
@given(_evidence())
def test_no_row_that_stays_looks_like_one_that_was_taken_down(evidence):
    found = judge(evidence, CONFIG)
    gone = evidence[found.reasons == REASONS.index("takedown")]
    for one in evidence[found.reasons == KEPT]:
        for other in gone:
            distance = int(one["phash"] ^ other["phash"]).bit_count()
            difference = np.abs(one["thumbnail"].astype(int) - other["thumbnail"]).mean()
            assert distance > CONFIG.phash_distance or difference > CONFIG.colour_distance
            assert one["picture"] != other["picture"]


def test_nothing_at_all_is_judged_too():
    found = judge(np.zeros(0, EVIDENCE), CONFIG)
    assert (len(found.reasons), len(found.groups)) == (0, 0)


def test_evidence_is_read_from_rows_and_facts():
    names = [*NAMES, "complex_prompt", "nsfw_level"]
    values = {"sample_id": ["a", "b"], "page_url": ["https://p/a", "https://p/b"], "image_url": ["https://i/a", "x"]}
    values |= {"image_sha256": ["0" * 64, "1" * 64], "complex_prompt": ["Two  stars", " "], "nsfw_level": [4, 0]}
    rows = pa.table({name: values[name] for name in names})
    facts = tables.from_rows(
        [
            {"fault": None, "width": 5, "height": 6, "phash": "f" * 16, "thumbnail": b"\x07" * THUMBNAIL_BYTES},
            {"fault": "no_image", "width": 0, "height": 0, "phash": "", "thumbnail": b""},
        ],
        FACTS,
    )
    held_out, wording = HeldOut(["two stars"]), Wording(0.5, ["STARS"])
    found = evidence_of(rows, facts, taken_down={"https://p/b"}, held_out=held_out, wording=wording)
    assert found["refused_word"].tolist() == [True, False]
    assert found["other_language"].tolist() == [False, False]
    assert found["held_out"].tolist() == [True, False]
    assert found["taken_down"].tolist() == [False, True]
    assert found["fault"].tolist() == [FINE, FAULTS.index("no_image")]
    assert found["phash"].tolist() == [2**64 - 1, 0]
    assert found["thumbnail"].max(axis=1).tolist() == [7, 0]
    assert (found["prompt"] == b"").tolist() == [False, True]
    assert found["nsfw_level"].tolist() == [4, 0]
    assert set(names) - {"image_sha256"} <= set(RECORDS.names)
