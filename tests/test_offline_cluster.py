"""Folds on a real Dask cluster: a scheduler and workers in processes of their own."""

from __future__ import annotations

import functools
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import distributed
import numpy as np
import pytest
from waiting_method import GO, Waiting, WaitingSettings, started_pids

from offline import cli, loso
from offline.cluster import cluster, on_worker
from offline.dask_backend import connected
from offline.loso import leave_out, pooled_probabilities
from offline.methods import make_method
from offline.results import TIMES
from offline.samples import FOUR_CLASSES, SampleSet, direct_samples
from realtime.errors import ClusterError, UsageError

TESTS = Path(__file__).parent
PATIENCE_S = 4.0


def until(holds: Callable[[], object], seconds: float = 120.0) -> None:
    end = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < end
        time.sleep(0.02)


class Cluster:
    """Processes that share no folder with the client but the one that tells the address."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.file = folder / "scheduler.json"
        self.environment = {
            **os.environ,
            "PYTHONPATH": os.pathsep.join([str(TESTS.parent), str(TESTS)]),
            "DASK_DISTRIBUTED__ADMIN__SYSTEM_MONITOR__GIL__ENABLED": "false",
        }
        self.workers: list[subprocess.Popen[bytes]] = []
        options = ["--port", "0", "--no-dashboard", "--no-show", "--scheduler-file", str(self.file)]
        self.scheduler = self._run("scheduler", *options)
        until(self.file.exists)
        self.address: str = json.loads(self.file.read_text())["address"]

    def have(self, workers: int) -> Cluster:
        """Start and kill until there are just so many."""
        self.workers = [worker for worker in self.workers if worker.poll() is None]
        for worker in self.workers[workers:]:
            worker.kill()
            worker.wait()
        self.workers = self.workers[:workers]
        options = ["--nthreads", "1", "--no-nanny", "--no-dashboard", "--local-directory", str(self.folder)]
        while len(self.workers) < workers:
            self.workers.append(self._run("worker", self.address, *options))
        with distributed.Client(self.address, set_as_default=False) as client:
            until(lambda: len(client.nthreads()) == workers)
        return self

    def close(self) -> None:
        for process in (*self.workers, self.scheduler):
            process.kill()
            process.wait()

    def _run(self, *words: str) -> subprocess.Popen[bytes]:
        return subprocess.Popen(
            [sys.executable, "-m", "dask", *words],
            env=self.environment,
            cwd=self.folder,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )


@pytest.fixture(scope="module")
def dask_cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    running = Cluster(tmp_path_factory.mktemp("cluster"))
    yield running
    running.close()


@pytest.fixture(scope="module")
def samples() -> SampleSet:
    return direct_samples(48, 7, FOUR_CLASSES, 6)


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loso, "cluster", functools.partial(cluster, patience_s=PATIENCE_S))


class InThread:
    """A run that goes on while the test does something to the cluster."""

    def __init__(self, run: Callable[[], object]) -> None:
        self.outcome: object = None
        self._thread = threading.Thread(target=self._call, args=(run,), daemon=True)
        self._thread.start()

    def _call(self, run: Callable[[], object]) -> None:
        try:
            self.outcome = run()
        except Exception as error:
            self.outcome = error

    def until(self, holds: Callable[[], object]) -> None:
        until(lambda: holds() or not self._thread.is_alive())
        assert self._thread.is_alive(), self.outcome

    def result(self) -> object:
        self._thread.join(120.0)
        assert not self._thread.is_alive()
        return self.outcome


def test_the_cluster_gives_the_same_bits(dask_cluster, samples, tmp_path):
    """With a network; by one worker alone, as importing torch is most of the time."""
    method = make_method("ststnet", {"epochs": 1})
    address = dask_cluster.have(1).address
    here = leave_out(samples, method, groups=2)
    there = leave_out(samples, method, groups=2, folder=tmp_path / "folds", scheduler=address)
    assert [fold.subjects for fold in there] == [fold.subjects for fold in here]
    assert np.array_equal(pooled_probabilities(samples, there), pooled_probabilities(samples, here))
    assert [fold.curve for fold in there] == [fold.curve for fold in here]
    assert len(list((tmp_path / "folds").glob("*.json"))) == 2
    # all folds are kept: nothing is asked of the cluster
    again = leave_out(samples, method, groups=2, folder=tmp_path / "folds", scheduler="nowhere:1")
    assert np.array_equal(pooled_probabilities(samples, again), pooled_probabilities(samples, here))


def test_one_job_two_jobs_and_the_cluster_leave_the_same_files(dask_cluster, tmp_path):
    address = dask_cluster.have(2).address
    common = ["evaluate", "--synthetic", "24", "--identities", "3", "--method", "flow-grid", "--no-figures"]
    found = []
    for options in (["--jobs", "1"], ["--jobs", "2"], ["--scheduler", address]):
        out = tmp_path / options[0] / options[1].replace("/", "")
        assert cli.main([*common, *options, "--out", str(out)]) == 0
        results = json.loads((out / "results.json").read_text())
        for name in TIMES:
            del results[name]
        found.append((results, (out / "predictions.csv").read_bytes()))
    assert found[0] == found[1] == found[2]


def test_a_worker_that_is_killed_costs_nothing_but_its_fold(dask_cluster, samples, tmp_path):
    address = dask_cluster.have(2).address
    method = Waiting(WaitingSettings(str(tmp_path)))
    running = InThread(lambda: leave_out(samples, method, scheduler=address))
    running.until(lambda: len(set(started_pids(tmp_path))) == 2)
    killed = dask_cluster.workers[0].pid
    os.kill(killed, signal.SIGKILL)
    (tmp_path / GO).touch()
    folds = running.result()
    assert isinstance(folds, list), folds
    here = leave_out(samples, make_method("flow-grid"))
    assert np.array_equal(pooled_probabilities(samples, folds), pooled_probabilities(samples, here))
    assert started_pids(tmp_path).count(killed) == 1
    assert len(started_pids(tmp_path)) == 7


@pytest.mark.usefixtures("impatient")
def test_losing_every_worker_is_one_line_and_no_finished_fold_is_lost(dask_cluster, samples, tmp_path):
    address = dask_cluster.have(1).address
    method = Waiting(WaitingSettings(str(tmp_path)))
    running = InThread(lambda: leave_out(samples, method, folder=tmp_path / "folds", scheduler=address))
    running.until(lambda: started_pids(tmp_path))
    for worker in dask_cluster.workers:
        worker.kill()
    error = running.result()
    assert isinstance(error, ClusterError)
    assert "finished folds are kept" in str(error)
    (tmp_path / GO).touch()
    folds = leave_out(samples, method, folder=tmp_path / "folds", scheduler=dask_cluster.have(1).address)
    assert len(folds) == 6


@pytest.mark.usefixtures("impatient")
def test_losing_the_scheduler_is_one_line(samples, tmp_path):
    short_lived = Cluster(tmp_path)
    method = Waiting(WaitingSettings(str(tmp_path)))
    running = InThread(lambda: leave_out(samples, method, scheduler=short_lived.have(1).address))
    running.until(lambda: started_pids(tmp_path))
    short_lived.close()
    error = running.result()
    assert isinstance(error, ClusterError)
    assert "was lost" in str(error)


def test_a_worker_with_other_versions_is_refused(dask_cluster, samples, monkeypatch):
    monkeypatch.setattr(loso, "all_versions", lambda: {"glimpse": "99.0"})
    with pytest.raises(ClusterError, match=r"a worker has glimpse .*, this machine 99.0"):
        leave_out(samples, make_method("flow-grid"), scheduler=dask_cluster.have(1).address)
    assert on_worker({}, max, 1, 2) == 2


def test_a_fold_that_cannot_be_trained_says_whose_it_is(dask_cluster, samples, capsys, tmp_path):
    """Errors of a method come through the cluster as they are."""
    address = dask_cluster.have(1).address
    options = ["--synthetic", "16", "--identities", "2", "--method", "lbp-top", "--scheduler", address]
    assert cli.main(["evaluate", *options, "--out", str(tmp_path / "out")]) == 1
    complaint = capsys.readouterr().err
    assert "needs key frames" in complaint
    assert complaint.count("\n") == 1


@pytest.mark.usefixtures("impatient")
@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--scheduler", "tcp://127.0.0.1:1"], "no scheduler answers at tcp://127.0.0.1:1"),
        (["--scheduler", "a:b:c"], "use an address such as"),
        (["--scheduler", "tls://127.0.0.1:1"], "needs certificates"),
        (["--scheduler", "tcp://nonesuch.invalid:1"], "no scheduler answers at"),
        (["--scheduler", "127.0.0.1:1", "--jobs", "2"], "leave --jobs out"),
        (["--scheduler", "127.0.0.1:1", "--bundle", "default"], "go without it"),
        (["--jobs", "2", "--bundle", "default"], "go without it"),
        (["--device", "cpu"], "--device goes with --bundle"),
    ],
)
def test_clusters_that_cannot_be_are_one_line(tmp_path, options, said, capsys):
    method = [] if "--bundle" in options else ["--method", "flow-grid"]
    common = ["evaluate", "--synthetic", "16", "--identities", "2", "--out", str(tmp_path / "out")]
    assert cli.main([*common, *method, *options]) in (1, 2)
    complaint = capsys.readouterr().err
    assert said in complaint
    assert complaint.count("\n") == 1


@pytest.mark.parametrize("address", ["foo", "", "host:port", "http://127.0.0.1:1"])
def test_what_is_no_address_starts_no_client(monkeypatch, address):
    """A client that fails on its address would hold up the end of the process for ever."""
    monkeypatch.setattr(distributed, "Client", lambda *_, **__: pytest.fail("a client was started"))
    with pytest.raises(UsageError, match="use an address such as"), connected(address, 1.0):
        pass


def test_without_dask_the_extra_is_named(tmp_path):
    code = (
        "import sys; sys.modules['distributed'] = None\n"
        "from offline.cli import main\n"
        "common = ['evaluate', '--synthetic', '16', '--identities', '2', '--out', sys.argv[1]]\n"
        "raise SystemExit(main([*common, '--method', 'flow-grid', '--scheduler', 'x:1']))\n"
    )
    command = [sys.executable, "-c", code, str(tmp_path / "x")]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "pip install -e '.[cluster]'" in done.stderr
    assert done.stderr.count("\n") == 1
