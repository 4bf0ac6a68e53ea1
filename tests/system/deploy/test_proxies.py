"""The guide's nginx and Caddy in front of the service: uploads, event streams and forms go through."""

from __future__ import annotations

import re
import shutil
import ssl
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import numpy as np
import pytest
from pydantic import SecretStr

from service.app import create_app
from service.settings import ServiceSettings
from tests.api.conftest import SPEC
from tests.conftest import missing
from tests.support.compose import ROOT
from tests.support.people import bearer
from tests.support.serving import serving
from tests.support.uploads import npz, post
from tgsh.api_keys import KeyFile
from tgsh.stack.redis import free_port

NAME = "lab.example"
GUIDE = ROOT / "tgsh" / "docs" / "behind-a-proxy.md"


def block(language: str) -> str:
    """What the guide says, of this language."""
    (found,) = re.findall(rf"```{language}\n(.*?)```", GUIDE.read_text("utf-8"), re.DOTALL)
    return str(found)


def certificate(folder: Path) -> tuple[Path, Path]:
    """A certificate of the name, signed by itself, and its key."""
    made, key = folder / "lab.pem", folder / "lab.key"
    words = ["req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "1", "-subj", f"/CN={NAME}"]
    words += ["-addext", f"subjectAltName=DNS:{NAME}", "-keyout", str(key), "-out", str(made)]
    subprocess.run(["openssl", *words], check=True, capture_output=True, timeout=60)
    return made, key


def nginx(folder: Path, port: int, api: int) -> list[str]:
    """nginx with the guide's server, which nothing but port, files and the API's port are replaced in."""
    made, key = certificate(folder)
    server = block("nginx").replace("listen 443 ssl", f"listen 127.0.0.1:{port} ssl")
    server = server.replace("/etc/ssl/lab.example.pem", str(made)).replace(
        "/etc/ssl/lab.example.key", str(key)
    )
    folders = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    temporary = "".join(f"{name}_temp_path {folder}/{name};\n" for name in folders)
    (folder / "nginx.conf").write_text(
        f"daemon off; pid {folder}/pid; error_log stderr; events {{}}\n"
        f"http {{\naccess_log off;\n{temporary}{server.replace('127.0.0.1:8000', f'127.0.0.1:{api}')}}}\n"
    )
    return ["nginx", "-c", str(folder / "nginx.conf"), "-p", str(folder)]


def caddy(folder: Path, port: int, api: int) -> list[str]:
    """Caddy with the guide's site, which port, the API's port and a certificate are put in: no ACME here."""
    made, key = certificate(folder)
    site = block("text").replace("lab.example {", f"lab.example:{port} {{\n    tls {made} {key}")
    options = "{\n    admin off\n    auto_https disable_redirects\n}\n"
    (folder / "Caddyfile").write_text(options + site.replace("127.0.0.1:8000", f"127.0.0.1:{api}"))
    return ["caddy", "run", "--config", str(folder / "Caddyfile"), "--adapter", "caddyfile"]


@pytest.fixture(params=[nginx, caddy], ids=lambda proxy: proxy.__name__)
def client(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[httpx.Client]:
    """A client of the service, through a proxy, by its name and with TLS."""
    name = request.param.__name__
    if shutil.which(name) is None:
        missing(f"no {name}; install Debian's package {'nginx-light' if name == 'nginx' else name}")
    home, port = tmp_path / "home", free_port()
    key = KeyFile(home / "keys.json").add("alice", "submit", None)
    settings = ServiceSettings(home=home, allowed_hosts=(NAME,), redis_url=SecretStr("redis://127.0.0.1:1/0"))
    with serving(create_app(settings)) as direct, (tmp_path / "log").open("wb") as log:
        command = request.param(tmp_path, port, direct.base_url.port)
        place = {"HOME": str(tmp_path), "XDG_DATA_HOME": str(tmp_path), "PATH": "/usr/bin:/usr/sbin"}
        proxy = subprocess.Popen(command, env=place, stdout=log, stderr=log)
        trusting = ssl.create_default_context(cafile=str(tmp_path / "lab.pem"))
        try:
            with httpx.Client(
                base_url=f"https://127.0.0.1:{port}",
                verify=trusting,
                headers={"Host": NAME, **bearer(key)},
                timeout=30,
            ) as client:
                client.event_hooks["request"] = [lambda sent: sent.extensions.update(sni_hostname=NAME)]
                _wait(client, proxy, tmp_path / "log")
                yield client
        finally:
            proxy.terminate()
            proxy.wait(20)


def _wait(client: httpx.Client, proxy: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + 30
    while True:
        try:
            assert client.get("/livez").status_code == 200
            return
        except httpx.TransportError:
            assert proxy.poll() is None, log.read_text()
            assert time.monotonic() < deadline, log.read_text()
            time.sleep(0.05)


def test_what_goes_in_and_out_goes_through(client: httpx.Client) -> None:
    pixels = np.random.default_rng(0).integers(0, 255, (4000, 28, 28), np.uint8)
    content = npz(x=pixels, y=np.arange(len(pixels)) % 10)
    assert len(content) > 3 << 20, "nginx's own limit is 1 MB"
    uploaded = post(client, content)
    assert uploaded.status_code == 201, uploaded.text

    made = client.post("/experiments", json=SPEC, headers={"Origin": f"https://{NAME}"})  # as a page does
    assert made.status_code == 202, made.text
    path = f"/experiments/{made.json()['id']}"
    with client.stream("GET", f"{path}/events") as stream:
        assert stream.headers["content-type"].startswith("text/event-stream")
        lines = stream.iter_lines()
        next(line for line in lines if line.startswith("data:"))  # and the stream goes on
        assert client.post(f"{path}/cancel").is_success
        assert any("cancel" in line for line in lines if line.startswith("data:"))
    assert client.get(path).json()["status"] == "cancelled"
