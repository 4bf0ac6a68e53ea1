"""Stand-ins for images that a registry has, made of Debian's packages, and for the package index of torch.

Each bears the real name, takes the command, user, volumes and health check that docker-compose.yml gives it,
and runs the real program, in the version that Debian has.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from tests.containers.engine import GATEWAY, Engine, Unavailable, run

SUITE = "bookworm"
PYTHON = "python:3.12-slim"
CERTIFICATES = Path("/etc/ssl/certs/ca-certificates.crt")
NO_FILES = ("doc", "info", "locale", "man")
"""Folders of /usr/share that the slim images of Debian leave empty."""

INDEX_PORT = 8571
INDEX = f"http://{GATEWAY}:{INDEX_PORT}/simple"

NOT_HERE = {
    "grafana/grafana": "Grafana: no package of Debian's; its JSON is checked by tests/system/deploy",
    "chrislusf/seaweedfs": "SeaweedFS: no package of Debian's; moto stands in, which keeps nothing on disk",
}
"""Images of docker-compose.yml for which there is no stand-in."""

APT = (
    "RUN apt-get update -q && DEBIAN_FRONTEND=noninteractive apt-get install -qy --no-install-recommends {}\n"
)

POSTGRES_ENTRY = b"""#!/bin/sh -e
# What the real image's entry point does with an empty volume.
bin=$(ls -d /usr/lib/postgresql/*/bin)
export PATH="$bin:$PATH" PGDATA=/var/lib/postgresql/data
if [ ! -s "$PGDATA/PG_VERSION" ]; then
  printf %s "$POSTGRES_PASSWORD" > /tmp/password
  initdb --username="$POSTGRES_USER" --pwfile=/tmp/password --encoding=UTF8 \\
    --auth-local=trust --auth-host=scram-sha-256
  rm /tmp/password
  echo "host all all all scram-sha-256" >> "$PGDATA/pg_hba.conf"
  echo "listen_addresses = '*'" >> "$PGDATA/postgresql.conf"
  pg_ctl --wait start --options="-c listen_addresses=''"
  PGPASSWORD=$POSTGRES_PASSWORD createdb --username="$POSTGRES_USER" "$POSTGRES_DB"
  pg_ctl --wait stop
fi
exec "$@"
"""

STORE_ENTRY = b"""import boto3, threading
from moto.server import DomainDispatcherApplication, create_backend_app
from werkzeug.serving import make_server

inner = DomainDispatcherApplication(create_backend_app)

def application(environ, start):
    if environ["PATH_INFO"] == "/healthz":
        start("200 OK", [("Content-Type", "text/plain")])
        return [b"ok"]
    return inner(environ, start)

server = make_server("0.0.0.0", 8333, application, threaded=True)
threading.Thread(target=server.serve_forever).start()
boto3.client("s3", endpoint_url="http://127.0.0.1:8333", region_name="us-east-1").create_bucket(Bucket="tgsh")
"""

DOCKERFILES = {
    "redis:7-alpine": (
        APT.format("redis-server") + "RUN install -d -o redis -g redis /data\nWORKDIR /data\nVOLUME /data\n"
    ),
    "postgres:17-alpine": (
        "RUN groupadd -g 70 postgres && useradd -u 70 -g postgres -d /var/lib/postgresql postgres\n"
        + APT.format("postgresql")
        + "RUN rm -rf /var/lib/postgresql/*/\n"
        "RUN install -d -o postgres -g postgres -m 0700 /var/lib/postgresql/data\n"
        "ENV PATH=/usr/lib/postgresql/15/bin:/usr/bin:/bin\n"
        "COPY entry.sh /usr/local/bin/entry.sh\nRUN chmod 0755 /usr/local/bin/entry.sh\n"
        'ENTRYPOINT ["/usr/local/bin/entry.sh"]\n'
    ),
    "prom/prometheus:v3.14.0": (
        APT.format("prometheus wget")
        + "RUN install -d -o 65534 -g 65534 /prometheus\nUSER 65534\nWORKDIR /prometheus\n"
        'ENTRYPOINT ["/usr/bin/prometheus"]\n'
    ),
    "chrislusf/seaweedfs:4.48": APT.format("wget")
    + "RUN python -m venv /opt/moto && /opt/moto/bin/pip install 'moto[s3]' flask flask-cors\n"
    "COPY entry.py /entry.py\n"
    'ENTRYPOINT ["/opt/moto/bin/python", "/entry.py"]\n',
    "mher/flower:2.0": "RUN python -m venv /opt/flower\n"
    "RUN /opt/flower/bin/pip install 'celery[redis]' flower\n"
    "ENV PATH=/opt/flower/bin:$PATH\n"
    "RUN useradd -u 1000 flower\nUSER flower\nWORKDIR /tmp\n",
}
"""What is added to the base, by the name of the image."""

