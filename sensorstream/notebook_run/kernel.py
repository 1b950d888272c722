"""The kernel of a notebook: this very interpreter, begun before it is the notebook's turn."""

from __future__ import annotations

import sys
import time
from contextlib import suppress
from pathlib import Path
from queue import Empty
from subprocess import TimeoutExpired
from tempfile import TemporaryDirectory
from typing import Any

import zmq
from ipykernel.kernelspec import make_ipkernel_cmd
from jupyter_client.asynchronous.client import AsyncKernelClient
from jupyter_client.kernelspec import KernelSpec
from jupyter_client.manager import AsyncKernelManager
from jupyter_core.utils import run_sync

NO_HISTORY = "--HistoryManager.hist_file=:memory:"
END_SECONDS = 5
# Ahead of a notebook that comes along; one of somebody else's may use what we do not.
OURS = "from sensorstream.fast_import import ours; ours(); del ours\n"
LONGEST_SOCKET = 100  # bytes of a socket's path that every system takes


class Kernel:
    """A kernel that begins at once.

    Parameters
    ----------
    log
        Where goes what the kernel and its children print besides the notebook's outputs; gone again if that is nothing.
    ahead
        Code that it executes first, unseen, while whoever started it does something else. What fails there fails
        again in the notebook, and is said there.
    """

    def __init__(self, log: Path, ahead: str = "") -> None:
        self._log = log
        self._folder = TemporaryDirectory(prefix="sensorstream-kernel-", ignore_cleanup_errors=True)
        file = Path(self._folder.name, "k.json")
        self.manager: Any = _of_this_python(log)(connection_file=str(file), transport=transport(file))
        run_sync(self.manager.start_kernel)(extra_arguments=[NO_HISTORY])
        self._client = self.manager.blocking_client()
        self._client.start_channels()
        if ahead:
            self._client.execute(ahead, silent=True, store_history=False, stop_on_error=False)

    def forget(self) -> None:
        """Forget what a notebook has defined in it; what is imported stays. Done at the return: the next notebook
        speaks to it another way, on which its first cell might overtake this."""
        with suppress(TimeoutError):  # of one that has died, as the next notebook will say
            self._client.execute(
                "get_ipython().reset()", silent=True, store_history=False, reply=True, timeout=END_SECONDS
            )

    def close(self) -> None:
        """End it and its children; nothing where that is done already.

        Not by asking: a kernel that is asked sees to its children first, and waits seconds for a Java that has ended.
        """
        if self.manager.has_kernel:
            provisioner = self.manager.provisioner
            run_sync(provisioner.terminate)()
            try:
                provisioner.process.wait(END_SECONDS)
            except TimeoutExpired:
                run_sync(self.manager.shutdown_kernel)()
            else:  # which would speak to it for a tenth of a second, though it has ended
                run_sync(provisioner.wait)()
                run_sync(self.manager.cleanup_resources)()
        for client in (self._client, *self.manager.given):
            client.stop_channels()
        self.manager.given.clear()
        self._folder.cleanup()
        if self._log.exists() and not self._log.stat().st_size:
            self._log.unlink()


def transport(connection_file: Path) -> str:
    """How a kernel is spoken to: by sockets beside its connection file, where this user alone may go; over TCP on the
    loopback, signed with a key, where the system has no such sockets or their path would be too long."""
    longest = bytes(connection_file.with_suffix("")) + b"-ipc-5"
    return "ipc" if zmq.has("ipc") and len(longest) <= LONGEST_SOCKET else "tcp"


class _Client(AsyncKernelClient):
    async def wait_for_ready(self, timeout: float | None = None) -> None:
        """Until outputs arrive. Jupyter's own goes on until there are none for 0.2 s, a twentieth of a run by its three
        notebooks."""
        end = time.monotonic() + (timeout or float("inf"))
        while True:
            self.kernel_info()
            try:
                await self.iopub_channel.get_msg(timeout=1)
                return
            except Empty:
                if not await self.is_alive():
                    raise RuntimeError("the kernel died before it could answer") from None
                if time.monotonic() > end:
                    raise RuntimeError(f"the kernel has not answered for {timeout} seconds") from None


def _of_this_python(log: Path) -> type:
    """A kernel manager that runs this interpreter, whatever ``python3`` kernel the user has installed."""
    spec = KernelSpec(
        # Nothing is imported from the folder that the run happens to be in (-P): others may write there.
        argv=make_ipkernel_cmd("ipykernel", sys.executable, ["--log-level=40"], ["-P", "-Xfrozen_modules=off"]),
        language="python",
        env={"PYDEVD_DISABLE_FILE_VALIDATION": "1"},
    )

    class OwnKernel(AsyncKernelManager):
        def __init__(self, **kw: Any) -> None:
            super().__init__(client_factory=_Client, **kw)
            self.given: list[Any] = []  # clients, which whoever asked for them does not close

        @property
        def kernel_spec(self) -> KernelSpec:
            return spec

        def client(self, **kw: Any) -> Any:
            self.given.append(super().client(**kw))
            return self.given[-1]

        async def _async_launch_kernel(self, kernel_cmd: list[str], **kw: Any) -> None:
            with log.open("ab") as sink:
                await super()._async_launch_kernel(kernel_cmd, **{**kw, "stdout": sink, "stderr": sink})

    return OwnKernel
