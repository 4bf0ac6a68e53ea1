"""Walk through the guide's steps for systemd, typed as they stand, in a container with systemd."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.containers.engine import Engine, run
from tests.containers.stand_ins import APT, PYTHON, Unavailable
from tests.containers.walk import Report
from tests.system.deploy.test_systemd import EXPOSURE

IMAGE, MACHINE = "tgsh-test/systemd", "tgsh-test-systemd"
PASSWORD = "syst3mdS3cret"
TGSH = "/opt/tgsh/bin/tgsh"
UNITS = ("tgsh-redis", "tgsh-api", "tgsh-worker")
SPEC = {
    "dataset": "mnist5k",
    "suite": {"kind": "rotation", "tasks": 12, "step_degrees": 30},
    "training": {"epochs": 10},
}


def steps(source: Path) -> list[str]:
    """The commands of the guide's section about systemd."""
    text = (source / "tgsh/docs/one-server.md").read_text("utf-8")
    block = re.search(r"### systemd.*?```sh\n(.*?)```", text, re.DOTALL)
    assert block is not None
    return block[1].replace("\\\n", " ").strip().splitlines()


class Machine:
    """Container whose first process is systemd; its files are a Debian's with this checkout in /src."""

    def __init__(self, engine: Engine, source: Path, index: str) -> None:
        self._engine = engine
        if engine.status("image", "inspect", IMAGE):
            packages = APT.format("systemd systemd-sysv dbus sudo curl procps")
            engine.build(
                IMAGE, f'FROM {PYTHON}\n{packages}STOPSIGNAL SIGRTMIN+3\nCMD ["/lib/systemd/systemd"]\n'
            )
        engine.docker("rm", "--force", MACHINE, quiet=True)
        words = ["--name", MACHINE, "--hostname", "lab", "--tmpfs", "/run", "--tmpfs", "/tmp:exec"]
        # What systemd would mount itself, had it the right; and that it is in a container.
        words += [
            "--tmpfs",
            "/run/lock",
            "--env",
            "container=docker",
            "--volume",
            "/sys/fs/cgroup:/sys/fs/cgroup",
        ]
        engine.docker("run", "--detach", *words, IMAGE)
        engine.docker("cp", f"{source}/.", f"{MACHINE}:/src")
        if index:
            (name,) = re.findall(r'href="torch-([^-"]+)-', run("curl", "-s", f"{index}/torch/"))
            version = name.replace("%2B", "+")
            lines = f"find-links = {index}/torch/ {index}/torchvision/\\nconstraint = /etc/pip.constraint\\n"
            self(f"printf '{lines}' >> /etc/pip.conf; echo torch=={version} > /etc/pip.constraint")

    def __call__(self, script: str, seconds: float = 1200) -> str:
        """Standard output of a line, typed by root in the checkout."""
        return self._engine.docker(
            "exec", "--workdir", "/src", MACHINE, "bash", "-ec", script, seconds=seconds
        )

    def status(self, script: str) -> int:
        """Exit status of a line."""
        return self._engine.status("exec", "--workdir", "/src", MACHINE, "bash", "-ec", script)

    def restart(self) -> None:
        """Stop and start it, as when the power was away."""
        self._engine.docker("restart", MACHINE)

    def remove(self) -> None:
        """End it."""
        self._engine.docker("rm", "--force", "--volumes", MACHINE, quiet=True)


def walk_units(engine: Engine, source: Path, index: str, report: Report) -> None:
    """Type the guide's steps, and try what it says of the units."""
    machine = Machine(engine, source, index)
    walk = _Walk(machine, source, index)
    try:
        for claim, check in {
            "systemd: the guide's steps, typed as they stand": walk.types,
            "systemd: the units are up": walk.up,
            "systemd: `sudo -u tgsh tgsh doctor` looks at the service": walk.doctor,
            "systemd: an experiment is learned": walk.learns,
            "systemd: exposure": walk.exposure,
            "systemd: a worker that is killed comes back": walk.killed,
            "systemd: a stop is gentle": walk.stops,
            "systemd: MemoryMax= and CPUQuota= are seen": walk.limits,
            "systemd: after a restart of the machine everything runs again": walk.restarts,
        }.items():
            try:
                report.step(claim, check)
            except Unavailable as lack:
                report.missing.append(f"{claim}: {lack}")
    finally:
        machine.remove()


