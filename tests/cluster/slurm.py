"""A Slurm of one node, with daemons of its own: Debian's slurmctld, slurmd and munged."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from tgsh.stack.redis import free_port

PROGRAMS = ("munged", "slurmctld", "slurmd", "sbatch", "scancel", "scontrol", "sinfo")
SECONDS = 600.0
"""Only a hang takes so long."""

# No accounting and no cgroups, which a container may not make: processes are followed by their group.
CONFIG = """\
ClusterName=tgsh
SlurmctldHost={host}(127.0.0.1)
SlurmUser=root
SlurmdUser=root
AuthType=auth/munge
AuthInfo=socket={folder}/munge.socket
CredType=cred/munge
SlurmctldPort={controller_port}
SlurmdPort={node_port}
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd.pid
ProctrackType=proctrack/pgid
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/none
SchedulerType=sched/builtin
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU
MailProg=/bin/true
KillWait=30
MinJobAge=3600
ReturnToService=2
NodeName={host} NodeAddr=127.0.0.1 CPUs={cpus} State=UNKNOWN
PartitionName=all Nodes={host} Default=YES MaxTime=INFINITE State=UP
"""


def obstacle() -> str | None:
    """The reason why no Slurm can run here; None where one can."""
    absent = [name for name in PROGRAMS if find(name) is None]
    if absent:
        return f"no {', '.join(absent)}: apt-get install --no-install-recommends slurmctld slurmd munge"
    if os.geteuid() != 0:
        return "Slurm's daemons need root here"
    return None


def find(name: str) -> str | None:
    """Path of a program; daemons are not on everybody's PATH."""
    return shutil.which(name, path=f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin")


class Slurm:
    """The commands of a running Slurm."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._environment = dict(os.environ) | {"SLURM_CONF": str(folder / "slurm.conf")}

    def call(self, *words: str, **environment: str) -> str:
        """Standard output of one of its commands."""
        done = subprocess.run(
            words,
            env=self._environment | environment,
            cwd=self.folder,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, f"{words}: {done.stderr}"
        return done.stdout

    def submit(self, script: Path, *options: str, **environment: str) -> str:
        """The id of a new job."""
        return self.call("sbatch", "--parsable", *options, str(script), **environment).strip()

    def job(self, number: str) -> dict[str, str]:
        """Fields of a job, as `scontrol show job` has them."""
        return dict(re.findall(r"(\w+)=(\S*)", self.call("scontrol", "show", "job", number)))

    def wait(self, condition: Callable[[], bool], about: str) -> None:
        """Wait until it holds."""
        deadline = time.monotonic() + SECONDS
        while not condition():
            if time.monotonic() > deadline:
                raise AssertionError(f"waited in vain for {about}; logs are in {self.folder}")
            time.sleep(0.2)


@contextmanager
def running(folder: Path) -> Iterator[Slurm]:
    """A Slurm whose node is idle, for as long as the block."""
    for name in ("state", "spool"):
        (folder / name).mkdir()
    folder.chmod(0o755)
    key = folder / "munge.key"
    key.write_bytes(os.urandom(128))
    key.chmod(0o400)
    host = socket.gethostname().split(".")[0]
    text = CONFIG.format(
        host=host,
        folder=folder,
        controller_port=free_port(),
        node_port=free_port(),
        cpus=len(os.sched_getaffinity(0)),
    )
    (folder / "slurm.conf").write_text(text)
    slurm = Slurm(folder)
    munge = ["--foreground", "--force", f"--key-file={key}", f"--socket={folder}/munge.socket"]
    munge += [f"--{name}-file={folder}/munged.{name}" for name in ("pid", "log", "seed")]
    daemons = (("munged", munge), ("slurmctld", ["-D", "-i"]), ("slurmd", ["-D", "-N", host]))
    processes: list[subprocess.Popen[bytes]] = []
    try:
        for name, options in daemons:
            path = find(name)
            assert path is not None
            with (folder / f"{name}.out").open("wb") as log:
                environment = dict(os.environ) | {"SLURM_CONF": str(folder / "slurm.conf")}
                process = subprocess.Popen([path, *options], env=environment, stdout=log, stderr=log)
            processes.append(process)
            if name == "munged":
                slurm.wait((folder / "munge.socket").exists, "munged")
        slurm.wait(lambda: _is_idle(slurm), "the node")
        yield slurm
    finally:
        with contextlib.suppress(AssertionError):
            slurm.call("scancel", "--full", "--signal=KILL", "--state=RUNNING", "--user=root")
        for process in reversed(processes):
            process.terminate()
            process.wait()


def _is_idle(slurm: Slurm) -> bool:
    with contextlib.suppress(AssertionError):
        return slurm.call("sinfo", "--noheader", "--format=%T").strip() == "idle"
    return False
