"""What looking costs: CPU seconds of the attention probe over those of the whole run.

    python tests/observe/recording_cost.py [key=value ...]

trains the default run, or what the overrides make of it, in this process, and says which share of its CPU time went
into the probe, W&B's pictures included.
"""

from __future__ import annotations

import sys
import time
from typing import Any

import pytorch_lightning as pl

from regard.config.compose import compose_points, freeze
from regard.observe.callbacks.attention import AttentionProbe
from regard.runs.work import work


def main() -> int:
    spent = {"probe": 0.0, "validations": 0.0}
    record = AttentionProbe.on_validation_end

    def measured(self: AttentionProbe, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        begin = time.process_time()
        record(self, trainer, pl_module)
        spent["probe"] += time.process_time() - begin
        spent["validations"] += 1

    probe: Any = AttentionProbe
    probe.on_validation_end = measured
    (run,) = freeze(compose_points(sys.argv[1:]))
    begin = time.process_time()
    code = work(run.path)
    total = time.process_time() - begin
    share = spent["probe"] / total
    print(
        f"{run.path}: probe {spent['probe']:.2f} s of {total:.1f} s CPU, {spent['validations']:.0f} times: {share:.2%}"
    )
    return code


if __name__ == "__main__":
    sys.exit(main())
