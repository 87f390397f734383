"""The device that tests/gpu needs. With REGARD_TEST_ACCELERATOR=cpu a CPU stands in for it, to try the tests."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from regard.runs.folder import RunFolder

MakeRun = Callable[..., RunFolder]


@pytest.fixture(scope="session")
def accelerator() -> str:
    """``trainer.accelerator``. Skips the test where there is no GPU."""
    import torch

    if os.environ.get("REGARD_TEST_ACCELERATOR") == "cpu":
        return "cpu"
    if not torch.cuda.is_available():
        pytest.skip("needs a GPU (REGARD_TEST_ACCELERATOR=cpu runs the test on a CPU)")
    return "gpu"


@pytest.fixture
def device(accelerator: str) -> Iterator[Any]:
    """The torch device, with the kernels of training in float32."""
    import torch

    from regard.training.precision import choose_kernels

    choose_kernels("32-true", accelerator)
    yield torch.device("cuda" if accelerator == "gpu" else "cpu")
    choose_kernels("32-true", "cpu")


@pytest.fixture
def make_task_run(request: pytest.FixtureRequest) -> MakeRun:
    """Freezes a small run of a task by its name; more arguments override."""
    fixtures = {
        "translation": "make_run",
        "language": "make_language_run",
        "answers": "make_answers_run",
        "captioning": "make_captioning_run",
        "text_to_image": "make_drawing_run",
    }

    def make(task: str, *overrides: str) -> RunFolder:
        run: RunFolder = request.getfixturevalue(fixtures[task])(*overrides, "name=gpu")
        return run

    return make
