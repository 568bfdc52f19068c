# Everything a fresh clone needs: `make demo` and `make test` set up .venv themselves.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
LOCAL := $(VENV)/.installed-local

export PIP_DISABLE_PIP_VERSION_CHECK := 1
export LITELLM_LOCAL_MODEL_COST_MAP := True
export HF_HUB_OFFLINE := 1
export NO_MKDOCS_2_WARNING := 1

.DEFAULT_GOAL := help
.PHONY: help install demo test test-slow floors newest check docs format bench reliability study walk dist lock sbom clean today

help:  ## Show this help
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 14

define install
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python >= 3.11 is needed, this is " + sys.version)'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable '.[$(1)]'
endef

# dev holds all that local does.
$(STAMP): pyproject.toml constraints.txt
	$(call install,dev)
	@touch $(LOCAL) $@

$(LOCAL): pyproject.toml constraints.txt
	$(call install,local)
	$(BIN)/python -m pip install --quiet --constraint constraints.txt accelerate gguf  # see models fetch
	@touch $@

install: $(STAMP)  ## Create .venv with the tested versions, all extras and the tools of development

demo: export HF_HUB_OFFLINE := 0
demo: $(LOCAL)  ## Judge everyday questions, and yours: ASK="What is 2 + 2?" A="4" B="5"
	@$(BIN)/python examples/demo.py $(if $(ASK),--ask "$$ASK" --response "$$A" $(if $(B),--response "$$B"))

test: $(STAMP)  ## Run the tests
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -q -n auto --dist worksteal -m 'not slow and not gpu'

test-slow: $(STAMP)  ## Run the tests that take minutes
	$(BIN)/python -m pytest -q -m slow

# The oldest releases that pyproject.toml allows, for the core alone and for all extras at once (some
# need more of the core), and the youngest. torch stays the tested one: other builds are gigabytes.
# transformers 5.20.2 is allowed for vLLM's sake alone (docs/installing.md).
EDGES := build/edges
UV := .tools/bin/uv
AT = DEEMSTER_FLOORS=$(filter core oldest,$(1)) OMP_NUM_THREADS=1 $(EDGES)/$(1)/bin/python -m pytest -q -n auto --dist worksteal -m 'not slow and not gpu'
FLOORS := tests/test_supply_chain.py::test_the_floors_are_what_is_installed
OF_CORE := tests/schemas tests/cli/test_terminal.py tests/backends/test_api.py tests/suites/test_loading.py tests/suites/test_store.py
OF_ALL := tests/cli tests/data tests/serve tests/integrations tests/backends tests/suites tests/reports tests/training

floors newest: export UV_FIND_LINKS ?= $(PIP_FIND_LINKS)
floors: $(EDGES)/core/.installed $(EDGES)/oldest/.installed  ## Run the tests nearest to other packages with their oldest releases
	$(call AT,core) -W default $(FLOORS) $(OF_CORE)  # what an old release warns of is mended in younger ones
	$(call AT,oldest) -W default $(FLOORS) $(OF_ALL)

newest: $(EDGES)/newest/.installed  ## Run them with the newest releases
	$(call AT,newest) $(OF_ALL)

$(EDGES)/core/.installed: CHOICE := --resolution lowest-direct
$(EDGES)/oldest/.installed: CHOICE := --resolution lowest-direct --extra dev --constraint $(EDGES)/below.txt
$(EDGES)/newest/.installed: CHOICE := --resolution highest --extra dev
$(EDGES)/newest/.installed: today  # the newest of last month is no news
$(EDGES)/%/.installed: pyproject.toml constraints.txt .tools/.installed
	mkdir -p $(EDGES)
	(grep '^torch==' constraints.txt; echo 'transformers>=5.21,<6') >$(EDGES)/overrides.txt
	echo 'fsspec<=2026.6' >$(EDGES)/below.txt  # the floor of datasets takes no younger one
	grep -E '^(hypothesis|pytest)' constraints.txt >$(EDGES)/tools.txt
	$(UV) pip compile --quiet --upgrade pyproject.toml $(CHOICE) --python-version 3.11 --override $(EDGES)/overrides.txt \
		--no-annotate --no-header --output-file $(EDGES)/$*.txt
	$(UV) venv --quiet --clear --python 3.11 $(@D)
	$(UV) pip install --quiet --python $(@D) --editable . --requirement $(EDGES)/$*.txt $(if $(filter core,$*),--requirement $(EDGES)/tools.txt)
	@touch $@

check: $(STAMP)  ## Formatting, lint, types, layer rules
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

docs: $(STAMP)  ## Build the docs site into build/site; warnings are errors
	$(BIN)/mkdocs build  # --quiet would not count warnings

format: $(STAMP)  ## Format and mend what ruff can mend
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

walk:  ## Follow docs/tutorial.md word for word in a fresh environment
	$(PYTHON) docs/walk.py

bench: $(STAMP)  ## Measure speed and cost; writes docs/benchmarks.md and docs/cost.md
	$(BIN)/python -m benchmarks
	$(BIN)/python -m benchmarks.cost

reliability: $(STAMP)  ## Measure R1 to R20 (hours; ARGS="--only R1,R5 --missing"); writes docs/reliability.md
	$(BIN)/python -m benchmarks.reliability $(ARGS)

study: $(STAMP)  ## Sample what is missing of the scaling study and analyse it; writes docs/scaling.md
	$(BIN)/python -m lab.nano.study
	$(BIN)/python -m lab.study docs/scaling/votes --docs docs/scaling.md

# The date of the commit: whoever builds the same commit gets the same bytes.
dist: export SOURCE_DATE_EPOCH ?= $(shell git log -1 --format=%ct 2>/dev/null || echo 1580601600)
dist: .tools/.installed  ## Build wheel and sdist into dist/, byte for byte the same everywhere
	rm -rf dist
	.tools/bin/python -m hatchling build
	cd dist && sha256sum *

LOCK = .tools/bin/uv pip compile --quiet pyproject.toml --constraint constraints.txt --universal \
	--python-version 3.11 --generate-hashes --no-annotate --no-header --no-emit-index-url

lock: .tools/.installed  ## Write requirements-core.lock and -serve.lock: packages with their hashes
	$(LOCK) --output-file requirements-core.lock
	$(LOCK) --extra serve --output-file requirements-serve.lock

sbom: .tools/.installed  ## Write sbom.json (CycloneDX): deemster, and what an install of its core brings
	$(PYTHON) -m venv --clear .sbom
	.sbom/bin/python -m pip install --quiet --require-hashes --requirement requirements-core.lock
	.sbom/bin/python -m pip install --quiet --no-deps .
	.tools/bin/cyclonedx-py environment --pyproject pyproject.toml --output-reproducible \
		--output-format JSON --output-file sbom.json .sbom/bin/python
	.sbom/bin/python -c 'import json; from importlib.metadata import version; \
		made = json.load(open("sbom.json", encoding="utf-8")); \
		made["metadata"]["component"]["version"] = version("deemster"); \
		json.dump(made, open("sbom.json", "w", encoding="utf-8"), indent=2)'

# Tools of releases, apart from what they look at.
.tools/.installed: constraints.txt
	$(PYTHON) -m venv .tools
	.tools/bin/python -m pip install --quiet --constraint constraints.txt hatchling
	.tools/bin/python -m pip install --quiet 'uv>=0.9' 'cyclonedx-bom>=7,<8'
	@touch $@

clean:  ## Remove .venv and caches
	rm -rf $(VENV) .tools .sbom sbom.json dist .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis .coverage $(EDGES)
