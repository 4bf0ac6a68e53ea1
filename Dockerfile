# Two images from one file, which needs no internet but the registries of images and of packages; docker compose
# builds both:
#
#   docker build --target service -t tgsh-service .     the API: no torch inside
#   docker build --target worker  -t tgsh-worker .      a worker for NVIDIA GPUs
#   docker build --target worker  -t tgsh-worker:cpu \
#     --build-arg TORCH_INDEX=https://download.pytorch.org/whl/cpu .
#                                                       a worker for machines without: gigabytes smaller
#   docker build --target worker  -t tgsh-worker:cpu --build-arg EXTRA=cpu .
#                                                       the same without torch: FlyNet on processors
#
# TORCH_INDEX names the package index that torch and torchvision come from. Empty: PyPI, whose Linux
# wheels bring CUDA along (the host needs the NVIDIA driver and the NVIDIA Container Toolkit, no CUDA).
# buildah and podman build with --format docker: their own format of images has no HEALTHCHECK.

# What both images are at run time. HOME is a tmpfs: compiled code is kept in TGSH_HOME/cache, which is a volume.
# It is not made here, as it is made for the processor that runs it, and bytes of results depend on that.
FROM python:3.12-slim AS base
ENV PATH=/opt/venv/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    TGSH_HOME=/var/lib/tgsh \
    HOME=/tmp \
    MPLCONFIGDIR=/tmp/matplotlib
# The uid is fixed, so that folders of the host can be given to it: chown 10001 /srv/datasets
RUN groupadd --gid 10001 tgsh \
 && useradd --uid 10001 --gid tgsh --no-create-home --home-dir /var/lib/tgsh --shell /usr/sbin/nologin tgsh \
 && install --directory --owner=tgsh --group=tgsh --mode=0750 /var/lib/tgsh /var/lib/tgsh-metrics /srv/datasets
# A new named volume starts as a copy of the folder it is mounted on, owner included.
WORKDIR /var/lib/tgsh


# Dependencies before source: editing a .py file rebuilds seconds, not gigabytes; of the releases that were tested
# together, so that two builds agree. An index of torch has its own of everything but torch. pip stays outside of the
# environment, and so out of the images.
FROM base AS service-dependencies
WORKDIR /src
COPY pyproject.toml LICENSE tgsh/deploy/constraints.txt ./
ENV PIP_PYTHON=/opt/venv/bin/python
RUN --mount=type=cache,target=/tmp/.cache/pip \
    touch README.md && python -m venv --without-pip /opt/venv && pip install --no-compile -c constraints.txt ".[postgres,s3]"
# Strips the symbols of libraries, tens of megabytes. Where Debian's packages cannot be had, they stay.
RUN apt-get update -q && apt-get install -qy --no-install-recommends binutils || echo "no binutils: larger images"

FROM service-dependencies AS worker-dependencies
ARG TORCH_INDEX=""
ARG EXTRA=worker
RUN --mount=type=cache,target=/tmp/.cache/pip \
    if [ "$EXTRA" = worker ] && [ -n "$TORCH_INDEX" ]; then \
      grep ^torch constraints.txt > torch.txt && pip install --no-compile -c torch.txt --index-url "$TORCH_INDEX" torch torchvision; \
    fi \
 && pip install --no-compile -c constraints.txt ".[$EXTRA]"


# tgsh/deploy/docker/slim.py: leaves out tests and headers of the dependencies, and compiles what is imported.
FROM service-dependencies AS service-build
COPY tgsh tgsh
COPY service service
RUN pip install --no-compile --no-deps --no-cache-dir --force-reinstall . \
 && python -c "import importlib.util, sys; sys.exit(importlib.util.find_spec('torch') is not None)" \
 && python tgsh/deploy/docker/slim.py tgsh.cli.application service.app

FROM worker-dependencies AS worker-build
COPY tgsh tgsh
COPY worker worker
RUN pip install --no-compile --no-deps --no-cache-dir --force-reinstall . \
 && python tgsh/deploy/docker/slim.py tgsh.cli.application worker.app worker.health


# What is in the images, as CycloneDX: docker build --target sbom --output sbom .
FROM base AS sbom-build
RUN --mount=type=cache,target=/tmp/.cache/pip \
    python -m venv --without-pip /opt/sbom && PIP_PYTHON=/opt/sbom/bin/python pip install --no-compile cyclonedx-bom==7.5.0
COPY --from=service-build /opt/venv /opt/service
COPY --from=worker-build /opt/venv /opt/worker
RUN for image in service worker; do \
      /opt/sbom/bin/cyclonedx-py environment --output-file /$image.cdx.json /opt/$image || exit 1; \
    done

FROM scratch AS sbom
COPY --from=sbom-build /service.cdx.json /worker.cdx.json /


# What builds packages has no use where they run.
FROM base AS runtime
RUN python -c "import shutil, sys, importlib.util as found; from pathlib import Path; \
[shutil.rmtree(Path(spec.origin).parent) for name in ('pip', 'setuptools', 'wheel', 'ensurepip') if (spec := found.find_spec(name))]; \
[path.unlink() for path in Path(sys.prefix, 'bin').glob('pip*')]"


FROM runtime AS service
COPY --from=service-build /opt/venv /opt/venv
USER 10001:10001
EXPOSE 8000
HEALTHCHECK --interval=10s --timeout=5s --start-period=30s --retries=3 \
  CMD ["python", "-c", "import urllib.request as web; web.urlopen('http://127.0.0.1:8000/livez', timeout=4)"]
# Exec form: the program itself gets SIGTERM. Event streams are cut after five seconds, else they would
# hold up every stop; clients take them up again where they ended.
CMD ["uvicorn", "service.app:create_app", "--factory", "--host", "0.0.0.0", "--port", "8000", "--timeout-graceful-shutdown", "5", "--http", "service.protocol:Bounded", "--ws", "none"]


FROM runtime AS worker
# Read by the NVIDIA Container Toolkit: which GPUs (compose narrows it), and CUDA with nvidia-smi.
ENV NVIDIA_VISIBLE_DEVICES=all \
    NVIDIA_DRIVER_CAPABILITIES=compute,utility \
    TGSH_DATA_DIR=/srv/datasets
COPY --from=worker-build /opt/venv /opt/venv
USER 10001:10001
# Healthy while the worker on this host signs the database's list of workers, as it does every few seconds.
HEALTHCHECK --interval=30s --timeout=20s --start-period=60s --retries=3 \
  CMD ["python", "-m", "worker.health"]
# SIGTERM reaches Celery's parent, and its children give their work back after the batch at hand.
CMD ["celery", "-A", "worker.app", "worker", "--loglevel", "INFO"]
