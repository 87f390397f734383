"""Comparison of runs: order, differing keys, means over seeds, incomplete folders."""

from __future__ import annotations

import csv
import io
import json
import math
import os
import re
import subprocess
import sys
import time
import warnings
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

from regard.compare.comparison import Aggregate, Comparison, aggregate, choose_metric, compare
from regard.compare.flat_config import load_flat_config
from regard.compare.page import fit_maps, points_per_curve, write_page
from regard.compare.run import read_run, read_runs
from regard.compare.run_files import Curve, read_curves
from regard.compare.table import as_csv
from regard.config.flatten import flatten
from regard.errors import RegardError, UsageError
from regard.observe.draw.plotly_page import escape_script, to_json_value
from regard.runs.folder import RunFolder

CopyRun = Callable[..., RunFolder]
LOSS = "validation/loss"


def losses(*values: float, metric: str = LOSS) -> list[dict[str, Any]]:
    return [{"step": step, metric: value} for step, value in enumerate(values, start=1)]


def compared(*runs: RunFolder, metric: str | None = None, mode: Any = None) -> Comparison:
    return compare([read_run(run, run.path.name) for run in runs], metric, mode)


def names(comparison: Comparison) -> list[str]:
    return [run.name for run in comparison.runs]


def page_data(page: Path) -> dict[str, Any]:
    found = re.search(r'<script type="application/json" id="data">(.*?)</script>', page.read_text("utf-8"), re.DOTALL)
    assert found
    return json.loads(found[1])


# ---- order ------------------------------------------------------------------------------------------------


def test_runs_are_sorted_by_their_best_value_and_runs_without_one_are_last(tmp_path: Path, copy_run: CopyRun) -> None:
    a = copy_run(tmp_path / "a", rows=losses(3, 1, 9))
    b = copy_run(tmp_path / "b", rows=losses(3, 2, 2))
    none = copy_run(tmp_path / "none", rows=losses(1, metric="train/loss"))
    nan = copy_run(tmp_path / "nan", rows=losses(math.nan, 1.5, math.inf, -math.inf))
    comparison = compared(none, b, nan, a)
    assert names(comparison) == ["a", "nan", "b", "none"]
    assert comparison.runs[0].best(LOSS, "min") == (1.0, 2)
    assert comparison.runs[0].final[LOSS] == 9
    assert comparison.score(comparison.runs[3]) is None
    assert names(compared(a, b, nan, mode="max"))[0] == "a", "with mode max, 9 is the best"


@pytest.mark.parametrize(
    ("metric", "mode"),
    [
        ("validation/perplexity", "min"),
        ("test/bits_per_byte", "min"),
        ("validation/bleu", "max"),
        ("validation/exact", "max"),
    ],
)
def test_the_default_mode_follows_from_the_name(tmp_path: Path, copy_run: CopyRun, metric: str, mode: str) -> None:
    run = copy_run(tmp_path / "a", {"callbacks.best": None}, losses(1, 2, metric=metric))
    assert choose_metric([read_run(run, "a")], metric, None) == (metric, mode)


def test_the_default_metric_is_that_of_the_best_checkpoint(tmp_path: Path, copy_run: CopyRun) -> None:
    best = {"callbacks.best.monitor": "validation/odd_loss", "callbacks.best.mode": "max"}
    run = copy_run(tmp_path / "a", best, losses(1, 2, metric="validation/odd_loss"))
    comparison = compared(run)
    assert (comparison.metric, comparison.mode) == ("validation/odd_loss", "max")
    assert comparison.score(comparison.runs[0]) == 2


def test_an_unknown_metric_is_an_error_with_the_known_ones(tmp_path: Path, copy_run: CopyRun) -> None:
    run = copy_run(tmp_path / "a", rows=losses(1))
    with pytest.raises(
        UsageError, match=r"--metric validation/blue: no run has this metric; expected one of validation/loss"
    ):
        compared(run, metric="validation/blue")


# ---- what differs -----------------------------------------------------------------------------------------


def test_columns_are_differing_keys_without_copies(tmp_path: Path, copy_run: CopyRun) -> None:
    """The size of the corpus is copied within the configuration, and the cache is a place."""
    runs = [
        copy_run(
            tmp_path / str(size),
            {"data.size": size, "batches.corpus.size": size, "paths.cache": f"/{size}", "batches.cache": f"/{size}"},
        )
        for size in (100, 200)
    ]
    (runs[0].path / "overrides.yaml").write_text("[data.size=100]")
    (runs[1].path / "overrides.yaml").write_text("[data.size=200]")
    comparison = compared(*runs)
    assert comparison.columns == ["data.size"]
    assert set(comparison.differing) == {"data.size", "batches.corpus.size", "paths.cache", "batches.cache"}


