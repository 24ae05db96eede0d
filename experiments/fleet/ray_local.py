"""Start Ray on this machine and on loopback only, with no more processes than the testbed needs.

Ray 2.55.1 binds every server to loopback when the node's address is 127.0.0.1, but ``ray.init`` replaces a
loopback address by the outward one first. ``confined`` switches that off for the time of the start, and with
it leaves out the autoscaler monitor, the log monitor and the dashboard process, none of which a local fleet
uses (measured on two cores: ``ray.init`` 3.2 s instead of 5.4 s). ``isolation.require_loopback`` proves the
result after each start, and tests/contract/test_ray.py holds the names used here to Ray's
version.
"""

from __future__ import annotations

import contextlib
import functools
import logging
import os
import secrets
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import ray
from ray._private import parameter, services
from ray._raylet import AuthenticationTokenLoader, Config  # type: ignore[attr-defined]

from edge_node.adapters.node_host import process_environment
from protos.wire import LOOPBACK_NAMES

from .base import FleetStartError, Managed
from .isolation import Isolation, require_loopback
from .ray_prints import logged_prints, replaced
from .ray_reaper import OVER, TOKEN, UP, VARIABLE
from .raylet_watch import RayletWatch, living_raylet
from .temporary import BELOW_PARENT, PREFIX

logger = logging.getLogger(__name__)

OBJECT_STORE_BYTES = 200 * 2**20
ANSWER_BYTES = 4 * 2**20
"""A call's answer up to this size comes with Ray's own reply, a larger one through the object store, which costs the
raylet and the caller 2 ms of CPU time more each time (choice: models of up to a million parameters; Ray's default is
100 kB)."""
LOOPBACK = "127.0.0.1"
UP_S = 180.0
"""Longest wait for the raylet (choice). Ray itself waits 30 s: on a busy machine its agents import longer, and it waits
for them."""
LOOK_S = 0.1
"""Ray asks without a pause, and takes the processor from what it waits for."""


def _keep_address(host: str) -> str:
    """In place of ray._private.services.resolve_ip_for_localhost, which turns loopback into the outward
    address.
    """
    return host


def _no_api_server(*_: Any, **__: Any) -> tuple[str, None]:
    """In place of ray._private.services.start_api_server: no address, no process."""
    return "", None


_get_node = services.get_node


def _awaited_node(gcs_address: str, node_id: str) -> dict[str, Any]:
    """In place of ray._private.services.get_node, which raises RuntimeError until the raylet has registered. Raises
    OSError, at which Ray does not ask again."""
    end = time.monotonic() + UP_S
    while True:
        try:
            found: dict[str, Any] = _get_node(gcs_address, node_id)
            return found
        except RuntimeError as error:
            if living_raylet() is None:
                raise ChildProcessError("its raylet ended while it started") from error
            if time.monotonic() > end:
                raise TimeoutError(f"its raylet was not up in {UP_S:.0f} s") from error
        time.sleep(LOOK_S)


@contextlib.contextmanager
def confined() -> Iterator[None]:
    without: dict[str, Any] = {"no_monitor": True, "include_log_monitor": False}
    lean = functools.partial(parameter.RayParams, **without)
    with replaced(
        [
            (services, "resolve_ip_for_localhost", _keep_address),
            (services, "start_api_server", _no_api_server),
            (parameter, "RayParams", lean),
        ]
    ):
        yield


def _leave(number: int, frame: object) -> None:
    """End on a signal: unwind, so that processes and files of the run are cleaned up."""
    raise SystemExit(128 + number)


def _reread_environment() -> None:
    """Ray reads its settings and token once, on import; make it read them again."""
    Config.initialize("")
    AuthenticationTokenLoader.instance().reset_cache()


def _without_proxy() -> dict[str, str]:
    """Loopback goes through no proxy, in this process and in those to come; what the user exempts stays exempt."""
    names = ("no_proxy", "NO_PROXY", *(name for name in ("no_grpc_proxy",) if name in os.environ))
    given = {name: os.environ.get(name, "") for name in names}
    return {
        name: ",".join(dict.fromkeys(part for part in (*value.split(","), *LOOPBACK_NAMES) if part))
        for name, value in given.items()
    }


