# syntax=docker/dockerfile:1

# Everything is built here and only the virtual environment goes on: the last stage has no
# compiler, no build tool and no test.
FROM python:3.13-slim AS build
WORKDIR /src
RUN python -m venv /opt/exporter
COPY requirements/runtime.txt requirements/build.txt ./requirements/
RUN /opt/exporter/bin/pip install --no-cache-dir --disable-pip-version-check --only-binary :all: \
      --require-hashes -r requirements/runtime.txt \
 && python -m venv /opt/build \
 && /opt/build/bin/pip install --no-cache-dir --disable-pip-version-check --only-binary :all: \
      --require-hashes -r requirements/build.txt
COPY pyproject.toml README.md LICENSE ./
COPY src ./src
RUN /opt/build/bin/pip wheel --no-cache-dir --no-deps --no-build-isolation --wheel-dir /dist . \
 && /opt/exporter/bin/pip install --no-cache-dir --no-deps /dist/*.whl \
 && /opt/exporter/bin/python -m compileall -q /opt/exporter/lib \
 && /opt/exporter/bin/pip uninstall --yes pip

FROM python:3.13-slim
COPY --from=build /opt/exporter /opt/exporter
# Nothing is written at run time, so the root file system may be read-only.
ENV PATH=/opt/exporter/bin:$PATH PYTHONDONTWRITEBYTECODE=1 PYTHONUNBUFFERED=1
USER 65532:65532
EXPOSE 10437
HEALTHCHECK --interval=15s --timeout=5s --start-period=10s \
  CMD ["electric-agents-exporter", "healthcheck"]
ENTRYPOINT ["electric-agents-exporter"]
CMD ["run"]
