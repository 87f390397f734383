"""A trained model of sequences with answers."""

from __future__ import annotations

from regard.inference.answer_model import AnswerModel


def test_the_commands_to_try_work_with_every_mixer() -> None:
    # `regard heads` refuses a model without attention.
    verbs = {command.split()[1] for command in AnswerModel.try_next("RUN", "abc*de*")}
    assert verbs == {"generate", "attend"}
