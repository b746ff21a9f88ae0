"""Trials on a Ray cluster; one on this machine is started where there is none."""

from collections.abc import Iterable, Iterator
from typing import Any

from gradmedic.base.errors import LaunchError
from gradmedic.trials.runners import Runner
from gradmedic.trials.runners.local import Local
from gradmedic.trials.trial import Outcome, Script, Trial


class Ray(Runner):
    """Runs trials wherever a Ray cluster has a core to spare.

    The cluster is the one that the environment variable RAY_ADDRESS names, or that this process has
    joined already. gradmedic, the script and what it reads have to be there under the same paths. A
    worker that is lost is replaced, and its trial begins anew.
    """

    name = "ray"

    def open(self) -> None:
        """Join the cluster, and place one worker per core."""
        self.ray = _ray()
        self.joined = not self.ray.is_initialized()
        if self.joined:
            self.ray.init(log_to_driver=False, include_dashboard=False, configure_logging=False)
        self.jobs = self.jobs or max(1, int(self.ray.cluster_resources().get("CPU", 1)))
        self.idle = [self._worker() for _ in range(self.jobs)]

    def run(self, trials: Iterable[Trial]) -> Iterator[Outcome]:
        """Run trials, each in a fresh process, and yield outcomes as they come."""
        waiting = iter(trials)
        busy: dict[Any, Any] = {}
        try:
            while True:
                while self.idle and (trial := next(waiting, None)) is not None:
                    worker = self.idle.pop()
                    busy[worker.run.remote(trial)] = worker
                if not busy:
                    return
                [done], _ = self.ray.wait([*busy])
                self.idle.append(busy.pop(done))
                yield self.ray.get(done)
        finally:
            for worker in busy.values():
                self.ray.kill(worker)
                self.idle.append(self._worker())

    def close(self) -> None:
        """Send the workers home, and leave the cluster if it was joined for this."""
        for worker in self.idle:
            self.ray.kill(worker)
        if self.joined:
            self.ray.shutdown()

    def _worker(self) -> Any:
        options = {"num_cpus": 1, "max_restarts": -1, "max_task_retries": -1}
        return self.ray.remote(Worker).options(**options).remote(self.script, self.metric)


class Worker:
    """A process of the cluster that runs one trial at a time, as on a machine of its own."""

    def __init__(self, script: Script, metric: str | None) -> None:
        self.local = Local(script, jobs=1, metric=metric)
        self.local.open()

    def run(self, trial: Trial) -> Outcome:
        """The outcome of a trial."""
        [outcome] = self.local.run([trial])
        return outcome


def _ray() -> Any:
    try:
        import ray
    except ImportError:
        raise LaunchError("the runner ray needs Ray: pip install 'gradmedic[ray]'") from None
    return ray