FILES = {
    "postgres:17-alpine": {"entry.sh": POSTGRES_ENTRY},
    "chrislusf/seaweedfs:4.48": {"entry.py": STORE_ENTRY},
}


def make_base(engine: Engine) -> str:
    """Make the stand-in for Python's image, unless it is there; the version of its Python."""
    if engine.status("image", "inspect", PYTHON):
        archive = engine.folder / "base.tar"
        packages = "ca-certificates,python3,python3-venv,python3-pip"
        words = [f"--dpkgopt=path-exclude=/usr/share/{each}/*" for each in NO_FILES]
        run("mmdebstrap", "--variant=minbase", *words, f"--include={packages}", SUITE, archive, seconds=600)
        engine.docker("import", archive, "tgsh-test/debian")
        archive.unlink()
        engine.build(
            PYTHON,
            "FROM tgsh-test/debian\n"
            "COPY ca-certificates.crt /etc/ssl/certs/ca-certificates.crt\n"
            "COPY pip.conf /etc/pip.conf\n"
            "RUN rm -f /usr/lib/python3*/EXTERNALLY-MANAGED && ln -s python3 /usr/bin/python\n"
            'CMD ["python"]\n',
            {"ca-certificates.crt": CERTIFICATES.read_bytes(), "pip.conf": _pip_conf().encode()},
        )
    return engine.docker("run", "--rm", PYTHON, "python", "--version").split()[-1]


def _pip_conf() -> str:
    """The machine's own settings of pip, as far as they name an index that a container reaches."""
    found = subprocess.run(
        [sys.executable, "-m", "pip", "config", "get", "global.index-url"],
        capture_output=True,
        text=True,
        check=False,
    ).stdout.strip()
    lines = ["[global]", f"cert = {CERTIFICATES}", f"trusted-host = {GATEWAY}", "timeout = 180"]
    return "\n".join([*lines, *([f"index-url = {found}"] if found else []), ""])


def make_all(engine: Engine) -> None:
    """Make the stand-ins that are not there yet; `make_base` comes first."""
    for name, lines in DOCKERFILES.items():
        if engine.status("image", "inspect", name):
            engine.build(name, f"FROM {PYTHON}\n{lines}", FILES.get(name, {}))


def collect_torch(folder: Path, wheels: Path, python: str) -> None:
    """Lay out an index of torch for processors and all that it needs, from a folder that has its wheel.

    Raises Unavailable where there is no such wheel for this Python.
    """
    tag = "cp" + "".join(python.split(".")[:2])
    found = sorted(wheels.glob(f"torch-*cpu-{tag}-*.whl"))
    if not found:
        raise Unavailable(f"no wheel of torch for processors and Python {python} in {wheels}")
    version = found[-1].name.split("-")[1]
    minor = int(version.split(".")[1])
    downloaded = folder / "downloaded"
    torchvision = f"torchvision==0.{minor + 15}.*"  # 0.28 is made for 2.13
    words = [
        "--quiet",
        "--only-binary=:all:",
        "--python-version",
        python.rpartition(".")[0],
        "--dest",
        downloaded,
    ]
    words += ["--find-links", wheels, f"torch=={version}", torchvision, "setuptools"]
    run(sys.executable, "-m", "pip", "download", *words, seconds=900)
    for wheel in downloaded.glob("*.whl"):
        place = folder / "simple" / wheel.name.split("-")[0].lower().replace("_", "-").replace(".", "-")
        place.mkdir(parents=True, exist_ok=True)
        shutil.move(wheel, place / wheel.name)


class _Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        """Say nothing."""


@contextmanager
def serving_index(folder: Path) -> Iterator[str]:
    """The URL of an index whose packages are folders of `folder`/simple, as long as the block."""
    server = ThreadingHTTPServer((GATEWAY, INDEX_PORT), partial(_Quiet, directory=str(folder)))
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield INDEX
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
