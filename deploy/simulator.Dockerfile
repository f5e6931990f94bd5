# syntax=docker/dockerfile:1

# The simulated agents-server and its runners, for trying things out: deploy/compose.yaml builds it.
FROM python:3.13-slim AS build
WORKDIR /src
RUN python -m venv /opt/simulator
COPY requirements/demo.txt requirements/build.txt ./requirements/
RUN /opt/simulator/bin/pip install --no-cache-dir --disable-pip-version-check --only-binary :all: \
      --require-hashes -r requirements/demo.txt \
 && python -m venv /opt/build \
 && /opt/build/bin/pip install --no-cache-dir --disable-pip-version-check --only-binary :all: \
      --require-hashes -r requirements/build.txt
COPY pyproject.toml README.md LICENSE ./
COPY src ./src
COPY simulator ./simulator
RUN /opt/build/bin/pip wheel --no-cache-dir --no-deps --no-build-isolation --wheel-dir /dist . ./simulator \
 && /opt/simulator/bin/pip install --no-cache-dir --no-deps /dist/*.whl \
 && /opt/simulator/bin/python -m compileall -q /opt/simulator/lib \
 && /opt/simulator/bin/pip uninstall --yes pip

FROM python:3.13-slim
COPY --from=build /opt/simulator /opt/simulator
ENV PATH=/opt/simulator/bin:$PATH PYTHONDONTWRITEBYTECODE=1 PYTHONUNBUFFERED=1
USER 65532:65532
EXPOSE 4437
ENTRYPOINT ["python", "-m", "electric_agents_simulator"]
CMD ["serve", "--listen", "0.0.0.0:4437"]
