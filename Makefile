# saleslake: `make` lists what there is to do. PYTHON=… chooses the interpreter that makes .venv.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
ARGS ?=
# Two workers, each with a Spark session of up to 4 GiB; tests that share what is dear run in one of them.
WORKERS ?= 2
SHARED := -n $(WORKERS)
# Commands find the environment's Spark and Python, whatever else is on the machine.
RUN := env -u SPARK_HOME PATH="$(CURDIR)/$(BIN):$$PATH" VIRTUAL_ENV="$(CURDIR)/$(VENV)"
SET_UP := requirements.lock requirements-build.lock pyproject.toml conf/jars.lock conf/spark-defaults.conf conf/log4j2.properties lib/saleslake/install.py lib/saleslake/jars.py lib/saleslake/class_archive.py lib/saleslake/machine.py lib/saleslake/project.py tools/bootstrap.py

.DEFAULT_GOAL := help
.PHONY: help install run stream simulate kafka airflow test test-quick test-newest test-deep mutations chaos lint types all bench bench-stream clean lock

help: ## list these targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-14s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

install: $(VENV)/.ready ## set up .venv: pinned libraries, Delta's JARs, Spark's configuration

# Set up without Java (.without-java says so): once there is one, what it takes is brought.
JAVA = $(if $(JAVA_HOME),$(wildcard $(JAVA_HOME)/bin/java),$(shell command -v java))
$(VENV)/.ready: $(SET_UP) $(if $(wildcard $(VENV)/.without-java),$(if $(JAVA),java-is-there))
	@$(PYTHON) tools/bootstrap.py
	@touch $@

.PHONY: java-is-there
java-is-there:

$(VENV)/.ready-dev: $(VENV)/.ready requirements-dev.lock
	@$(PYTHON) tools/bootstrap.py --dev
	@touch $@

$(VENV)/.ready-bench: $(VENV)/.ready requirements-bench.lock
	@$(PYTHON) tools/bootstrap.py --bench
	@touch $@

run: $(VENV)/.ready ## run the batch on the sample data, its APIs served on a local port (ARGS="--full-refresh" …)
	@$(RUN) saleslake run --demo $(ARGS)

stream: $(VENV)/.ready ## run the streaming job on data/events until Ctrl-C (ARGS="--source kafka" …)
	@$(RUN) saleslake stream $(ARGS)

simulate: $(VENV)/.ready ## send simulated events (ARGS="--to files --events 20000 --seed 7" …)
	@$(RUN) saleslake simulate $(ARGS)

kafka: $(VENV)/.ready ## a Kafka broker on 127.0.0.1:9092 until Ctrl-C (ARGS="--port 9092 --partitions 3")
	@$(RUN) python -m tools.kafka_broker --port 9092 --topic saleslake-events --partitions 3 --data data/kafka $(ARGS)

airflow: $(VENV)/.ready ## Airflow with the DAGs on 127.0.0.1:8080 until Ctrl-C; installed once into .venv-airflow (ARGS="--port 8081")
	@$(RUN) python -m tools.airflow_home $(ARGS)

test: $(VENV)/.ready-dev ## run the tests (ARGS="-k name" …; WORKERS=1: one at a time)
	@$(RUN) python -m pytest $(SHARED) $(ARGS)

test-quick: $(VENV)/.ready-dev ## run the tests that start nothing: no JVM, no process
	@$(RUN) python -m pytest -m quick $(SHARED) $(ARGS)

test-newest: $(VENV)/.ready-dev ## run those on the newest Python of this machine, in .venv-newest
	@$(RUN) python -m tools.newest_python $(SHARED) $(ARGS)

test-deep: $(VENV)/.ready-dev ## run the tests that `make test` leaves out: jobs on a cluster, longer runs of Airflow
	@$(RUN) python -m pytest -m deep $(ARGS)

mutations: $(VENV)/.ready-dev ## small wrong changes to the core; each must turn a test red (ARGS="--only NAME")
	@$(RUN) python -m tools.mutations $(ARGS)

chaos: $(VENV)/.ready-dev ## kill runs at every kill point and compare the tables; tens of minutes (ARGS="--sources files")
	@$(RUN) python -m tests.chaos $(ARGS)

lint: $(VENV)/.ready-dev ## ruff: style and format
	@$(RUN) ruff check .
	@$(RUN) ruff format --check .

types: $(VENV)/.ready-dev ## mypy, strict
	@$(RUN) mypy

all: install lint types test ## everything CI checks

bench: $(VENV)/.ready-bench ## benchmark against pandas, Polars and DuckDB (ARGS="--orders 1000000")
	@$(RUN) python -m benchmarks.run $(ARGS)

bench-stream: $(VENV)/.ready ## events a second on a backlog, and latency at a steady rate (ARGS="--events 1000000")
	@$(RUN) python -m benchmarks.stream $(ARGS)

lock: ## pin the versions of pyproject.toml anew, with hashes (needs uv)
	@tools/lock.sh

.PHONY: install-s3 s3-check dist pyfiles container-lint image-check audit
dist: $(VENV)/.ready ## wheel, sdist and the zip for --py-files, in dist/
	@$(RUN) python -m tools.pyfiles $(ARGS)

pyfiles: $(VENV)/.ready ## the package as a zip for spark-submit --py-files, in dist/
	@$(RUN) python -m tools.pyfiles --only zip $(ARGS)

install-s3: $(VENV)/.ready ## what s3a:// paths need: Hadoop's S3A, pinned, and a log store that commits by conditional PUT
	@$(RUN) python -m saleslake.s3_install

s3-check: $(VENV)/.ready ## everything on a real S3 server: batch, kill, verify, stream, two writers (ARGS="--minio PATH" for MinIO)
	@$(RUN) python -m tools.s3_check $(ARGS)

container-lint: ## hadolint, docker compose config, actionlint; fetches or builds them once, into build/
	@$(PYTHON) -m tools.container_lint $(ARGS)

audit: ## known vulnerabilities of every pinned version (needs pypi.org or osv.dev)
	@PYTHON=$(PYTHON) tools/audit.sh

image-check: ## build the Dockerfile's steps in Debian roots and run the result offline; root, ten minutes (ARGS="--target airflow")
	@$(PYTHON) -m tools.image_check $(ARGS)

clean: ## remove data, caches and .venv
	@find data -mindepth 1 ! -name .gitkeep -delete
	@rm -rf $(VENV) .venv-airflow .venv-newest .pytest_cache .mypy_cache .ruff_cache .hypothesis lib/*.egg-info benchmarks/out build dist
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +
