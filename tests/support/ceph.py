"""Temporary S3 server of Ceph (Debian's packages): a monitor, a store in memory and the gateway.

Unlike moto it checks signatures, and lists, deletes and takes files in parts as a lab's own store does.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import time
import uuid
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import httpx

from tests.conftest import missing
from tgsh.stack.redis import free_port

KEY, SECRET = "a-key", "a-secret"
PROGRAMS = ("ceph", "ceph-authtool", "ceph-mon", "ceph-osd", "monmaptool", "radosgw", "radosgw-admin")
CONFIGURATION = """\
[global]
fsid = {fsid}
mon host = [v2:127.0.0.1:{monitor}/0]
public addr = 127.0.0.1
cluster addr = 127.0.0.1
keyring = {folder}/keyring
run dir = {folder}
pid file =
admin socket =
log file = {folder}/$name.log
mon data = {folder}/mon
mon data avail crit = 1
mon allow pool size one = true
osd pool default size = 1
osd pool default min size = 1
osd pool default pg num = 4
osd crush chooseleaf type = 0
osd objectstore = memstore
osd data = {folder}/osd
memstore device bytes = 1073741824
rgw frontends = beast endpoint=127.0.0.1:{gateway}
"""


@contextmanager
def running_ceph(folder: Path) -> Iterator[dict[str, str]]:
    """The environment by which fsspec finds a server that lives as long as the block."""
    if lacking := [name for name in PROGRAMS if shutil.which(name) is None]:
        missing(f"no {', '.join(lacking)}; install Debian's radosgw, ceph-mon, ceph-osd and ceph-common")
    fsid, gateway = str(uuid.uuid4()), free_port()
    filled = {"fsid": fsid, "folder": folder, "monitor": (monitor := free_port()), "gateway": gateway}
    (folder / "ceph.conf").write_text(CONFIGURATION.format(**filled))
    for name in ("mon", "osd"):
        (folder / name).mkdir()
    keyring, conf = folder / "keyring", f"--conf={folder}/ceph.conf"
    _call("ceph-authtool", "--create-keyring", keyring)
    for name in ("mon.", "client.admin", "client.rgw", "osd.0"):
        capable = [word for kind in ("mon", "osd") for word in ("--cap", kind, "allow *")]
        _call("ceph-authtool", keyring, "--gen-key", "-n", name, *capable)
    address = f"[v2:127.0.0.1:{monitor}]"
    _call("monmaptool", "--create", "--fsid", fsid, "--addv", "a", address, folder / "monmap")
    _call("ceph-mon", conf, "-i", "a", "--mkfs", f"--monmap={folder}/monmap", f"--keyring={keyring}")
    with ExitStack() as stack:
        stack.enter_context(_running(folder, "ceph-mon", conf, "-i", "a"))
        _call("ceph", conf, "osd", "create")
        _call("ceph-osd", conf, "-i", "0", "--mkfs")
        stack.enter_context(_running(folder, "ceph-osd", conf, "-i", "0"))
        user = ("--uid=tgsh", "--display-name=tgsh", f"--access-key={KEY}", f"--secret-key={SECRET}")
        _call("radosgw-admin", conf, "user", "create", *user)
        server = stack.enter_context(_running(folder, "radosgw", conf, "-n", "client.rgw"))
        url = f"http://127.0.0.1:{gateway}"
        _wait_for(url, server, folder / "radosgw.out")
        yield {
            "FSSPEC_S3_ENDPOINT_URL": url,
            "FSSPEC_S3_KEY": KEY,
            "FSSPEC_S3_SECRET": SECRET,
            "AWS_DEFAULT_REGION": "us-east-1",
        }


def _call(*words: str | Path) -> None:
    done = subprocess.run([str(word) for word in words], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stdout + done.stderr


@contextmanager
def _running(folder: Path, *words: str) -> Iterator[subprocess.Popen[bytes]]:
    with (folder / f"{words[0]}.out").open("wb") as log:
        server = subprocess.Popen([*words, "-f"], stdout=log, stderr=log, start_new_session=True)
    try:
        yield server
    finally:
        os.killpg(server.pid, signal.SIGKILL)
        server.wait()


def _wait_for(url: str, server: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + 120
    while True:
        try:
            httpx.get(url, timeout=5)
            return
        except httpx.TransportError:
            assert server.poll() is None, log.read_text()
            assert time.monotonic() < deadline, log.read_text()
            time.sleep(0.1)
