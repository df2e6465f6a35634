"""Work on a Dask cluster, through joblib's dask backend.

The workers need the same versions of glimpse and of its libraries. They need no disk in common with the
client; what they work on is sent to each of them once, not once per call.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, TypeVar

from joblib import parallel_config

from offline.versions import all_versions
from realtime.errors import ClusterError
from realtime.sinks.extras import missing

PATIENCE_S = 30.0
"""How long to wait for the scheduler, and for a worker where there is none."""
_one_at_a_time = threading.Lock()
_Result = TypeVar("_Result")


@contextmanager
def cluster(
    address: str, shared: Sequence[object], patience_s: float = PATIENCE_S
) -> Iterator[Callable[[], int]]:
    """Let joblib's calls in the block run on a cluster; yields a count of its workers at the moment.

    Args:
        address: of the scheduler, e.g. `tcp://host:8786`.
        shared: arguments of many calls, sent to every worker once.
        patience_s: how long the scheduler or every worker may be away, s.

    Raises UsageError without Dask and for an impossible address, ClusterError where the scheduler cannot
    be reached, there is no worker, or work is lost.
    """
    try:
        from offline import dask_backend
    except ImportError as error:
        raise missing("--scheduler", "cluster", error) from error

    with dask_backend.connected(address, patience_s) as client:
        backend = dask_backend.WatchedBackend(client, shared, patience_s)
        with parallel_config(backend=backend):
            yield lambda: len(client.nthreads())


def on_worker(versions: dict[str, str], function: Callable[..., _Result], *arguments: Any) -> _Result:
    """Call `function` on a worker; `versions` are those of the client.

    One call at a time in a process, as torch's random state is the process's.
    Raises ClusterError where a version differs.
    """
    here = all_versions()
    for name, wanted in versions.items():
        if here.get(name) != wanted:
            raise ClusterError(
                f"a worker has {name} {here.get(name, 'not installed')}, this machine {wanted}: "
                "install the same versions on both"
            )
    with _one_at_a_time:
        return function(*arguments)