def test_options_that_were_chosen_are_columns(tmp_path: Path, copy_run: CopyRun) -> None:
    for mixer in ("s4d", "h3"):
        run = copy_run(tmp_path / mixer, {"model.mixer._target_": mixer}, losses(1.0))
        (run.path / "overrides.yaml").write_text(f"- experiment={mixer}\n- mixer={mixer}\n")
    runs = [RunFolder(tmp_path / mixer) for mixer in ("s4d", "h3")]
    found = compared(*runs)
    assert found.columns[0] == "mixer"
    assert [run.config["mixer"] for run in found.runs] == ["s4d", "h3"]
    assert "experiment" not in found.columns


def test_runs_of_regard_0_2_are_compared_by_present_keys(tmp_path: Path, copy_run: CopyRun) -> None:
    """Until 0.2, task repeated optimizer and schedule."""
    old = copy_run(tmp_path / "old", {"optimizer.lr": 0.1, "task.optimizer.lr": 0.1, "task.schedule.warmup_steps": 5})
    new = copy_run(tmp_path / "new", {"optimizer.lr": 0.2, "schedule.warmup_steps": 5})
    (old.path / "overrides.yaml").write_text("[task.optimizer.lr=0.1]")
    comparison = compared(old, new)
    assert comparison.columns == ["optimizer.lr"]
    assert comparison.runs[0].overrides == ["optimizer.lr"]
    assert not [key for key in comparison.differing if key.startswith("task.")]


def test_runs_of_regard_0_3_are_compared_by_present_keys(tmp_path: Path, copy_run: CopyRun) -> None:
    """Until 0.3, label smoothing was an argument of task, which had no objective."""
    old, new = copy_run(tmp_path / "old"), copy_run(tmp_path / "new")
    for run, smoothing in ((old, 0.1), (new, 0.2)):
        config = run.config()
        objective = config["task"].pop("objective") | {"label_smoothing": smoothing}
        config["task"] |= {"label_smoothing": smoothing} if run is old else {"objective": objective}
        (run.path / "config.yaml").write_text(yaml.safe_dump(config))
        name = "task.label_smoothing" if run is old else "task.objective.label_smoothing"
        (run.path / "overrides.yaml").write_text(f"[{name}={smoothing}]")
    comparison = compared(old, new)
    assert comparison.differing == comparison.columns == ["task.objective.label_smoothing"]


def test_recording_keys_are_columns_but_not_parameters(tmp_path: Path, copy_run: CopyRun) -> None:
    recorded = {"callbacks.attention.sentences": 9, "trainer.log_every_n_steps": 3}
    runs = [copy_run(tmp_path / "a"), copy_run(tmp_path / "b", {"model.dim": 99} | recorded)]
    for run in runs:
        (run.path / "overrides.yaml").write_text("[]")
    comparison = compared(*runs)
    assert comparison.columns[0] == "model.dim"
    assert set(comparison.columns[1:]) == set(recorded)
    assert comparison.parameters() == ["model.dim"]


def test_a_key_that_older_runs_lack_differs(tmp_path: Path, copy_run: CopyRun) -> None:
    old, new = copy_run(tmp_path / "old"), copy_run(tmp_path / "new", {"model.novelty": None})
    comparison = compared(old, new)
    assert comparison.columns == ["model.novelty"]
    row = next(csv.DictReader(io.StringIO(as_csv(comparison))))
    assert row["model.novelty"] == "" if row["run"] == "old" else "null"


# ---- seeds ------------------------------------------------------------------------------------------------


def test_mean_and_sample_deviation() -> None:
    """1, 2, 4: the mean is 7/3; squares of what is left over are 16/9, 1/9 and 25/9, 42/9 together; halved, 7/3."""
    found = aggregate([1.0, 2.0, 4.0])
    assert found is not None
    assert found.mean == pytest.approx(7 / 3)
    assert found.deviation == pytest.approx(math.sqrt(7 / 3))
    assert found.runs == 3
    assert aggregate([5.0]) == Aggregate(5.0, None, 1)
    assert aggregate([]) is None
    assert aggregate([1.0, math.nan]) is None


