"""One worker of a search: ask Optuna for a trial, train its run, report the result, and repeat."""

from __future__ import annotations

import signal
import subprocess
import time
from contextlib import chdir
from pathlib import Path
from typing import Any

import optuna
from filelock import FileLock, Timeout
from optuna.trial import Trial, TrialState

from regard.config.compose import compose_points, without_search
from regard.errors import PREEMPTED, RegardError
from regard.instantiate import build
from regard.launch.processes import child_environment, record_exit, work_command
from regard.runs.folder import RunFolder
from regard.runs.resources import single_node_resources
from regard.search.space import Search, as_overrides, read
from regard.stop import STOP
from regard.training.callbacks.metrics_file import read_rows

POLL_SECONDS = 0.5


def work_on(folder: Path) -> int:
    """Work on trials of the search in ``folder`` until there are enough; return 0, or 75 if a signal stopped it.

    Several workers share a search. A trial that another worker has left unfinished is resumed first.
    """
    folder = folder.absolute()
    content = read(folder)
    search: Search = build(content["search"])
    with STOP.listening():
        STOP.hold()
        study = search.study(folder)
        if search.workers > 1 or study.get_trials(deepcopy=False):
            search.sampler.reseed_rng()  # otherwise it repeats its suggestions, or those of another worker
        while not STOP.signal and not RunFolder(folder).cancelled():
            found = next_trial(study, search, folder)
            if found is None:
                return 0
            trial, lock = found
            work = TrialWork(study, search, trial, folder, content)
            try:
                work.do()
            finally:
                lock.release()
            if work.is_last:
                return 0
    return PREEMPTED


def next_trial(study: optuna.Study, search: Search, folder: Path) -> tuple[Trial, FileLock] | None:
    """Return an unfinished trial that no worker holds, or a new one, and its lock; None if there are enough trials."""
    with FileLock(folder / ".asking"):
        for unfinished in study.get_trials(deepcopy=False, states=(TrialState.RUNNING,)):
            lock = FileLock(folder / f".trial-{unfinished.number}")
            try:
                lock.acquire(timeout=0)
            except Timeout:
                continue
            return Trial(study, unfinished._trial_id), lock
        if len(study.get_trials(deepcopy=False)) >= search.trials:
            return None
        trial = study.ask(search.space)
        lock = FileLock(folder / f".trial-{trial.number}")
        lock.acquire(timeout=0)
        return trial, lock


class TrialWork:
    """The work of one trial. The run folder is named after the number of the trial.

    content: content of search.yaml
    """

    def __init__(
        self, study: optuna.Study, search: Search, trial: Trial, folder: Path, content: dict[str, Any]
    ) -> None:
        self.study, self.search, self.trial = study, search, trial
        self.parent = RunFolder(folder)
        self.run = RunFolder(folder / str(trial.number))
        self.overrides = as_overrides(trial.params)
        self.arguments, self.directory = content["arguments"], Path(content["cwd"])
        self.is_last = False
        self.values = dict(study.get_trials(deepcopy=False)[trial.number].intermediate_values)

    def do(self) -> None:
        """Train the run and report its result to Optuna, unless it was stopped and will be resumed."""
        try:
            if not self.run.path.exists():
                # Relative paths in the arguments, such as --config-dir, refer to the folder where the search started.
                with chdir(self.directory):
                    ((config, overrides),) = compose_points([*self.arguments, *self.overrides])
                RunFolder.create(self.run.path, without_search(config), overrides)
        except RegardError as error:
            self._tell(TrialState.FAIL, str(error))
            return
        self.run.clear_cancelled()
        pruned = self._train()
        status = self.run.status()
        if pruned is not None:
            self._tell(TrialState.PRUNED, pruned)
        elif status["status"] == "finished" and self.values:
            self._tell(TrialState.COMPLETE, "")
        elif status["status"] == "finished":
            self._tell(TrialState.FAIL, f"no value of {self.search.metric} in metrics.csv")
        elif not self._will_be_resumed():
            self._tell(TrialState.FAIL, status.get("why", "its process was killed"))

    def _train(self) -> str | None:
        """Train the run in a subprocess; return the reason if it was pruned, otherwise None.

        If the process of a killed worker still works on the run, wait for that process.
        """
        with self.run.console.open("ab") as console:
            process = subprocess.Popen(
                work_command(self.run, single_node_resources(self.run.config())),
                cwd=self.directory,
                env=child_environment(),
                stdin=subprocess.DEVNULL,
                stdout=console,
                stderr=subprocess.STDOUT,
            )
        pruned: str | None = None
        sent = 0
        while process.poll() is None or (self.run.status()["status"] == "running" and not STOP.signal):
            self._report()
            if not sent:
                if not STOP.signal and self.values and self.trial.should_prune():
                    pruned = f"pruned at step {max(self.values)}"
                if reason := pruned or self.parent.cancelled():
                    self.run.cancel(reason)
                if reason or STOP.signal:
                    sent = signal.SIGTERM
                    process.send_signal(sent)
            time.sleep(POLL_SECONDS)
        record_exit(self.run, process.returncode, sent)
        self._report()
        return pruned

    def _will_be_resumed(self) -> bool:
        """Return whether the run was preempted, or was stopped together with its worker or search."""
        return bool(STOP.signal or self.parent.cancelled() or self.run.status()["status"] == "preempted")

    def _report(self) -> None:
        """Report new validations to Optuna."""
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
        except RuntimeError as error:  # a sampler without further points calls Study.stop, invalid in ask-and-tell
            if "Study.stop" not in str(error):
                raise
            self.is_last = True
        result = f"{self.search.metric} {value:.6g}" if value is not None else why
        print(f"trial {self.trial.number}\t{state.name.lower()}\t{' '.join(self.overrides)}\t{result}", flush=True)
