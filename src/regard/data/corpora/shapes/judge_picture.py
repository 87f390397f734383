"""Which parts of a prompt are true of a picture."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Hashable, Mapping, Sequence

from regard.data.corpora.shapes.combinations import Description
from regard.data.corpora.shapes.grammar import parse, read_phrases
from regard.data.corpora.shapes.judge import Judgement, best_matches, judge_caption, true_relations
from regard.data.corpora.shapes.read_picture import Reading

ATTRIBUTES: Mapping[str, Callable[[Description], Hashable]] = {
    "size": lambda each: each.size,
    "colour": lambda each: each.colour,
    "shape": lambda each: each.shape,
    "binding": lambda each: each.pair,
}
"""What is counted over the groups of a prompt. "binding" is the right colour on the right shape."""


def judge_picture(reading: Reading, prompt: str) -> Judgement | None:
    """Compare a picture with the prompt from which it was generated.

    A picture is exact if its spots are clearly objects, and `judge_caption` finds the prompt exact for its scene.

    The counts of "size", "colour", "shape" and "binding" are over the groups of the prompt. The groups of the picture
    need not agree otherwise: a blue circle and a red square have the colours and the shapes of "a red circle left of a
    blue square", but not the binding. Each value that is missing in the picture makes one group wrong, and so does each
    value that only the picture has, unless it is instead of a missing one. "number" is 1 of 1 if the picture has as
    many objects as the prompt. "relation" is counted as by `judge_caption`, over the relations of the prompt.

    Returns:
        None if the prompt does not follow the grammar, or has two groups that only differ in their number: in a picture
        they are one group.
    """
    parsed = parse(prompt)
    if parsed is None:
        return None
    wanted, relations = parsed
    if len({(each.size, each.pair) for each in wanted}) < len(wanted):
        return None
    scene, clear = reading
    shown = [group.description for group in scene.groups]
    same_number = sum(each.number for each in shown) == sum(each.number for each in wanted)
    correct = {"number": (int(same_number), 1)}
    for name, value in ATTRIBUTES.items():
        correct[name] = (_agreeing(list(map(value, wanted)), list(map(value, shown))), len(wanted))
    phrases = read_phrases(prompt)
    correct["relation"] = (true_relations(scene, phrases, best_matches(scene, phrases)), len(relations))
    exact = clear and len(shown) == len(wanted) and judge_caption(scene, prompt).exact
    return Judgement(exact, correct)


def _agreeing(wanted: Sequence[Hashable], shown: Sequence[Hashable]) -> int:
    """Return how many wanted values are shown, less the values that were not wanted (those instead of others apart)."""
    missing = (Counter(wanted) - Counter(shown)).total()
    additional = len(set(shown) - set(wanted))
    return max(0, len(wanted) - max(missing, additional))
