# Pin the base image by digest when you build for production: docker buildx imagetools inspect python:3.13-slim-trixie
ARG PYTHON_IMAGE=python:3.13.9-slim-trixie

FROM ${PYTHON_IMAGE} AS build
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1
WORKDIR /source
# run.txt brings PostgreSQL's programs too, for the image of `backup`.
ARG REQUIREMENTS=server.txt
COPY requirements/${REQUIREMENTS} requirements/build.txt requirements/
RUN python -m venv /opt/vigia \
    && /opt/vigia/bin/python -m pip install --require-hashes --only-binary :all: --requirement requirements/${REQUIREMENTS} \
    && python -m venv /opt/build \
    && /opt/build/bin/python -m pip install --require-hashes --only-binary :all: --requirement requirements/build.txt
COPY pyproject.toml README.md LICENSE ./
COPY services services
COPY ingest ingest
COPY models models
COPY alerts alerts
COPY simulators simulators
RUN /opt/build/bin/python -m pip wheel --no-deps --no-build-isolation --wheel-dir /wheel . \
    && /opt/vigia/bin/python -m pip install --no-deps --no-index /wheel/vigia-*.whl \
    && /opt/vigia/bin/python -m pip uninstall --yes pip

# The image that runs: only the packages, without tools to build or download others. It writes only to /tmp.
FROM ${PYTHON_IMAGE}
ARG VERSION=unknown
ARG COMMIT=unknown
LABEL org.opencontainers.image.title="vigia" org.opencontainers.image.licenses="Apache-2.0" \
    org.opencontainers.image.version="${VERSION}" org.opencontainers.image.revision="${COMMIT}"
# 1883 is Mosquitto's user, as which `vigia devices` writes the broker's files. New volumes take over these owners.
RUN useradd --system --uid 10001 --home-dir /nonexistent --no-create-home --shell /usr/sbin/nologin vigia \
    && install --directory --owner 1883 --group 1883 --mode 755 /mosquitto /mosquitto/tls \
    && install --directory --owner 1883 --group 1883 --mode 700 /mosquitto/users /authority
COPY --from=build /opt/vigia /opt/vigia
ENV PATH=/opt/vigia/bin:$PATH PYTHONDONTWRITEBYTECODE=1 PYTHONUNBUFFERED=1 VIGIA_ALIVE_FILE=/dev/shm/alive VIGIA_COMMIT=${COMMIT}
USER 10001:10001
WORKDIR /tmp
ENTRYPOINT ["vigia"]
CMD ["--help"]