class _Walk:
    def __init__(self, machine: Machine, source: Path, index: str) -> None:
        self._machine, self._source, self._index = machine, source, index
        self._key = ""

    def types(self) -> str:
        """Every line; where the guide says to set the password, it is set."""
        self._until(
            lambda: self._machine.status("systemctl is-system-running | grep -E 'running|degraded'") == 0
        )
        typed = steps(self._source)
        for line in typed:
            line = line.replace("NAME", "boss")
            if not self._index:
                line = line.replace(".[worker,", ".[cpu,")
            said = self._machine(f"{line} || true" if line.endswith("tgsh doctor") else line)  # judged below
            if "/etc/tgsh/environment" in line:
                sed = f"s/^TGSH_REDIS_PASSWORD=.*/TGSH_REDIS_PASSWORD={PASSWORD}/; s/:PASSWORD@/:{PASSWORD}@/"
                self._machine(f"sed -i '{sed}' /etc/tgsh/environment")
            if "keys add" in line:
                self._key = said.strip().splitlines()[-1]
        assert self._key.startswith("tgsh_"), self._key
        return f"{len(typed)} lines"

    def up(self) -> str:
        """Active, and the API says that it is ready."""
        ready = f"curl -sf -H 'Authorization: Bearer {self._key}' http://127.0.0.1:8000/readyz"
        self._until(lambda: self._machine.status(ready) == 0, 60)
        return self._machine(f"systemctl is-active {' '.join(UNITS)}")

    def doctor(self) -> str:
        """Without any variable, and with the rights that the guide gave the file."""
        said = self._machine(f"sudo -u tgsh {TGSH} doctor --json || true")
        findings = json.loads(said)["findings"]
        detail = {each["subject"]: each["detail"] for each in findings}
        assert detail["settings"] == "those of the service, in /etc/tgsh/environment", detail
        assert "/var/lib/tgsh" in detail["database"], detail
        assert PASSWORD not in said
        bad = [each for each in findings if each["verdict"] == "problem"]
        problems = [each for each in bad if each["subject"] != "torchvision"]  # a stand-in has PyPI's
        assert not problems, problems
        mode = self._machine("stat -c '%a %U:%G' /etc/tgsh/environment").strip()
        assert mode == "640 root:tgsh", mode
        return f"{len(findings)} findings, no problem; the environment is {mode}"

    def learns(self) -> str:
        """Through the API, as its user."""
        body = json.dumps(SPEC)
        said = self._tgsh(f"submit - --watch --json <<< '{body}'")
        assert json.loads(said)["status"] == "completed", said[-500:]
        return "completed"

    def exposure(self) -> str:
        """What systemd says of the units where they run."""
        seen = []
        for name, most in EXPOSURE.items():
            said = self._machine(f"systemd-analyze security --no-pager {name}.service | tail -1")
            found = re.search(r"(\d+\.\d+)", said)
            assert found is not None, said
            assert float(found[1]) <= most / 10, said
            seen.append(f"{name} {found[1]}")
        return ", ".join(seen)

    def killed(self) -> str:
        """SIGKILL to all of its processes."""
        show = "systemctl show --property MainPID --value tgsh-worker"
        before = self._machine(show).strip()
        began = time.monotonic()
        self._machine("systemctl kill --signal KILL tgsh-worker")
        self._until(lambda: self._machine(show).strip() not in (before, "0"), 30)
        seconds = time.monotonic() - began
        self.learns()
        return f"another process after {seconds:.1f} s, and it learns"

    def stops(self) -> str:
        """In the middle of an experiment."""
        body = json.dumps({**SPEC, "training": {"epochs": 60}, "seed": 5})
        identity = json.loads(self._tgsh(f"submit - --json <<< '{body}'"))["id"]
        show = f"show {identity} --json"
        self._until(lambda: json.loads(self._tgsh(show))["progress"]["fraction"] > 0, 60)
        began = time.monotonic()
        self._machine("systemctl stop tgsh-worker")
        seconds = time.monotonic() - began
        result = self._machine("systemctl show --property Result --value tgsh-worker").strip()
        self._machine("systemctl start tgsh-worker")
        self._until(lambda: json.loads(self._tgsh(show))["status"] == "completed", 300)
        assert result == "success", result
        return f"{result} after {seconds:.1f} s"

    def limits(self) -> str:
        """As the worker's code sees them inside of a unit."""
        code = "from tgsh.system import limits; print(limits())"
        words = "systemd-run --quiet --wait --pipe -p MemoryMax=1G -p CPUQuota=50%"
        said = self._machine(f'{words} /opt/tgsh/bin/python -c "{code}"').strip()
        if "control group" not in said:
            raise Unavailable(
                f"the engine lets no container set limits here (control groups of version 1): {said}"
            )
        assert f"memory={1 << 30}" in said, said
        assert "cores=1" in said, said
        return said

    def restarts(self) -> str:
        """They are enabled."""
        self._machine.restart()
        return self.up()

    def _tgsh(self, words: str) -> str:
        return self._machine(f"TGSH_API_KEY={self._key} {TGSH} {words}")

    def _until(self, condition: Callable[[], Any], seconds: float = 60) -> Any:
        deadline = time.monotonic() + seconds
        while not (found := condition()):
            assert time.monotonic() < deadline, f"not within {seconds:g} s"
            time.sleep(0.3)
        return found
