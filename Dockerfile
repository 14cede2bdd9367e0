# One image for the driver and the executors of Spark on Kubernetes, and for `mesh` itself.
#
#     docker build -t mesh-catalog .
#     docker run --rm mesh-catalog mesh --help
#
# A workspace goes on top of it:  FROM mesh-catalog  and  COPY --chown=185 . /workspace

FROM python:3.11-slim-bookworm AS build
WORKDIR /src
COPY setup.py pyproject.toml README.md LICENSE ./
COPY conf/constraints.txt conf/constraints.txt
COPY mesh_catalog mesh_catalog
RUN python -m venv /opt/mesh \
    && /opt/mesh/bin/pip install --no-cache-dir --constraint conf/constraints.txt setuptools \
    && /opt/mesh/bin/pip install --no-cache-dir --constraint conf/constraints.txt --no-build-isolation '.[all]'

FROM python:3.11-slim-bookworm
# Debian's own security updates are wanted, so that no version is pinned here.
# hadolint ignore=DL3008
RUN apt-get update \
    && apt-get install -y --no-install-recommends libgomp1 openjdk-17-jre-headless procps tini \
    && rm -rf /var/lib/apt/lists/* \
    && ln -s /usr/lib/jvm/java-17-openjdk-* /usr/lib/jvm/java \
    && useradd --uid 185 --gid root --home-dir /workspace --create-home spark
COPY --from=build --chown=185:root /opt/mesh /opt/mesh
COPY --chmod=755 conf/kubernetes/entrypoint.sh /opt/entrypoint.sh
ENV JAVA_HOME=/usr/lib/jvm/java \
    MESH_CACHE=/opt/mesh/cache \
    MESH_WORKSPACE=/workspace \
    PATH=/opt/mesh/bin:/usr/local/bin:/usr/bin:/bin \
    PYSPARK_PYTHON=/opt/mesh/bin/python \
    SPARK_HOME=/opt/mesh/lib/python3.11/site-packages/pyspark \
    TZ=UTC
USER 185
WORKDIR /workspace
# `--build-arg JARS=` leaves out Hadoop's client of S3, 690 MB, where the lake is a folder that all pods mount.
ARG JARS=--s3
RUN python -m mesh_catalog.lake.jars ${JARS} && rm -rf "${MESH_CACHE}"/jars-* && mesh --version
ENTRYPOINT ["/opt/entrypoint.sh"]
CMD ["mesh", "--help"]
