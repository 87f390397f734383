"""One worker of a search: asks for a point, has a run work on it, tells what came of it, again and again."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from pathlib import Path

import optuna
from filelock import FileLock, Timeout
from optuna.trial import Trial, TrialState

from regard.config.compose import compose_points, without_search
from regard.errors import PREEMPTED, RegardError
from regard.instantiate import build
from regard.launch.processes import child_environment, close, command
from regard.runs.folder import RunFolder
from regard.runs.resources import single_node_resources
from regard.search.space import Search, as_overrides, read
from regard.stop import STOP
from regard.training.callbacks.metrics_file import read_rows

POLL_SECONDS = 0.5


def work_on(folder: Path) -> int:
    """Work on trials of the search in ``folder`` until there are enough; 0, or 75 if told to stop before.

    Several workers share a search. A trial that nobody works on any more is gone on with first.
    """
    folder = folder.absolute()
    content = read(folder)
    os.chdir(content["cwd"])  # the command line may name files from there
    search: Search = build(content["search"])
    with STOP.listening():
        STOP.hold()
        study = search.study(folder)
        if search.workers > 1 or study.get_trials(deepcopy=False):
            search.sampler.reseed_rng()  # it would suggest what it has suggested before, or to another
        while not STOP.signal and not RunFolder(folder).cancelled():
            found = next_trial(study, search, folder)
            if found is None:
                return 0
            trial, lock = found
            work = Work(study, search, trial, folder, content["arguments"])
            try:
                work.do()
            finally:
                lock.release()
            if work.is_the_last:
                return 0
    return PREEMPTED


def next_trial(study: optuna.Study, search: Search, folder: Path) -> tuple[Trial, FileLock] | None:
    """One that was begun and left, or a new one, and the lock that says that it is being worked on; None at the end."""
    with FileLock(folder / ".asking"):
        for begun in study.get_trials(deepcopy=False, states=(TrialState.RUNNING,)):
            lock = FileLock(folder / f".trial-{begun.number}")
            try:
                lock.acquire(timeout=0)
            except Timeout:
                continue
            return Trial(study, begun._trial_id), lock
        if len(study.get_trials(deepcopy=False)) >= search.trials:
            return None
        trial = study.ask(search.space)
        lock = FileLock(folder / f".trial-{trial.number}")
        lock.acquire(timeout=0)
        return trial, lock


class Work:
    """On one trial, whose run folder has its number."""

    def __init__(self, study: optuna.Study, search: Search, trial: Trial, folder: Path, arguments: list[str]) -> None:
        self.study, self.search, self.trial = study, search, trial
        self.whole = RunFolder(folder)
        self.run = RunFolder(folder / str(trial.number))
        self.overrides = as_overrides(trial.params)
        self.arguments = arguments
        self.is_the_last = False
        self.values = dict(study.get_trials(deepcopy=False)[trial.number].intermediate_values)

    def do(self) -> None:
        """Work, and tell Optuna how it ended; unless this process is told to stop, or somebody stops the run."""
        try:
            if not self.run.path.exists():
                ((config, overrides),) = compose_points([*self.arguments, *self.overrides])
                RunFolder.create(self.run.path, without_search(config), overrides)
        except RegardError as error:
            self._tell(TrialState.FAIL, str(error))
            return
        self.run.clear_cancelled()
        pruned = self._work()
        status = self.run.status()
        if pruned is not None:
            self._tell(TrialState.PRUNED, pruned)
        elif status["status"] == "finished" and self.values:
            self._tell(TrialState.COMPLETE, "")
        elif status["status"] == "finished":
            self._tell(TrialState.FAIL, f"it has measured no {self.search.metric}")
        elif not self._is_to_go_on():
            self._tell(TrialState.FAIL, status.get("why", "its process was killed"))

    def _work(self) -> str | None:
        """Have the run worked on; why it was pruned, if so.

        A process of a worker that was killed may still be at work on it: then it is waited for.
        """
        with self.run.console.open("ab") as console:
            process = subprocess.Popen(
                command(self.run, single_node_resources(self.run.config())),
                env=child_environment(),
                stdin=subprocess.DEVNULL,
                stdout=console,
                stderr=subprocess.STDOUT,
            )
        pruned: str | None = None
        told = 0
        while process.poll() is None or (self.run.status()["status"] == "running" and not STOP.signal):
            self._report()
            if not told:
                if not STOP.signal and self.values and self.trial.should_prune():
                    pruned = f"pruned at step {max(self.values)}"
                if reason := pruned or self.whole.cancelled():
                    self.run.cancel(reason)
                if reason or STOP.signal:
                    told = signal.SIGTERM
                    process.send_signal(told)
            time.sleep(POLL_SECONDS)
        close(self.run, process.returncode, told)
        self._report()
        return pruned

    def _is_to_go_on(self) -> bool:
        """Whether it was ended with its worker or with its search, and not for a reason of its own."""
        return bool(STOP.signal or self.whole.cancelled() or self.run.status()["status"] == "preempted")

    def _report(self) -> None:
        """Tell Optuna of validations that it does not know yet."""
        for row in read_rows(self.run.metrics) if self.run.metrics.exists() else []:
            step = int(row["step"])
            if self.search.metric in row and step not in self.values:
                self.values[step] = float(row[self.search.metric])
                self.trial.report(self.values[step], step)

    def _tell(self, state: TrialState, why: str) -> None:
        if why:
            self.trial.set_user_attr("why", why)
        choose = min if self.search.direction == "minimize" else max
        value = choose(self.values.values()) if state == TrialState.COMPLETE else None
        try:
            self.study.tell(self.trial, value, state)
        except RuntimeError as error:  # a sampler that has tried everything calls Study.stop, which ask and tell lacks
            if "Study.stop" not in str(error):
                raise
            self.is_the_last = True
        result = f"{self.search.metric} {value:.6g}" if value is not None else why
        print(f"trial {self.trial.number}\t{state.name.lower()}\t{' '.join(self.overrides)}\t{result}", flush=True)
