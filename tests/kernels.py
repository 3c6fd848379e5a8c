"""Kernels that begin at once: a server that has loaded what nearly every chapter imports forks them.

A new interpreter needs six seconds of a processor for that. A forked kernel has names, environment, folder and figures of its
own, as any other.
"""

import atexit
import multiprocessing
import os
from importlib.metadata import EntryPoint
from typing import Any

from jupyter_client.connect import KernelConnectionInfo
from jupyter_client.provisioning import KernelProvisionerFactory, LocalProvisioner

FORKS = multiprocessing.get_context("forkserver")  # as the library has it, whose module would load PyTorch in each pytest
LOADED = ["ipykernel.kernelapp", "fercore.course.cells", "fercore.course.figures", "fercore.papers.report", "simfer.render"]


class Kernel(FORKS.Process):
    """A kernel's process, with what Jupyter asks of a `subprocess.Popen`."""

    stdin = stdout = stderr = None

    def __init__(self, arguments: list[str], environment: dict[str, str], folder: str | None) -> None:
        super().__init__()
        self.arguments, self.environment, self.folder = arguments, environment, folder

    def run(self) -> None:
        import matplotlib
        from ipykernel.kernelapp import IPKernelApp

        os.setsid()
        nowhere = os.open(os.devnull, os.O_WRONLY)
        for stream in (1, 2):  # the server's own; what cells print goes to Jupyter
            os.dup2(nowhere, stream)
        os.environ.clear()
        os.environ.update(self.environment)
        os.chdir(self.folder or ".")
        matplotlib.rcParams["backend"] = "module://matplotlib_inline.backend_inline"  # which ipykernel asks for too late here
        IPKernelApp.launch_instance([*self.arguments, f"--IPKernelApp.parent_handle={os.getppid()}"])

    def poll(self) -> int | None:
        return self.exitcode

    def wait(self) -> int | None:
        self.join()
        return self.exitcode

    def send_signal(self, number: int) -> None:
        os.kill(self.pid, number)


class ForkedKernels(LocalProvisioner):
    """Has Jupyter's kernels forked."""

    async def launch_kernel(self, cmd: list[str], **options: Any) -> KernelConnectionInfo:
        arguments = cmd[cmd.index("ipykernel_launcher") + 1 :]
        environment = options["env"] | {"JPY_PARENT_PID": str(os.getpid())}
        self.process = Kernel(arguments, environment, options.get("cwd"))
        self.process.start()
        atexit.register(self.process.kill)  # multiprocessing would wait for one that was never stopped
        self.pid, self.cwd = self.process.pid, options.get("cwd")
        return self.connection_info


def fork_kernels() -> None:
    """From now on every kernel that this process starts is forked; the server should have LOADED preloaded."""
    factory = KernelProvisionerFactory.instance()
    factory.provisioners["forked"] = EntryPoint("forked", f"{__name__}:ForkedKernels", factory.GROUP_NAME)
    factory.default_provisioner_name = "forked"
