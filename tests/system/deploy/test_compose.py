"""docker-compose.yml, Dockerfile and .env.example: valid, and what they promise is in them."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from service.settings import ServiceSettings
from tests.support.compose import COMPOSE_FILE, ROOT, MissingVariable, command, environment, load_compose
from worker.settings import WorkerSettings

PASSWORD = "s3cret"
PROFILES = {
    "redis": [],
    "service": [],
    "worker": ["gpu"],
    "worker-cpu": ["cpu"],
    "prometheus": ["monitoring"],
    "grafana": ["monitoring"],
    "flower": ["flower"],
    "postgres": ["postgres"],
    "store": ["postgres"],
}
SERVICES = tuple(PROFILES)
OURS = ("service", "worker", "worker-cpu")
BUILT = ("service", "worker")


@pytest.fixture
def services() -> dict[str, Any]:
    found: dict[str, Any] = load_compose({"TGSH_REDIS_PASSWORD": PASSWORD})["services"]
    return found


def stages() -> dict[str, list[str]]:
    """Instructions of every stage of the Dockerfile, those of the stages it is made from first."""
    text = re.sub(r"^\s*#.*\n", "", (ROOT / "Dockerfile").read_text("utf-8"), flags=re.MULTILINE)
    found: dict[str, list[str]] = {}
    current: list[str] = []
    for line in re.sub(r"\s*\\\n\s*", " ", text).splitlines():
        if start := re.fullmatch(r"FROM (\S+) AS (\S+)", line):
            current = found[start[2]] = list(found.get(start[1], []))
        current += [line] if line.strip() else []
    return found


def instructions(stage: str, name: str) -> list[str]:
    return [line.removeprefix(name).strip() for line in stages()[stage] if line.startswith(name + " ")]


def check_schema(path: Path) -> subprocess.CompletedProcess[str]:
    """Against the published Compose schema, as check-jsonschema carries it: no network."""
    offline = {"PATH": "", "https_proxy": "http://127.0.0.1:9", "http_proxy": "http://127.0.0.1:9"}
    arguments = ["-m", "check_jsonschema", "--builtin-schema", "vendor.compose-spec", str(path)]
    return subprocess.run(
        [sys.executable, *arguments], env=offline, capture_output=True, text=True, timeout=60, check=False
    )


def test_compose_file_fits_the_published_schema() -> None:
    result = check_schema(COMPOSE_FILE)
    assert result.returncode == 0, result.stdout + result.stderr


def test_the_schema_check_can_fail(tmp_path: Path) -> None:
    broken = tmp_path / "docker-compose.yml"
    broken.write_text(COMPOSE_FILE.read_text("utf-8").replace("healthcheck:", "healthcheque:"), "utf-8")
    assert "healthcheque" in check_schema(broken).stdout


def test_services_are_those_of_the_design(services: dict[str, Any]) -> None:
    assert {name: service.get("profiles", []) for name, service in services.items()} == PROFILES


def test_redis_keeps_its_queue_and_asks_for_a_password(services: dict[str, Any]) -> None:
    words = command(services["redis"])
    assert words[0] == "redis-server"
    options = {words[i].removeprefix("--"): words[i + 1] for i in range(1, len(words), 2)}
    assert options["appendonly"] == "yes"
    assert options["maxmemory-policy"] == "noeviction"
    assert options["requirepass"] == PASSWORD
    assert environment(services["redis"])["REDISCLI_AUTH"] == PASSWORD
    assert "ports" not in services["redis"], "Redis is for the containers only"
    assert "init" not in services["redis"], "tini would show the password in the host's process list"
    assert services["redis"]["volumes"] == ["redis:/data"]


@pytest.mark.parametrize("variables", [{}, {"TGSH_REDIS_PASSWORD": ""}])
def test_without_a_password_nothing_starts(variables: dict[str, str]) -> None:
    with pytest.raises(MissingVariable, match=r"TGSH_REDIS_PASSWORD.*\.env\.example"):
        load_compose(variables)


@pytest.mark.parametrize("name", SERVICES)
def test_every_service_restarts_and_has_a_health_check(services: dict[str, Any], name: str) -> None:
    service = services[name]
    assert service["restart"] == "unless-stopped"
    target = service.get("build", {}).get("target")
    assert "healthcheck" in service or len(instructions(target, "HEALTHCHECK")) == 1


def test_health_does_not_hang_on_the_format_of_an_image(services: dict[str, Any]) -> None:
    """OCI's format, which buildah and podman write, has no HEALTHCHECK."""
    for name in OURS:
        check = services[name]["healthcheck"]
        (said,) = instructions(services[name]["build"]["target"], "HEALTHCHECK")
        options, _, test = said.partition(" CMD ")
        assert ["CMD", *json.loads(test)] == check["test"]
        assert dict(re.findall(r"--([\w-]+)=(\w+)", options)) == {
            option: str(check[option.replace("-", "_")])
            for option in ("interval", "timeout", "start-period", "retries")
        }


