# syntax=docker/dockerfile:1

# Everything is built here and only the virtual environment goes on: the last stage has no
# compiler, no build tool and no test.
FROM python:3.13-slim AS build
WORKDIR /src
RUN python -m venv /opt/exporter
COPY requirements/runtime.txt requirements/build.txt ./requirements/
RUN /opt/exporter/bin/pip install --no-cache-dir --no-compile --disable-pip-version-check --only-binary :all: \
      --require-hashes -r requirements/runtime.txt \
 && python -m venv /opt/build \
 && /opt/build/bin/pip install --no-cache-dir --disable-pip-version-check --only-binary :all: \
      --require-hashes -r requirements/build.txt
COPY pyproject.toml README.md LICENSE ./
COPY src ./src
# What is compiled is told from its source by the hash, and not by a time, which a copy may change: it is
# never checked, and never compiled again.
RUN /opt/build/bin/pip wheel --no-cache-dir --no-deps --no-build-isolation --wheel-dir /dist . \
 && /opt/exporter/bin/pip install --no-cache-dir --no-compile --no-deps /dist/*.whl \
 && /opt/exporter/bin/pip uninstall --yes pip \
 && python -m compileall -q --invalidation-mode unchecked-hash /opt/exporter/lib

FROM python:3.13-slim
ARG VERSION=0.1.0
ARG REVISION=
ARG CREATED=
LABEL org.opencontainers.image.title="electric-agents-exporter" \
      org.opencontainers.image.description="Prometheus exporter for Electric Agents' pull-wake runners" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="$VERSION" \
      org.opencontainers.image.revision="$REVISION" \
      org.opencontainers.image.created="$CREATED"
COPY --from=build /opt/exporter /opt/exporter
# Nothing is written at run time, so the root file system may be read-only.
ENV PATH=/opt/exporter/bin:$PATH PYTHONDONTWRITEBYTECODE=1 PYTHONUNBUFFERED=1
USER 65532:65532
EXPOSE 10437
HEALTHCHECK --interval=15s --timeout=5s --start-period=10s \
  CMD ["electric-agents-exporter", "healthcheck"]
ENTRYPOINT ["electric-agents-exporter"]
CMD ["run"]
