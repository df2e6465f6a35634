"""joblib's dask backend that says when the cluster has failed.

By itself it waits for ever for a call that Dask has given up, and for workers that are gone.
"""

from __future__ import annotations

import asyncio
import concurrent.futures
import logging
import threading
import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import distributed
from distributed.comm import get_address_host_port
from distributed.scheduler import KilledWorker
from joblib._dask import DaskDistributedBackend

from realtime.errors import ClusterError, UsageError

_CHATTY = ("distributed", "distributed.client", "tornado.application", "asyncio")
_AGAIN = "finished folds are kept, so give the same command again"
_LOST = (asyncio.CancelledError, concurrent.futures.CancelledError)
_TIMED_OUT = (OSError, TimeoutError, distributed.TimeoutError)  # three classes before Python 3.11

Answer = Callable[[Any], None]


@contextmanager
def connected(address: str, patience_s: float) -> Iterator[distributed.Client]:
    """A client of a cluster that has a worker. Raises UsageError, ClusterError."""
    with _quiet():
        client = _client(address, patience_s)
        try:
            _wait_for_a_worker(client, address, patience_s)
            yield client
        finally:
            client.close(timeout=1)


class WatchedBackend(DaskDistributedBackend):  # type: ignore[misc]
    """Ends a joblib call with a ClusterError where the cluster cannot finish it."""

    def __init__(self, client: distributed.Client, shared: Sequence[object], patience_s: float) -> None:
        """`shared` is sent to every worker at once. Raises ClusterError where that fails."""
        self._address = client.scheduler.address
        self._patience_s = patience_s
        self._waiting: set[Answer] = set()
        try:
            super().__init__(client=client, scatter=list(shared))
        except (*_TIMED_OUT, *_LOST) as error:
            raise ClusterError(f"cannot send the samples to the workers of {self._address}") from error

    def submit(self, func: Any, callback: Answer) -> Any:
        """Submit a call; `callback` gets its result, or what kept it from one."""

        def answered(out: Any) -> None:
            self._answer(callback, self._lost(out) if isinstance(out, _LOST) else out)

        def settled(future: concurrent.futures.Future[Any]) -> None:
            if (error := future.exception()) is not None:
                self._answer(callback, _given_up(error))

        self._waiting.add(callback)
        future = super().submit(func, answered)
        future.add_done_callback(settled)
        return future

    def effective_n_jobs(self, n_jobs: int) -> int:
        """At least two: for one, joblib would work in this process and leave the worker idle."""
        return max(int(super().effective_n_jobs(n_jobs)), 2)

    def start_call(self) -> None:
        super().start_call()
        self._over = threading.Event()
        threading.Thread(target=self._watch, args=(self._over,), daemon=True).start()

    def stop_call(self) -> None:
        self._over.set()
        super().stop_call()

    def _answer(self, callback: Answer, out: Any) -> None:
        self._waiting.discard(callback)
        callback(out)

    def _watch(self, over: threading.Event) -> None:
        """Fail a call once there has been no worker for too long."""
        seen_s = time.monotonic()
        while not over.wait(min(1.0, self._patience_s / 4)):
            try:
                workers = self.client.nthreads()
            except Exception:  # of many classes; the calls end by themselves when the scheduler is lost
                continue
            if workers:
                seen_s = time.monotonic()
            elif time.monotonic() - seen_s > self._patience_s and self._waiting:
                error = ClusterError(f"the cluster at {self._address} has lost all its workers; {_AGAIN}")
                self._answer(next(iter(self._waiting)), error)
                return

    def _lost(self, cause: BaseException) -> ClusterError:
        error = ClusterError(f"the connection to {self._address}, or a fold there, was lost; {_AGAIN}")
        error.__cause__ = cause
        return error


def _given_up(cause: BaseException) -> ClusterError:
    """Why a call never ran to its end."""
    if isinstance(cause, KilledWorker):
        error = ClusterError(f"every worker died that was given a certain fold – out of memory? {_AGAIN}")
    elif isinstance(cause, ImportError):
        error = ClusterError(f"a worker cannot import {cause.name}: install the same glimpse there")
    else:
        error = ClusterError(f"a worker cannot read its work ({cause}): install the same versions there")
    error.__cause__ = cause
    return error


def _client(address: str, patience_s: float) -> distributed.Client:
    secured = distributed.Security().get_connection_args("client").get("ssl_context") is not None
    if address.lower().startswith("tls:") and not secured:  # a client without them never gives up
        raise UsageError(
            f"{address} needs certificates: name them in Dask's configuration, under distributed.comm.tls"
        )
    try:
        get_address_host_port(address, strict=False)  # a client that fails on it never closes
        return distributed.Client(address, timeout=patience_s, set_as_default=False)
    except _TIMED_OUT as error:
        raise ClusterError(
            f"no scheduler answers at {address}: start one with 'dask scheduler', or check the address"
        ) from error
    except (ValueError, TypeError, RuntimeError) as error:
        raise UsageError(f"--scheduler is {address!r}: use an address such as tcp://host:8786") from error


def _wait_for_a_worker(client: distributed.Client, address: str, patience_s: float) -> None:
    try:
        client.wait_for_workers(1, timeout=patience_s)
    except _TIMED_OUT as error:
        raise ClusterError(
            f"the cluster at {address} has no worker: start one with 'dask worker {address} --nthreads 1'"
        ) from error


@contextmanager
def _quiet() -> Iterator[None]:
    """Leave it to the one error to say what happened, unless everything is to be said."""
    loggers = [logging.getLogger(name) for name in _CHATTY]
    levels = [logger.level for logger in loggers]
    if not logging.getLogger().isEnabledFor(logging.DEBUG):
        for logger in loggers:
            logger.setLevel(logging.CRITICAL + 1)
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", module=r"distributed\.")
            yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)