def test_runs_that_differ_in_the_seed_only_are_a_group(tmp_path: Path, copy_run: CopyRun) -> None:
    """batches.seed follows seed; the corpus's own seed is another experiment. Only finished runs count."""
    runs = [
        copy_run(tmp_path / f"{seed}", {"seed": seed, "batches.seed": seed, "paths.runs": f"/{seed}"}, losses(9, value))
        for seed, value in ((1, 1.0), (2, 2.0), (3, 4.0))
    ]
    failed = copy_run(tmp_path / "failed", {"seed": 4, "batches.seed": 4}, losses(0.5), status="failed", why="?")
    other = copy_run(tmp_path / "other", {"seed": 1, "batches.seed": 1, "model.dim": 99}, losses(0.1))
    own = copy_run(tmp_path / "own", {"seed": 1, "batches.seed": 7}, losses(0.2))
    comparison = compared(*runs, failed, other, own)
    by_name = {frozenset(run.name for run in group.runs): group for group in comparison.groups}
    assert set(by_name) == {frozenset({"1", "2", "3", "failed"}), frozenset({"other"}), frozenset({"own"})}
    group = by_name[frozenset({"1", "2", "3", "failed"})]
    assert group.score == Aggregate(pytest.approx(7 / 3), pytest.approx(math.sqrt(7 / 3)), 3)
    assert group.aggregates[LOSS] == group.score, "the last value of each run is its best"
    assert [next(iter(group.runs)).name for group in comparison.groups] == ["other", "own", "failed"]


# ---- whatever a folder lacks -------------------------------------------------------------------------------


def test_runs_in_every_state_are_compared(tmp_path: Path, copy_run: CopyRun) -> None:
    long_ago = (datetime.now(UTC) - timedelta(hours=2)).isoformat(timespec="seconds")
    began = (datetime.now(UTC) - timedelta(minutes=1)).isoformat(timespec="seconds")
    running = copy_run(tmp_path / "running", status="running", pid=os.getpid(), began=began)
    lost = copy_run(tmp_path / "lost", status="running", time=long_ago, host="elsewhere", began=long_ago)
    failed = copy_run(tmp_path / "failed", status="failed", why="the loss became NaN")
    preempted = copy_run(tmp_path / "preempted", status="preempted", why="SIGTERM")
    submitted = copy_run(tmp_path / "submitted", status="submitted", attempt=0)
    status = json.loads((submitted.path / "status.json").read_text())
    (submitted.path / "status.json").write_text(
        json.dumps({k: v for k, v in status.items() if k not in ("began", "step")})
    )
    for run in (running, lost, failed, preempted, submitted):
        (run.path / "summary.json").unlink()
    for name in ("metrics.csv", "samples.jsonl", "attention"):
        path = submitted.path / name
        path.rename(tmp_path / name)
    comparison = compared(running, lost, failed, preempted, submitted)
    states = {run.name: run.state for run in comparison.runs}
    assert states == {name: name for name in ("running", "lost", "failed", "preempted", "submitted")}
    found = {run.name: run for run in comparison.runs}
    assert found["submitted"].step is found["submitted"].seconds is None
    assert names(comparison)[-1] == "submitted"
    assert 55 < (found["running"].seconds or 0) < 90
    assert found["lost"].seconds == 0
    assert found["failed"].why == "the loss became NaN"
    assert found["running"].tokens_per_second is not None, "from metrics.csv, since there is no summary"
    write_page(tmp_path / "page.html", comparison)
    assert [run["state"] for run in page_data(tmp_path / "page.html")["runs"]] == [run.state for run in comparison.runs]


def test_unreadable_files_are_noted_and_others_are_shown(tmp_path: Path, copy_run: CopyRun) -> None:
    run = copy_run(tmp_path / "broken")
    (run.path / "metrics.csv").write_text("step,validation/loss\n1,3.5\nx,1\n2,soon\n3,2.5,9,9\n4,2.0\n5,0.1", "utf-8")
    (run.path / "summary.json").write_text("{")
    (run.path / "samples.jsonl").write_text('{"step": 4, "source": "a"}\n[]\n{"step": 4, "sour', "utf-8")
    newest = max((run.path / "attention").glob("step-*.npz"))
    newest.write_bytes(newest.read_bytes()[:100])
    (run.path / "overrides.yaml").unlink()
    found = read_run(run, "broken")
    assert list(found.curves[LOSS].values) == [3.5, 2.5, 2.0], "the last line is incomplete"
    assert [sample["source"] for sample in found.samples] == ["a"]
    assert found.maps, "the maps of the step before"
    said = "\n".join(found.notes)
    for name in (
        "metrics.csv: skipped 3 rows or cells",
        "summary.json",
        "samples.jsonl, line 2",
        f"attention/{newest.name}",
    ):
        assert name in said
    write_page(tmp_path / "page.html", compare([found]))


