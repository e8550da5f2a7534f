"""A connection to Ray: to a cluster at an address, or to one of our own on this machine that ends with it.

Ray is imported when a connection is made, never before. It is told to be quiet: it prints nothing, reports nothing to
its makers and serves no web page.
"""

from __future__ import annotations

import logging
import os
import re
import secrets
import socket
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from emcoop.errors import ConfigError, EmCoopError
from emcoop.version import __version__

QUIET = {
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_DEDUP_LOGS_SKIP_REGEX": ".",
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",
    "RAY_ENABLE_UV_RUN_RUNTIME_ENV": "0",
}
"""Environment variables that Ray reads on import: no reports, no news of its processes, workers as they are set up."""

PATIENCE = 30.0
"""Seconds within which a cluster must answer. Ray itself would try for minutes."""
KNOCK = 5.0
"""Seconds within which its port must take a connection."""
STORE_BYTES = 512 << 20
"""Shared memory of a Ray of our own; finished traces wait in it to be fetched, and go to the disk when it is full."""

# In a process of its own, because this cannot be interrupted, and may end the process it happens in.
_TRY_OUT = (
    "import sys, ray; ray.init(sys.argv[1], log_to_driver=False, logging_level='CRITICAL'); ray.shutdown(); print('ok')"
)


class Connection(NamedTuple):
    """What is known of the Ray this process is connected to.

    Attributes:
        ray: The package.
        slots: Episodes at once.
        scratch: Folder for the workers' unfinished files, removed in the end; None where workers have other disks.
    """

    ray: Any
    slots: int
    scratch: str | None


@contextmanager
def connected(address: str | None, jobs: int | None) -> Iterator[Connection]:
    """Connect to Ray; afterwards disconnect, and end what was started here.

    Args:
        address: `HOST:PORT` of a cluster, `ray://HOST:PORT` of its client server, `auto` for the one this machine is
            part of; None = start Ray on this machine.
        jobs: Episodes at once; None = one per CPU there is.

    Raises:
        ConfigError: Ray is not installed, or the address is none.
        EmCoopError: Ray does not start or answer, or its workers have another version of this package.
    """
    ray = _import_ray()
    with _started(ray, jobs or os.cpu_count() or 1) if address is None else _joined(ray, address) as scratch:
        slots = jobs or int(ray.cluster_resources().get("CPU", 0))
        if not slots:
            raise ConfigError(f"the Ray cluster at {address} has no CPUs now: start its workers, or give --jobs")
        _check_versions(ray)
        yield Connection(ray, slots, scratch)


def _import_ray() -> Any:
    for name, value in QUIET.items():
        os.environ.setdefault(name, value)
    try:
        import ray
    except ImportError:
        raise ConfigError('--backend ray needs the package ray: pip install "emcoop[ray]"') from None
    return ray


@contextmanager
def _started(ray: Any, cpus: int) -> Iterator[str]:
    """Start Ray on this machine; yield the folder with all it writes, which is removed in the end."""
    # Whoever reaches its ports needs this; without it Ray would leave a secret in the user's home.
    os.environ.setdefault("RAY_AUTH_TOKEN", secrets.token_hex(32))
    # The usual folder for such things may have too long a name for the sockets in it.
    place = "/tmp" if Path("/tmp").is_dir() else None
    with tempfile.TemporaryDirectory(prefix="emcoop-ray-", dir=place, ignore_cleanup_errors=True) as folder:
        settings = {
            "num_cpus": cpus,
            "num_gpus": 0,
            "include_dashboard": False,
            "object_store_memory": STORE_BYTES,
            "_temp_dir": folder,
        }
        try:
            _init(ray, "local", "Ray does not start on this machine", settings)
            yield folder
        finally:
            ray.shutdown()


@contextmanager
def _joined(ray: Any, address: str) -> Iterator[None]:
    _knock(address)
    _try_out(address)
    try:
        _init(ray, address, f"Ray at {address} refuses", {})
        yield
    finally:
        ray.shutdown()


