# syntax=docker/dockerfile:1
# Two images of one project: `app` (the package, its Spark, its JARs; the default) and `airflow` (the same and Airflow beside it).
#   docker build --tag saleslake:local .          docker build --target airflow --tag saleslake-airflow:local .
# Nothing is fetched when they run. Libraries and JARs are pinned by hash (requirements*.lock, conf/jars.lock); the base image
# by its version only, and Debian's packages by the release: their digests change with each security update.

FROM debian:12.15-slim AS base
# The headless JRE of Debian is a full one: it has jdk.incubator.vector, without which Spark 4.2 does not start.
# hadolint ignore=DL3008
RUN apt-get update \
    && apt-get install --yes --no-install-recommends ca-certificates openjdk-17-jre-headless python3 tini \
    && rm -rf /var/lib/apt/lists/* \
    && groupadd --gid 10001 saleslake \
    && useradd --uid 10001 --gid 10001 --create-home --shell /usr/sbin/nologin saleslake

FROM base AS python
# hadolint ignore=DL3008
RUN apt-get update \
    && apt-get install --yes --no-install-recommends python3-venv \
    && rm -rf /var/lib/apt/lists/*
ENV PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1

FROM python AS build
# A compiler, for the log store that commits to S3.
# hadolint ignore=DL3008
RUN apt-get update \
    && apt-get install --yes --no-install-recommends openjdk-17-jdk-headless \
    && rm -rf /var/lib/apt/lists/*
ENV PATH=/opt/saleslake/bin:$PATH SALESLAKE_HOME=/app
WORKDIR /src
# Libraries before the project's own files, so that a change of code does not fetch Spark again.
COPY requirements-build.lock requirements.lock ./
RUN python3 -m venv /opt/saleslake \
    && pip install --quiet --no-build-isolation --require-hashes --requirement requirements-build.lock \
    && pip install --quiet --no-build-isolation --require-hashes --requirement requirements.lock
COPY . .
# The wheel carries conf/, sql/, sample_data/, jobs/ and streaming/; `saleslake.install` lays them out in SALESLAKE_HOME,
# fetches the JARs (Hadoop's S3A with them). It also notes the memory of the machine that builds for spark-submit, which is not the machine
# that runs. The first run archives Spark's classes as its JVM ends, for quick starts, and the next `saleslake.install` takes that up.
RUN pip wheel --quiet --no-deps --no-build-isolation --wheel-dir /wheel . \
    && pip install --quiet --no-deps /wheel/*.whl \
    && python3 -m saleslake.install \
    && SALESLAKE_HOME=/src python3 -m saleslake.s3_install \
    && saleslake run --demo \
    && while ls -l /proc/[0-9]*/exe 2>/dev/null | grep --quiet java; do sleep 1; done \
    && python3 -m saleslake.install \
    && sed --in-place '/^spark.driver.memory/d' /opt/saleslake/lib/python3*/site-packages/pyspark/conf/spark-defaults.conf \
    && rm -rf /app/data \
    && pip uninstall --quiet --yes wheel setuptools pip

FROM python AS airflow-build
COPY airflow/requirements.lock /src/airflow/requirements.lock
RUN python3 -m venv /opt/airflow \
    && /opt/airflow/bin/pip install --quiet --require-hashes --requirement /src/airflow/requirements.lock

FROM base AS project
COPY --from=build /opt/saleslake /opt/saleslake
COPY --from=build /app /app
RUN install --directory --owner=10001 --group=10001 /app/data
# Memory of jobs started by spark-submit; `saleslake` itself takes a third of the container's, 1 to 4 GiB.
ENV PATH=/opt/saleslake/bin:$PATH SALESLAKE_HOME=/app SPARK_DRIVER_MEMORY=2g PYTHONUNBUFFERED=1
WORKDIR /app
VOLUME /app/data
# tini passes SIGTERM and Ctrl-C on, and reaps what Spark leaves.
ENTRYPOINT ["/usr/bin/tini", "--"]

FROM project AS airflow
COPY --from=airflow-build /opt/airflow /opt/airflow
COPY airflow/dags /app/airflow/dags
RUN install --directory --owner=10001 --group=10001 /var/lib/airflow
# After the project's own python3 and spark-submit, which are what the jobs of the DAGs run with.
ENV PATH=$PATH:/opt/airflow/bin \
    AIRFLOW_HOME=/var/lib/airflow \
    AIRFLOW__CORE__DAGS_FOLDER=/app/airflow/dags \
    AIRFLOW__CORE__LOAD_EXAMPLES=False \
    AIRFLOW_CONN_SPARK_DEFAULT='{"conn_type": "spark", "host": "local[2]"}'
USER 10001:10001
VOLUME /var/lib/airflow
EXPOSE 8080
HEALTHCHECK --interval=30s --timeout=10s --start-period=5m --retries=3 \
    CMD ["python3", "-m", "saleslake.alive", "--url", "http://127.0.0.1:8080/api/v2/monitor/health"]
CMD ["airflow", "standalone"]

FROM project AS app
USER 10001:10001
HEALTHCHECK --interval=30s --timeout=10s --start-period=2m --retries=3 CMD ["python3", "-m", "saleslake.alive"]
CMD ["saleslake", "--help"]