def test_samples_may_have_line_separators_and_the_last_step_is_read(tmp_path: Path, copy_run: CopyRun) -> None:
    run = copy_run(tmp_path / "a")
    odd = "a\u2028b\x85c\x1cd"
    samples = [{"step": step, "source": odd, "reference": "", "output": str(step)} for step in (4, 6)]
    text = "".join(json.dumps(sample, ensure_ascii=False) + "\n" for sample in samples)
    (run.path / "samples.jsonl").write_text(text, "utf-8")
    (run.attention / "step-0000006.npz").rename(run.attention / "step-10000000.npz")
    found = read_run(run, "a")
    assert [(sample["source"], sample["output"]) for sample in found.samples] == [(odd, "6")]
    assert found.maps_step == 10_000_000
    assert found.notes == []


def test_a_run_folder_with_config_and_status_only_is_compared(tmp_path: Path) -> None:
    (tmp_path / "bare").mkdir()
    (tmp_path / "bare/config.yaml").write_text("seed: 1\n")
    (tmp_path / "bare/status.json").write_text('{"status": "finished"}')
    comparison = compared(RunFolder(tmp_path / "bare"))
    write_page(tmp_path / "page.html", comparison)
    assert comparison.metric == LOSS
    assert page_data(tmp_path / "page.html")["curves"] == []


def test_a_status_without_times_is_accepted(tmp_path: Path, copy_run: CopyRun) -> None:
    run = copy_run(tmp_path / "old")
    (run.path / "status.json").write_text('{"status": "running"}')
    found = read_run(run, "old")
    assert (found.state, found.seconds) == ("running", None)


@pytest.mark.parametrize(
    ("name", "text"), [("config.yaml", "a: [1"), ("config.yaml", "- 1"), ("status.json", "{"), ("status.json", "[]")]
)
def test_a_folder_with_damaged_config_or_status_is_not_a_run(
    tmp_path: Path, copy_run: CopyRun, name: str, text: str
) -> None:
    run = copy_run(tmp_path / "a")
    (run.path / name).write_text(text)
    with pytest.raises(RegardError, match=re.escape(str(run.path / name))):
        read_run(run, "a")


# ---- the page's data ---------------------------------------------------------------------------------------


def test_numbers_that_json_lacks_become_text() -> None:
    values = {"a": [math.nan, 1.5, math.inf, -math.inf], "b": {"c": Path("/x")}, "d": (True, None)}
    assert to_json_value(values) == {"a": ["NaN", 1.5, "Infinity", "-Infinity"], "b": {"c": "/x"}, "d": [True, None]}


def test_a_library_cannot_close_its_script_element() -> None:
    assert escape_script("a='</script><!--'") == "a='<\\/script><\\!--'"


def test_curves_share_a_budget() -> None:
    assert points_per_curve([1000] * 10, budget=5000) == 500
    assert points_per_curve([1000] * 100, budget=5000) == 50
    assert points_per_curve([10] * 1000 + [1000] * 10, budget=12_000) == 200
    assert points_per_curve([1000] * 1000, budget=5000) == 8, "the minimum"


def test_maps_are_those_of_the_last_layer_and_share_a_budget(tmp_path: Path, copy_run: CopyRun) -> None:
    runs = [read_run(copy_run(tmp_path / name), name) for name in "ab"]
    kept, left_out = fit_maps(runs, 1 << 20)
    assert left_out == 0
    assert {each["name"] for maps in kept for each in maps} == {"decoder.0.cross"}
    one = kept[0][0]
    assert one["sentence"] in {sample["source"] for sample in runs[0].samples}
    size = sum(each["heads"] * len(each["queries"]) * len(each["keys"]) for each in kept[0])
    kept, left_out = fit_maps(runs, size)
    assert (bool(kept[0]), bool(kept[1]), left_out) == (True, False, 1)


# ---- the verb ----------------------------------------------------------------------------------------------


