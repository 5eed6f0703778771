# `make` sets up an environment in .venv and runs the default config; `make help` lists the rest.
PYTHON ?= python3
CORES ?= all
CONFIG ?=
BIN := .venv/bin
OVERLAY := $(if $(CONFIG),--configfile $(CONFIG))
CLIPS := $(foreach kind,methods objects,$(foreach agent,breakout pong spaceinvaders,$(kind)-$(agent))) demo-breakout whole-breakout
METHODS := $(CLIPS:%=results/clips/%/measures.csv)
RUN := PATH="$(CURDIR)/$(BIN):$$PATH"

.DEFAULT_GOAL := run
.PHONY: run test test-fast test-cluster faults check benchmark benchmark-scale docs methods picture report unused unlock clean-unused clean help

run: .venv/installed ## Run the workflow (options: CORES=4, CONFIG=config/notebook.yaml)
	@$(RUN) snakemake --cores $(CORES) $(OVERLAY)
	@echo "Done: open results/clips/*/index.html"

test: check ## Check style, then run all tests, two files at a time
	@$(RUN) python -m pytest -n 2 --dist loadfile

test-fast: .venv/installed-test ## Run the quick unit tests: no Snakemake, no browser, no long games
	@$(RUN) python -m pytest -n 2 -m "not workflow and not browser and not cluster and not slow"

test-cluster: .venv/installed-test ## Test on a Slurm that is started for it (Debian; as root, installs Slurm)
	@$(BIN)/python tests/helpers/local_slurm.py
	@$(RUN) python -m pytest -m cluster

faults: .venv/installed-test ## Kill runs at 50 random moments, and compare the final results (minutes)
	@$(RUN) PYTHONPATH=tests python -m helpers.faults

check: .venv/installed-test ## Check style, spelling, imports and types, as pre-commit does
	@$(RUN) ruff check .
	@$(RUN) ruff format --check .
	@$(RUN) snakefmt --check Snakefile workflow
	@$(RUN) codespell
	@$(RUN) lint-imports --no-logo
	@$(RUN) mypy
	@$(RUN) snakemake --lint

docs: .venv/installed ## Write generated documents: config/README.md, the schema, figures of benchmarks
	@$(RUN) python -m searchlight.config.reference
	@$(RUN) python benchmarks/documents.py

benchmark: run ## Measure Searchlight against the notebook's way
	@$(RUN) python benchmarks/run.py

benchmark-scale: .venv/installed ## Measure Snakemake: plans of up to 10,000 blocks, and jobs that do nothing
	@$(RUN) python benchmarks/scale.py

methods: run ## Compare all methods on all bundled agents, for docs/methods.md (half an hour)
	@$(RUN) snakemake --cores $(CORES) --configfile config/methods.yaml -- $(METHODS)
	@$(BIN)/python docs/methods.py

picture: run ## Make the README's picture from the default run
	@$(BIN)/python docs/picture.py

report: .venv/installed ## Pack all videos, pages and measures into report.zip
	@$(RUN) snakemake --report report.zip $(OVERLAY)

unused: .venv/installed ## List results that the config no longer names
	@$(RUN) snakemake list_unused --cores 1 $(OVERLAY)

unlock: .venv/installed ## Remove the lock that a killed run left
	@$(RUN) snakemake --unlock

clean-unused: .venv/installed ## Delete results that the config no longer names
	@$(RUN) snakemake delete_unused --cores 1 $(OVERLAY)

clean: ## Delete all results
	find results -mindepth 1 -not -name .gitkeep -delete

help: ## List these targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "%-17s%s\n", $$1, $$2 }' $(MAKEFILE_LIST)

.venv/installed: pyproject.toml constraints.txt
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Searchlight needs Python 3.11 or newer")'
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable .
	touch $@

.venv/installed-test: .venv/installed
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable '.[test]'
	touch $@