def test_the_builder_asks_no_registry_for_its_own_language() -> None:
    assert (
        re.findall(r"(?im)^#\s*(?:syntax|escape|check)\s*=.*", (ROOT / "Dockerfile").read_text("utf-8")) == []
    )


def test_where_torch_comes_from_is_set_in_the_example() -> None:
    chosen = {"TORCH_INDEX": "https://mirror.example/simple", "TGSH_WORKER_EXTRA": "cpu"}
    built = load_compose({"TGSH_REDIS_PASSWORD": PASSWORD, **chosen})["services"]
    assert built["worker-cpu"]["build"]["args"] == {"TORCH_INDEX": chosen["TORCH_INDEX"], "EXTRA": "cpu"}
    assert built["worker"]["build"]["args"] == {"TORCH_INDEX": ""}
    declared = {name for line in instructions("worker-build", "ARG") for name in [line.partition("=")[0]]}
    assert declared == {"TORCH_INDEX", "EXTRA"}


@pytest.mark.parametrize("name", SERVICES)
def test_every_service_is_hardened(services: dict[str, Any], name: str) -> None:
    service = services[name]
    assert service.get("read_only") is (None if name == "store" else True)  # its entry point makes a user
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert "privileged" not in service
    assert set(service["logging"]["options"]) == {"max-size", "max-file"}


def test_volumes_are_named_and_shared_as_one_machine_needs(services: dict[str, Any]) -> None:
    declared = load_compose({"TGSH_REDIS_PASSWORD": PASSWORD})["volumes"]
    volumes = {name: service["volumes"] for name, service in services.items() if "volumes" in service}
    mounts = {name: dict(m.split(":")[:2] for m in found) for name, found in volumes.items()}
    named = {volume for mount in mounts.values() for volume in mount}
    assert {volume for volume in named if not volume.startswith(".")} == set(declared)
    for volume in named - set(declared):
        assert (ROOT / volume).is_file()
    for name in OURS:
        assert mounts[name]["home"] == environment(services[name])["TGSH_HOME"]
    made = Path(environment(services["service"])["TGSH_METRICS_KEY_FILE"])
    assert mounts["service"]["metrics-key"] == str(made.parent)
    assert services["prometheus"]["group_add"] == ["10001"], "the key's file is for its group"
    scraped = yaml.safe_load((ROOT / "tgsh/deploy/monitoring/prometheus.yml").read_text("utf-8"))
    shown = scraped["scrape_configs"][0]["authorization"]["credentials_file"]
    assert shown == f"{mounts['prometheus']['metrics-key']}/{made.name}"
    for name in ("worker", "worker-cpu"):
        assert mounts[name]["data"] == environment(services[name])["TGSH_DATA_DIR"]
    folder = load_compose({"TGSH_REDIS_PASSWORD": PASSWORD, "TGSH_DATA_MOUNT": "/srv/mnist"})
    assert "/srv/mnist:/srv/datasets" in folder["services"]["worker"]["volumes"]


def test_the_api_is_published_to_this_machine_only(services: dict[str, Any]) -> None:
    assert services["service"]["ports"] == ["127.0.0.1:8000:8000"]
    pages = {name: services[name]["ports"] for name in SERVICES if "ports" in services[name]}
    assert all(port.startswith("127.0.0.1:") for ports in pages.values() for port in ports)
    assert list(pages) == ["service", "grafana", "flower"]