def test_the_command_prints_a_table_and_writes_page_and_csv(
    tmp_path: Path, copy_run: CopyRun, regard: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    for seed, value in ((1, 1.0), (2, 2.0), (3, 4.0)):
        copy_run(tmp_path / f"runs/x/{seed}", {"seed": seed, "batches.seed": seed}, losses(9, value))
    (tmp_path / "runs/empty").mkdir()
    (tmp_path / "runs/x/[b]").mkdir()
    monkeypatch.chdir(tmp_path)
    said = regard("compare", "runs/x/*", "runs/empty", tmp_path / "nowhere", "--csv", "out/table.csv")
    assert said.code == 0
    lines = said.out.splitlines()
    assert [line.split()[0] for line in lines[1:4]] == ["1", "2", "3"]
    assert "3 of 3" in said.out
    assert "2.3333 ± 1.5" in said.out
    assert lines[-1] == "page  compare.html"
    errors = said.err.splitlines()
    assert len(errors) == 3
    for error, name in zip(errors, ("runs/x/[b]", "runs/empty", "nowhere"), strict=True):
        assert name in error
        assert error.endswith("left out")
    rows = list(csv.DictReader(io.StringIO((tmp_path / "out/table.csv").read_text())))
    assert [float(row[f"best {LOSS}"]) for row in rows] == [1.0, 2.0, 4.0]
    assert [row["seed"] for row in rows] == ["1", "2", "3"]
    assert page_data(tmp_path / "compare.html")["csv"] == (tmp_path / "out/table.csv").read_text()


def test_keys_that_do_not_fit_the_terminal_are_named(
    tmp_path: Path, copy_run: CopyRun, regard: Callable[..., Any]
) -> None:
    for number in range(2):
        copy_run(tmp_path / f"{number}", {f"model.key_{key}": f"[b]{number}.{key}" for key in range(8)})
    said = regard("compare", tmp_path, "--output", tmp_path / "page.html")
    head, first, _, below, _ = said.out.splitlines()
    assert [word for word in head.split() if word.startswith("model.")] == [f"model.key_{key}" for key in range(6)]
    assert [word for word in first.split() if word.startswith("[b]")] == [f"[b]0.{key}" for key in range(6)]
    assert below.strip() == "2 finished; other keys that differ: model.key_6, model.key_7"


def test_wrong_usage_is_one_line_and_exit_code_2(tmp_path: Path, copy_run: CopyRun, regard: Callable[..., Any]) -> None:
    run = copy_run(tmp_path / "a", rows=losses(1)).path
    (tmp_path / "file").write_text("")
    for arguments, expected in (
        ([tmp_path / "nowhere"], "no runs to compare"),
        ([run, "--metric", "x"], "no run has this metric"),
        ([run, "--output", tmp_path], "a folder; give the name of a file"),
        ([run, "--output", tmp_path / "file/page.html"], "cannot be written"),
        ([run, "--output", tmp_path / "p.html", "--csv", tmp_path / "file/x.csv"], "cannot be written"),
    ):
        said = regard(
            "compare", *arguments, *(["--output", tmp_path / "q.html"] if "--output" not in arguments else [])
        )
        assert said.code == 2, arguments
        assert expected in said.err.splitlines()[-1]
        assert "Traceback" not in said.err


# ---- a hundred runs ----------------------------------------------------------------------------------------


def hundred(folder: Path, copy_run: CopyRun, rows: int = 1000) -> None:
    """A hundred runs with a thousand rows each: four parameters, five seeds, all metrics at every step."""
    header = [LOSS, "validation/bleu", "train/loss", "train/learning_rate", "train/tokens_per_second", "train/tokens"]
    header += ["train/seconds", *(f"attention/decoder.{i}.cross/entropy/{j}" for i in range(2) for j in range(4))]
    random = np.random.default_rng(1)
    for number in range(100):
        rate, dim, seed = [0.1, 0.3, 1.0, 3.0, 9.0][number % 5], [16, 32, 64, 128][number // 5 % 4], number // 20
        steps = np.arange(1, rows + 1)
        table = 1 + rate / np.sqrt(steps)[:, None] + 16 / dim + 0.05 * random.normal(size=(rows, len(header)))
        table[:, header.index("train/tokens")] = 500.0 * steps
        table[:, header.index("train/seconds")] = 0.1 * steps
        named = [
            {"step": step, **dict(zip(header, row, strict=True))}
            for step, row in zip(steps, table.tolist(), strict=True)
        ]
        config = {"optimizer.lr": rate, "model.dim": dim, "seed": seed, "batches.seed": seed}
        copy_run(folder / f"sweep/{number}", config, named)


def test_a_hundred_runs_of_a_thousand_rows_take_less_than_ten_seconds(tmp_path: Path, copy_run: CopyRun) -> None:
    hundred(tmp_path, copy_run)
    command = [sys.executable, "-m", "regard.cli", "compare", "sweep", "--csv", "table.csv"]
    for _ in range(3):  # others may be at work on this machine: the quickest of three counts
        began = time.monotonic()
        done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
        seconds = time.monotonic() - began
        assert done.returncode == 0, done.stderr
        size = (tmp_path / "compare.html").stat().st_size
        print(f"100 runs of 1,000 rows: {seconds:.1f} s, page {size / 1e6:.1f} MB")
        if seconds < 10:
            break
    data = page_data(tmp_path / "compare.html")
    assert len(data["groups"]) == 20
    assert data["thinned"] is not None
    assert size < 10e6
    assert seconds < 10


def test_the_page_of_a_thousand_runs_is_small(tmp_path: Path, copy_run: CopyRun) -> None:
    one = read_run(copy_run(tmp_path / "one"), "one")
    random, steps = np.random.default_rng(1), np.arange(1.0, 1001)
    curves = {name: Curve(steps, random.normal(size=1000)) for name in one.curves if "attention/" not in name}
    heads = {f"attention/decoder.0.cross/{m}/{h}": curves[LOSS] for m in ("a", "b") for h in range(8)}
    runs = [replace(one, name=str(n), config=one.config | {"seed": n}, curves=curves | heads) for n in range(1000)]
    write_page(tmp_path / "page.html", compare(runs))
    assert (tmp_path / "page.html").stat().st_size < 10e6
    data = page_data(tmp_path / "page.html")
    assert data["curvesLeftOut"] == len(heads)
    assert 0 < data["samplesLeftOut"] < 1000
    assert 0 < data["mapsLeftOut"] < 1000
    assert all(len(curve["x"]) == 8 for run in data["runs"][::100] for curve in run["curves"].values())


def test_several_processes_read_the_same_as_one(
    tmp_path: Path, copy_run: CopyRun, monkeypatch: pytest.MonkeyPatch
) -> None:
    folders = [(str(n), copy_run(tmp_path / f"{n}", {"seed": n}, losses(9, n))) for n in range(6)]
    (tmp_path / "3/status.json").write_text("{")
    said: list[str] = []
    alone = list(read_runs(folders, said.append))
    monkeypatch.setattr("regard.compare.run.RUNS_PER_PROCESS", 2)
    monkeypatch.setattr("os.cpu_count", lambda: 2)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # of a fork beside threads, which tests have
        together = list(read_runs(folders, said.append))
    assert [run.name for run in together] == [run.name for run in alone] == ["0", "1", "2", "4", "5"]
    assert [run.config for run in together] == [run.config for run in alone]
    assert [run.final for run in together] == [run.final for run in alone]
    assert said == said[:1] * 2


def test_a_table_of_numbers_is_read_exactly(tmp_path: Path, copy_run: CopyRun) -> None:
    run = copy_run(tmp_path / "a")
    lines = "step,a,b,c\n1,0.1,,\n\n2,nan,1e-07,-inf\n3,,,2\n4,1,2,\n"
    for odd, notes in (("", 0), ("5,0x1,,\n", 1), ('6,true,"7",\n', 1)):  # as JSON, and cell by cell
        (run.path / "metrics.csv").write_text(lines + odd)
        said: list[str] = []
        curves = read_curves(run, said)
        assert [list(curves[name].steps[:3]) for name in "abc"] == [[1, 2, 4], [2, 4], [2, 3]]
        assert curves["a"].values[0] == 0.1
        assert math.isnan(curves["a"].values[1])
        assert list(curves["c"].values) == [-math.inf, 2]
        assert len(said) == notes


def test_parsing_by_sections_equals_parsing_at_once() -> None:
    shared = {"x": [1, {"y": None}], "empty": {}, "text": "a: b\n  c: d\n# e"}
    for content in ({"a": 1, "b": shared, "c": [1, 2], "d": {"e": {"f": 1.5}}}, {"a": shared, "b": {"c": shared}}):
        text = yaml.safe_dump(content, sort_keys=False)
        assert load_flat_config(text) == flatten(content)
