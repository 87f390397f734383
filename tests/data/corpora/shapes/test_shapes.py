"""The embedded corpus of images: seeded, any size, disjoint parts, held-out combinations."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections import Counter
from hashlib import blake2b
from itertools import product

import pytest

from regard.data.corpora.corpus import SPLITS
from regard.data.corpora.shapes import combinations
from regard.data.corpora.shapes.combinations import COLOURS, HELD_OUT_PAIRS, NUMBERS, SHAPES, SIZES
from regard.data.corpora.shapes.scene import read_scene
from regard.data.corpora.shapes.shapes import Shapes
from regard.errors import RegardError, UsageError


def corpus(size: int = 300, **arguments: float) -> Shapes:
    return Shapes(size, **{"validation_size": 60, "test_size": 70, "held_out_size": 80} | arguments)


def digest() -> str:
    some = corpus(size=50)
    parts = [*map(some.records, SPLITS), *some.held_out().values()]
    records = [record for part in parts for record in part]
    images = b"".join(some.read_image(reference).tobytes() for reference, _ in records[:20])
    return blake2b(repr(records).encode() + images).hexdigest()


def test_every_part_has_the_requested_size() -> None:
    some = corpus(size=123)
    assert [len(list(some.records(split))) for split in SPLITS] == [123, 60, 70]
    assert {name: len(list(part)) for name, part in some.held_out().items()} == {"tuples": 80, "pairs": 80}


def test_another_process_and_hash_seed_give_the_same_scenes_and_images() -> None:
    code = "import runpy, sys; print(runpy.run_path(sys.argv[1])['digest']())"
    environment = os.environ | {"PYTHONHASHSEED": "7", "PYTHONPATH": os.pathsep.join(sys.path)}
    command = (sys.executable, "-c", code, __file__)
    other = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    assert other.stdout.strip() == digest() == digest()


def test_another_seed_gives_other_scenes() -> None:
    assert set(corpus().records("test")).isdisjoint(corpus(seed=2).records("test"))


def test_records_are_drawn_lazily() -> None:
    assert next(corpus(size=10**12).records("train"))


def test_other_parts_do_not_depend_on_the_size_of_the_training_part() -> None:
    few, many = corpus(size=5), corpus(size=50)
    for split in ("validation", "test"):
        assert list(few.records(split)) == list(many.records(split))
    for name in ("tuples", "pairs"):
        assert list(few.held_out()[name]) == list(many.held_out()[name])
    assert list(few.records("train")) == list(many.records("train"))[:5]


def test_no_scene_is_in_two_parts() -> None:
    some = corpus(size=2000, validation_size=300, test_size=300)
    parts = [*(list(some.records(split)) for split in SPLITS), *map(list, some.held_out().values())]
    references = [reference for part in parts for reference, _ in part]
    assert len(set(references)) == len(references)


def test_a_scene_of_the_test_part_is_refused_in_training(monkeypatch: pytest.MonkeyPatch) -> None:
    some = corpus()
    scenes, validation = ([read_scene(each) for each, _ in some.records(part)] for part in ("test", "validation"))
    new = scenes[2]._replace(background=1)
    # The training part draws the first two scenes of the test part before a new one.
    drawn = iter([*scenes, *validation, *scenes[:2], new])
    monkeypatch.setattr("regard.data.corpora.shapes.shapes.draw_scene", lambda *_: next(drawn))
    monkeypatch.setattr("regard.data.corpora.shapes.shapes.describe", lambda *_: "")
    assert [read_scene(each) for each, _ in corpus(size=1).records("train")] == [new]


def test_the_tuples_are_divided_into_seen_and_held_out() -> None:
    seen, tuples, pairs = map(set, (combinations.SEEN, combinations.HELD_OUT_TUPLES, combinations.WITH_HELD_OUT_PAIR))
    assert seen | tuples | pairs == set(product(NUMBERS, SIZES, COLOURS, SHAPES))
    assert [len(seen), len(tuples), len(pairs)] == [224, 32, 32]
    assert {each.pair for each in pairs} == HELD_OUT_PAIRS
    for words in zip(*HELD_OUT_PAIRS, strict=True):
        assert len(set(words)) == 4, "no colour and no shape is in two held-out pairs"
    assert {each.pair for each in seen} == {each.pair for each in tuples} == {each.pair for each in seen | tuples}
    # Balanced: the held-out tuples are as difficult as the others.
    assert set(Counter(each[:2] for each in tuples).values()) == {4}
    assert set(Counter(each.pair for each in tuples).values()) == {1}


def test_training_has_every_seen_tuple_and_no_other() -> None:
    some = corpus(size=3000)
    groups = {split: described(some.records(split)) for split in SPLITS}
    assert {each for scene in groups["train"] for each in scene} == set(combinations.SEEN)
    for split in ("validation", "test"):
        assert {each for scene in groups[split] for each in scene} <= set(combinations.SEEN)
    assert all(930 < count < 1070 for count in Counter(map(len, groups["train"])).values())


def test_one_group_of_a_held_out_scene_is_held_out() -> None:
    for name, unseen in (("tuples", combinations.HELD_OUT_TUPLES), ("pairs", combinations.WITH_HELD_OUT_PAIR)):
        scenes = described(corpus().held_out()[name])
        places = Counter(index for scene in scenes for index, each in enumerate(scene) if each in unseen)
        assert sum(places.values()) == len(scenes)
        assert len(places) == 3, "the held-out group is the first, second or third"
        assert all(each in unseen or each in combinations.SEEN for scene in scenes for each in scene)


def test_the_groups_of_a_scene_have_different_pairs() -> None:
    for scene in described(corpus(size=1000).records("train")):
        assert len({each.pair for each in scene}) == len(scene)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"size": 0}, r"^data\.size=0: expected an integer >= 1$"),
        ({"size": 1.5}, r"^data\.size=1\.5"),
        ({"validation_size": True}, r"^data\.validation_size=True"),
        ({"test_size": -1}, r"^data\.test_size=-1"),
        ({"held_out_size": "many"}, r"^data\.held_out_size=many"),
        ({"seed": None}, r"^data\.seed=None"),
        ({"pixels": 15}, r"^data\.pixels=15: expected an integer from 16 to 512$"),
        ({"pixels": 48.0}, r"^data\.pixels=48\.0"),
        ({"most_groups": 4}, r"^data\.most_groups=4: expected an integer from 1 to 3$"),
        ({"most_objects": 0}, r"^data\.most_objects=0: expected an integer from 1 to 4$"),
        ({"most_objects": True}, r"^data\.most_objects=True"),
        ({"side": 23, "most_objects": 1}, r"^data\.side=23: expected a number from 24 to 48$"),
        ({"side": 40}, r"^data\.side=40: groups of several objects need data\.side=48; or give data\.most_objects=1$"),
    ],
)
def test_the_error_of_an_invalid_argument_names_it(arguments: dict[str, object], message: str) -> None:
    bad = Shapes(**arguments)
    for call in (bad.check, lambda: next(bad.records("train")), bad.held_out):
        with pytest.raises(UsageError, match=message):
            call()


@pytest.mark.parametrize("key", "size seed pixels validation_size test_size held_out_size".split())
def test_the_fingerprint_depends_on_every_argument(key: str) -> None:
    assert corpus().fingerprint() == corpus().fingerprint()
    assert corpus(**{key: 99}).fingerprint() != corpus().fingerprint()


def test_without_limits_scenes_and_fingerprint_are_those_of_earlier_versions() -> None:
    some = corpus(size=50)
    parts = [list(part) for part in (*map(some.records, SPLITS), *some.held_out().values())]
    assert blake2b(repr(parts).encode(), digest_size=16).hexdigest() == "9f2435351d19dd4c27b4c9a902717af4"
    assert "most_groups" not in corpus(most_groups=3).fingerprint()
    for key, limit in (("most_groups", 2), ("most_objects", 3)):
        assert corpus(**{key: limit}).fingerprint() == {**corpus().fingerprint(), key: limit}


@pytest.mark.parametrize(("groups", "objects"), [(1, 1), (2, 1), (1, 3), (3, 2)])
def test_limits_hold_in_every_part_and_leave_every_colour_and_shape(groups: int, objects: int) -> None:
    some = corpus(size=1000, most_groups=groups, most_objects=objects)
    parts = {**{split: described(some.records(split)) for split in SPLITS}, **described_held_out(some)}
    for scenes in parts.values():
        assert {len(scene) for scene in scenes} == set(range(1, groups + 1))
        assert {each.number for scene in scenes for each in scene} == set(range(1, objects + 1))
    assert {each for scene in parts["train"] for each in scene} == {
        each for each in combinations.SEEN if each.number <= objects
    }
    for values, position in ((COLOURS, 2), (SHAPES, 3), (SIZES, 1)):
        assert {each[position] for scene in parts["train"] for each in scene} == set(values)
    for name, unseen in (("tuples", combinations.HELD_OUT_TUPLES), ("pairs", combinations.WITH_HELD_OUT_PAIR)):
        assert all(sum(each in unseen for each in scene) == 1 for scene in parts[name])


GROUP = '["small","blue","circle",[[9,9,3,0,[1,2,3]]]]'


@pytest.mark.parametrize(
    ("reference", "why"),
    [
        ("", "Expecting value"),
        ("photo.png", "Expecting value"),
        ("[]", "list indices"),
        ("3", "not subscriptable"),
        ("[" * 100_000, ""),
        ("{}", "'groups' is missing"),
        ('{"groups":[]}', "expected 1 to 3 groups"),
        ('{"groups":[["small","blue","circle",[]]]}', "expected 1 to 4 objects"),
        ('{"groups":[["small","blue","circle"]]}', "not enough values"),
        ('{"groups":[["small","pink","circle",[]]]}', "expected one of red, .*purple, found 'pink'"),
        (f'{{"groups":[{GROUP.replace("3,0", "3")}]}}', "not enough values"),
        (f'{{"groups":[{GROUP.replace("9,9", "9,46")}]}}', "inside the image"),
        (f'{{"groups":[{GROUP.replace("9,9", "NaN,9")}]}}', "inside the image"),
        (f'{{"groups":[{GROUP.replace("1,2,3", "1,2,300")}]}}', "integer from 0 to 255, found 300"),
        (f'{{"groups":[{GROUP}],"relations":["above"]}}', "expected 0 relations"),
        (f'{{"groups":[{GROUP},{GROUP}],"relations":["near"]}}', "expected one of left of"),
        (f'{{"groups":[{GROUP}],"relations":[],"pixels":1e9,"background":9}}', "integer from 16 to 512"),
    ],
)
def test_the_error_of_a_malformed_reference_says_what_is_wrong(reference: str, why: str) -> None:
    some = corpus()
    for call in (some.read_image, lambda text: some.judge(text, ""), lambda text: some.mentions(text, "")):
        with pytest.raises(RegardError, match=f"is not the reference of a scene .*{why}.*; use one from") as caught:
            call(reference)
        assert "\n" not in str(caught.value)
        assert len(str(caught.value)) < 500


def described_held_out(some: Shapes) -> dict[str, list[list[combinations.Description]]]:
    return {name: described(records) for name, records in some.held_out().items()}


def described(records: object) -> list[list[combinations.Description]]:
    return [[group.description for group in read_scene(reference).groups] for reference, _ in records]


def test_a_smaller_side_shows_larger_objects_in_the_same_scenes_of_words() -> None:
    small, whole = corpus(size=100, pixels=24, most_objects=1, side=24), corpus(size=1, most_objects=1)
    for reference, caption in small.records("train"):
        scene, pixels = read_scene(reference), small.read_image(reference)
        assert scene.side == 24
        assert all(0 <= each.x - each.radius <= each.x + each.radius <= 24 for g in scene.groups for each in g.objects)
        assert small.judge(reference, caption).exact
        for mention in small.mentions(reference, caption):
            assert mention.mask.shape == (24, 24)
            assert (pixels[mention.mask].min(axis=-1) < 200).all()
        judgement = small.judge_picture(pixels, caption)
        assert judgement is not None
        assert judgement.exact, caption
        drawn = {(each.start, each.kind): each.mask for each in small.picture_mentions(pixels, caption)}
        for each in small.mentions(reference, caption):
            both, either = (
                (drawn[each.start, each.kind] & each.mask).sum(),
                (drawn[each.start, each.kind] | each.mask).sum(),
            )
            assert both > 0.7 * either
    assert "side" not in json.loads(next(whole.records("train"))[0])