def test_nobody_gets_in_without_a_key_unless_somebody_says_so(services: dict[str, Any]) -> None:
    assert environment(services["service"])["TGSH_ALLOW_NO_KEYS"] == ""
    assert environment(services["service"])["TGSH_ALLOWED_HOSTS"] == "service,"
    said = load_compose({"TGSH_REDIS_PASSWORD": PASSWORD, "TGSH_ALLOW_NO_KEYS": "1"})["services"]
    assert environment(said["service"])["TGSH_ALLOW_NO_KEYS"] == "1"
    text = COMPOSE_FILE.read_text("utf-8") + (ROOT / ".env.example").read_text("utf-8")
    assert text.count("docker compose exec service tgsh keys add NAME --role admin") == 2


def test_gpus_are_reserved_by_the_gpu_worker_alone(services: dict[str, Any]) -> None:
    (device,) = services["worker"]["deploy"]["resources"]["reservations"]["devices"]
    assert device == {"driver": "nvidia", "count": "all", "capabilities": ["gpu"]}
    assert [name for name in SERVICES if "deploy" in services[name]] == ["worker"]
    assert services["worker-cpu"]["build"]["args"]["TORCH_INDEX"].endswith("/whl/cpu")
    assert command(services["worker"]) == command(services["worker-cpu"])


def test_everything_of_ours_waits_for_redis(services: dict[str, Any]) -> None:
    for name in OURS:
        needs = services[name]["depends_on"]
        assert needs.pop("redis") == {"condition": "service_healthy"}
        assert needs.keys() == {"postgres", "store"}
        assert all(need == {"condition": "service_healthy", "required": False} for need in needs.values())


