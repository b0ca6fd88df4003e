# One command each: make demo, make test, make test-all, make check, make bench. Each does its own set-up in .venv.
# ARGS is passed on: make demo ARGS="--json", make test ARGS="-k watermark".
PYTHON ?= python3
ARGS ?=

BIN := .venv/bin
PIP := $(BIN)/python -m pip --quiet --disable-pip-version-check install
# Stamps: what is installed is what the pinned files say.
EVERYTHING := .venv/.everything-installed
ENOUGH_TO_RUN := .venv/.enough-to-run-installed

.PHONY: setup demo test test-all check bench fuzz faults soak capture requirements clean

setup: $(EVERYTHING)

# A fresh machine needs the small set only; where everything is installed already, that will do.
demo: $(if $(wildcard $(EVERYTHING)),$(EVERYTHING),$(ENOUGH_TO_RUN))
	@$(BIN)/milestones demo $(ARGS)

# Two at a time, each with servers of its own: tests of processes mostly wait. One at a time: ARGS="-n 0".
SIDE_BY_SIDE := -n 2 --dist worksteal

test: $(EVERYTHING)
	$(BIN)/python -m pytest -m "not all" $(SIDE_BY_SIDE) $(ARGS)

# What needs MariaDB, Debezium or a schema registry, too.
test-all: $(EVERYTHING)
	$(BIN)/python -m pytest -m all $(SIDE_BY_SIDE) $(ARGS)

check: $(EVERYTHING)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy $(wildcard consumer tests bench examples)
	$(BIN)/python -m pytest --quiet tests/test_architecture.py

bench: $(EVERYTHING)
	@$(BIN)/python -m bench $(ARGS)

# A million inputs for the decoders; make fuzz ARGS=10000000 for more.
fuzz: $(EVERYTHING)
	@$(BIN)/python -m tests.fuzz $(ARGS)

# Every fault with many seeds, and a table; goes on where it was stopped. make faults ARGS="--rows 1-8 --seeds 3".
faults: $(EVERYTHING)
	@$(BIN)/python -m tests.faults $(ARGS)

# Random faults under load, for so many minutes; make soak MINUTES=5 ARGS="--seed 2".
MINUTES ?= 60
soak: $(EVERYTHING)
	@$(BIN)/python -m tests.faults.soak $(MINUTES) $(ARGS)

# Writes tests/data/debezium anew from the real Debezium.
capture: $(EVERYTHING)
	@$(BIN)/python -m tests.debezium.capture $(ARGS)

# Pins anew within the bounds of pyproject.toml (needs uv).
requirements:
	uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header --upgrade \
	  --extra demo --extra test --extra build pyproject.toml --output-file requirements.txt
	uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header --upgrade \
	  --extra demo --extra build pyproject.toml --output-file requirements-run.txt
	uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header --upgrade --no-emit-index-url \
	  bench/peers/faststream.in --output-file bench/peers/faststream.txt

clean:
	rm -rf .venv .cache .mypy_cache .pytest_cache .ruff_cache .hypothesis build dist

# What is compiled, is so anew when it changed.
COMPILED := $(wildcard consumer/native/*.[ch] consumer/native/build.py)

$(EVERYTHING): requirements.txt pyproject.toml $(COMPILED)
	$(call install,requirements.txt)

$(ENOUGH_TO_RUN): requirements-run.txt pyproject.toml $(COMPILED)
	$(call install,requirements-run.txt)

# A venv without pip (made by uv, or cut short) is completed by venv itself.
define install
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null \
	  || { echo "Python 3.11 or later is needed ($(PYTHON) is not): make PYTHON=/path/to/python3.11 $(MAKECMDGOALS)" >&2; exit 1; }
	@$(BIN)/python -m pip --version >/dev/null 2>&1 || $(PYTHON) -m venv .venv
	@echo "Installing $(1) into .venv …"
	@$(PIP) --require-hashes -r $(1)
	@$(PIP) --no-deps --no-build-isolation --editable .
	@touch $@
endef