def _init(ray: Any, address: str, trouble: str, settings: dict[str, Any]) -> None:
    try:
        ray.init(address=address, log_to_driver=False, logging_level=logging.CRITICAL, **settings)
    except Exception as error:  # of many kinds, most of them plain RuntimeErrors
        raise EmCoopError(f"{trouble}: {_first_line(error)}") from error


def _knock(address: str) -> None:
    """Check that something listens at an address, which takes a moment where Ray takes minutes."""
    if address == "auto":
        return
    host, _, port = address.removeprefix("ray://").rpartition(":")
    if not (host and port.isdecimal() and 0 < int(port) < 65536):
        raise ConfigError(
            f"--address {address} is no address of a Ray cluster: give HOST:PORT as `ray start` prints it, "
            "ray://HOST:PORT of its client server, or auto for the cluster this machine is part of"
        )
    try:
        socket.create_connection((host.strip("[]"), int(port)), timeout=KNOCK).close()
    except OSError as error:
        raise EmCoopError(
            f"nothing answers at {address} ({error.strerror or error}): check the address, and that the cluster is up"
        ) from error


def _try_out(address: str) -> None:
    """Check that what listens at an address is a cluster that takes us."""
    command = [sys.executable, "-c", _TRY_OUT, address]
    try:
        done = subprocess.run(command, capture_output=True, encoding="utf-8", errors="replace", timeout=PATIENCE)
    except subprocess.TimeoutExpired as late:
        said = late.stderr.decode(errors="replace") if isinstance(late.stderr, bytes) else late.stderr or ""
        raise EmCoopError(
            f"{address} does not answer as a Ray cluster within {PATIENCE:g} seconds{_last_line(said)}: check the "
            "address, and that this machine has the cluster's token"
        ) from None
    if "ok" not in done.stdout.split():
        raise EmCoopError(
            f"Ray cannot connect to {address}{_last_line(done.stderr)}: check the address, and that this machine has "
            "the cluster's token and its versions of Ray and Python"
        )


def _check_versions(ray: Any) -> None:
    """Refuse a cluster whose machines have another version of this package, or none."""
    from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

    # One where the other package would break: the function travels as code, not by its name.
    ask = ray.remote(num_cpus=0, max_retries=0)(_version_teller())
    nodes = {node["NodeID"]: node["NodeManagerHostname"] for node in ray.nodes() if _takes_work(node)}
    answers = {
        ask.options(scheduling_strategy=NodeAffinitySchedulingStrategy(node, soft=False)).remote(): name
        for node, name in nodes.items()
    }
    try:
        found = dict(zip(answers.values(), ray.get(list(answers), timeout=2 * PATIENCE), strict=True))
    except ray.exceptions.RayError as error:
        raise EmCoopError(f"Ray's workers do not run anything: {_first_line(error)}") from error
    for name, version in found.items():
        if version != __version__:
            raise EmCoopError(other_version(name, version, __version__))


def other_version(machine: str, there: str, here: str) -> str:
    """Return the sentence for a worker with another version of this package than the program that sent it work."""
    has = f"emcoop {there}" if there else "no emcoop"
    return f"machine {machine} of the Ray cluster has {has}, this one {here}: install emcoop {here} on all of them"


def _version_teller() -> Callable[[], str]:
    def tell() -> str:
        try:
            from emcoop.version import __version__ as found
        except ImportError:
            return ""
        return str(found)

    return tell


def _takes_work(node: dict[str, Any]) -> bool:
    return bool(node["Alive"] and node["Resources"].get("CPU", 0))


def _first_line(error: BaseException) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0]


def _last_line(text: str) -> str:
    """Return the last thing Ray said, without time and place, as an addition to a sentence."""
    last = (text.strip().splitlines() or [""])[-1]
    said = re.sub(r"^(\[[^]]*\] )?(\S+\.(cc|h):\d+: )?", "", last).split(". ")[0].strip(" .")
    return f" ({said})" if said else ""