@pytest.mark.parametrize("name", OURS)
def test_settings_understand_the_environment(
    services: dict[str, Any], name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    kind = ServiceSettings if name == "service" else WorkerSettings
    given = environment(services[name])
    for variable, value in given.items():
        assert variable.removeprefix("TGSH_").lower() in kind.model_fields, f"{variable} is no setting"
        monkeypatch.setenv(variable, value)
    settings = kind()
    assert settings.redis == f"redis://:{PASSWORD}@redis:6379/0"
    assert settings.database == Path("/var/lib/tgsh/tgsh.db")
    assert settings.artifacts == "/var/lib/tgsh/artifacts"


def test_images_start_with_the_commands_of_the_compose_file(services: dict[str, Any]) -> None:
    for stage in BUILT:
        (started,) = instructions(stage, "CMD")
        assert json.loads(started) == command(services[stage]), "the exec form, and the same words"
    assert command(services["service"])[:3] == ["uvicorn", "service.app:create_app", "--factory"]
    assert command(services["worker"])[:4] == ["celery", "-A", "worker.app", "worker"]


@pytest.mark.parametrize("stage", BUILT)
def test_images_do_not_run_as_root(stage: str) -> None:
    assert instructions(stage, "USER") == ["10001:10001"]
    assert any("useradd --uid 10001" in line for line in instructions(stage, "RUN"))


@pytest.mark.parametrize("stage", BUILT)
def test_images_hold_no_build_tools_and_no_foreign_code(stage: str) -> None:
    assert any("'pip', 'setuptools', 'wheel'" in line for line in instructions(stage, "RUN"))
    assert "--without-pip" in " ".join(instructions(f"{stage}-build", "RUN"))
    assert instructions(stage, "COPY") == [f"--from={stage}-build /opt/venv /opt/venv"]
    copied = instructions(f"{stage}-build", "COPY")
    first = "pyproject.toml LICENSE tgsh/deploy/constraints.txt ./"
    assert copied == [first, "tgsh tgsh", f"{stage} {stage}"]


def test_the_service_image_has_no_torch() -> None:
    steps = " ".join(instructions("service-build", "RUN"))
    assert "worker" not in steps
    assert "sys.exit(importlib.util.find_spec('torch') is not None)" in steps
    assert "EXTRA=worker" in instructions("worker-build", "ARG")
    assert ".[$EXTRA]" in " ".join(instructions("worker-build", "RUN"))
    assert "TORCH_INDEX" not in steps


def test_the_builder_sees_only_what_it_copies() -> None:
    lines = (ROOT / ".dockerignore").read_text("utf-8").splitlines()
    allowed = {line[1:] for line in lines if line.startswith("!")}
    copied = {w for s in BUILT for c in instructions(f"{s}-build", "COPY") for w in c.split()[:-1]}
    assert "*" in lines
    assert allowed == {name.partition("/")[0] for name in copied}


def test_the_example_names_every_variable_and_only_those() -> None:
    text = COMPOSE_FILE.read_text("utf-8")
    used = {"COMPOSE_PROFILES", *re.findall(r"\$\{(\w+)", text), *re.findall(r"(?m)^ +(FSSPEC_\w+):$", text)}
    lines = (ROOT / ".env.example").read_text("utf-8").splitlines()
    shown = {found[1]: found[2] for line in lines if (found := re.fullmatch(r"#?([A-Z_0-9]+)=(\S*)", line))}
    assert set(shown) == used
    assert shown["TGSH_REDIS_PASSWORD"] == "", "no password of ours: it would become everybody's"


def test_variables_are_filled_in_as_compose_does(tmp_path: Path) -> None:
    file = tmp_path / "compose.yml"
    file.write_text(
        "a: ['$${X}', '${X}', '${Y-d}', '${Y:-d}', '${Z:-d}', 'p${X:-q}s', '${X?m}', 3]\nb: {c: '${Z}'}\n"
        "d: 'p${Y:-${X:?m}}s'\nservices: {e: {environment: {X: , Z: , W: w}}}\n"
    )
    filled = load_compose({"X": "x", "Y": ""}, file)
    assert filled == {
        "a": ["${X}", "x", "", "d", "d", "pxs", "x", 3],
        "b": {"c": ""},
        "d": "pxs",
        "services": {"e": {"environment": {"X": "x", "W": "w"}}},
    }


def test_what_lets_other_machines_in_is_asked_for(tmp_path: Path) -> None:
    several = ROOT / "tgsh" / "deploy" / "several-machines.yml"
    result = check_schema(several)
    assert result.returncode == 0, result.stdout + result.stderr
    with pytest.raises(MissingVariable, match="TGSH_PRIVATE_ADDRESS"):
        load_compose({}, several)
    opened = load_compose({"TGSH_PRIVATE_ADDRESS": "10.0.0.1"}, several)["services"]
    ports = {name: service["ports"] for name, service in opened.items()}
    assert ports == {name: [f"10.0.0.1:{port}:{port}"] for name, port in PRIVATE.items()}


PRIVATE = {"redis": 6379, "postgres": 5432, "store": 8333}


def test_every_password_falls_back_to_the_one_that_must_be_set(services: dict[str, Any]) -> None:
    secrets = {
        "grafana": ("GF_SECURITY_ADMIN_PASSWORD", PASSWORD),
        "flower": ("FLOWER_BASIC_AUTH", f"tgsh:{PASSWORD}"),
        "postgres": ("POSTGRES_PASSWORD", PASSWORD),
        "store": ("AWS_SECRET_ACCESS_KEY", PASSWORD),
    }
    for name, (variable, value) in secrets.items():
        assert environment(services[name])[variable] == value
    chosen = {"TGSH_REDIS_PASSWORD": PASSWORD, "TGSH_PAGES_PASSWORD": "p", "TGSH_STORE_PASSWORD": "d"}
    own = load_compose({**chosen, "FSSPEC_S3_SECRET": "s"})["services"]
    assert environment(own["grafana"])["GF_SECURITY_ADMIN_PASSWORD"] == "p"
    assert environment(own["postgres"])["POSTGRES_PASSWORD"] == "d"
    assert environment(own["store"])["AWS_SECRET_ACCESS_KEY"] == "s"
    assert environment(own["service"])["FSSPEC_S3_SECRET"] == "s"
    assert "FSSPEC_S3_SECRET" not in environment(services["service"]), "empty is no key"
    assert PASSWORD not in json.dumps([command(services[name]) for name in ("flower", "postgres", "store")])


def test_several_machines_use_what_the_profile_has() -> None:
    text = (ROOT / ".env.example").read_text("utf-8")
    shown = dict(re.findall(r"(?m)^#?([A-Z_0-9]+)=(\S*)$", text))
    assert shown["TGSH_DATABASE_URL"] == "postgresql+psycopg://tgsh:PASSWORD@postgres:5432/tgsh"
    assert shown["FSSPEC_S3_ENDPOINT_URL"] == "http://store:8333"
    assert shown["TGSH_ARTIFACTS_URL"].startswith("s3://tgsh/")
    there = load_compose({"TGSH_REDIS_PASSWORD": PASSWORD, "TGSH_REDIS_HOST": "10.0.0.1"})["services"]
    assert environment(there["worker"])["TGSH_REDIS_URL"] == f"redis://:{PASSWORD}@10.0.0.1:6379/0"