class LocalRay(Managed):
    """A separate Ray on this machine: token authentication, no dashboard, no usage reports.

    Args:
        processes: Workers started ahead, one per process of the fleet.
        preload: Modules that workers import while Ray is still starting.
        isolation: See isolation.Isolation.
    """

    def __init__(
        self, processes: int, preload: tuple[str, ...], isolation: Isolation = Isolation.AUTO
    ) -> None:
        self._processes = processes
        self._preload = preload
        self.isolation = isolation
        self._folder: Path | None = None
        self._reaper: subprocess.Popen[bytes] | None = None
        self._environment_before: dict[str, str | None] = {}
        self._open = contextlib.ExitStack()
        self._watch = RayletWatch()

    def check(self) -> None:
        """Raises FleetLostError where Ray has ended by itself. To be asked before Ray is: it would end this process."""
        self._watch.check()

    def start(self) -> None:
        """Start Ray; tries a second time, for start-up times out now and then on a busy machine.

        Raises:
            FleetStartError: Ray does not start.
            IsolationError: something listens beyond loopback though it must not.
        """
        self._set_environment()
        try:
            self._start_reaper()
            self._open.enter_context(logged_prints())
            try:
                self._init()
            except (
                Exception
            ) as error:  # Ray raises bare Exception, RuntimeError, TimeoutError and its own kinds here
                logger.warning("Ray did not start (%s); trying once more", error)
                self._shutdown()
                try:
                    self._init()
                except Exception as again:
                    raise FleetStartError(
                        f"Ray did not start, twice: {again}. Its logs were in {self._folder}. "
                        'A fleet without Ray: set fleet = "inprocess".'
                    ) from again
            self._watch.start()
            self._tell_reaper(UP)
            if self.isolation is not Isolation.NONE:
                require_loopback()
            if threading.current_thread() is threading.main_thread():
                # Ray's own handler prints a stack and ends the process with nothing cleaned up.
                self._open.callback(signal.signal, signal.SIGTERM, signal.signal(signal.SIGTERM, _leave))
                if signal.getsignal(signal.SIGHUP) == signal.SIG_DFL:  # nohup has it ignored
                    self._open.callback(signal.signal, signal.SIGHUP, signal.signal(signal.SIGHUP, _leave))
        except BaseException:
            self.stop()
            raise

    def _set_environment(self) -> None:
        # Short: Ray puts Unix sockets below it, whose paths may have 107 characters at most. This folder is its owner's
        # alone; Ray opens the one below to everybody, for others may use its cluster.
        self._folder = Path(tempfile.mkdtemp(prefix=PREFIX))
        token = self._folder / TOKEN
        descriptor = os.open(token, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w") as file:
            file.write(secrets.token_hex(32))
        wanted = {
            **process_environment(),
            "RAY_AUTH_MODE": "token",
            VARIABLE: str(token),
            # Ours first: what it does for our names must be done before Ray puts the working directory in front.
            "RAY_preload_python_modules": ",".join(("experiments", *self._preload)),
            **_without_proxy(),
            "RAY_memory_monitor_refresh_ms": "0",
            "RAY_max_direct_call_object_size": str(ANSWER_BYTES),
            # Ray's default of 15 leaves the nodes what every other process of a busy machine does not want.
            "RAY_worker_niceness": "1",
            "RAY_enable_metrics_collection": "0",
            "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",
        }
        # An inherited token or cluster address would win over ours.
        removed = ("RAY_AUTH_TOKEN", "RAY_ADDRESS", "PYTHONBREAKPOINT")  # the last one Ray sets itself
        self._environment_before = {key: os.environ.get(key) for key in (*wanted, *removed)}
        os.environ.update(wanted)
        for key in removed:
            os.environ.pop(key, None)
        _reread_environment()

    def _start_reaper(self) -> None:
        """Before Ray: this process may be killed at any moment."""
        script = str(Path(__file__).with_name("ray_reaper.py"))
        self._reaper = subprocess.Popen(
            [sys.executable, "-I", "-S", script, str(self._folder), str(os.getpid())],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            start_new_session=True,  # Ctrl-C and a terminal that closes are for this process
            cwd="/",
        )

    def _tell_reaper(self, what: bytes) -> None:
        assert self._reaper is not None  # _start_reaper made it
        assert self._reaper.stdin is not None  # a pipe was asked for
        with contextlib.suppress(OSError):  # it was ended by somebody
            self._reaper.stdin.write(what)
            self._reaper.stdin.flush()

    def _init(self) -> None:
        assert self._folder is not None  # _set_environment made it
        confinement = contextlib.nullcontext() if self.isolation is Isolation.NONE else confined()
        patience = replaced([(services, "get_node", _awaited_node)])
        with confinement, patience, warnings.catch_warnings():
            warnings.simplefilter("ignore", FutureWarning)
            ray.init(
                num_cpus=self._processes,
                num_gpus=0,
                include_dashboard=False,
                log_to_driver=False,
                configure_logging=False,
                object_store_memory=OBJECT_STORE_BYTES,
                _node_ip_address=None if self.isolation is Isolation.NONE else LOOPBACK,
                _temp_dir=str(self._folder / BELOW_PARENT),
                _skip_env_hook=True,
            )

    @staticmethod
    def _shutdown() -> None:
        ray.shutdown()

    def stop(self) -> None:
        """Stop Ray, remove its folder, and put the environment back."""
        self._watch.stop()
        self._shutdown()
        self._open.close()
        for key, value in self._environment_before.items():
            if value is None:
                os.environ.pop(key, None)
            else:
                os.environ[key] = value
        if self._environment_before:
            _reread_environment()
        self._environment_before = {}
        reaper, self._reaper = self._reaper, None
        if reaper is not None:
            with contextlib.suppress(OSError):  # it was ended by somebody
                reaper.communicate(OVER)
        if self._folder is not None:
            shutil.rmtree(self._folder, ignore_errors=True)
            self._folder = None
