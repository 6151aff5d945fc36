# Every command that the README names. Needs Python 3.13 (see .python-version) or 3.14; `make test` needs Node 20 or later too.
.DELETE_ON_ERROR:
.DEFAULT_GOAL := help
.PHONY: help demo play shell status test prove mutants faults soak replay bench az-cli repairs lint coverage requirements requirements-check audit release pictures plots infra-verify clean

PYTHON ?= $(shell command -v python3.13 || command -v python3.14 || command -v python3)
BIN := .venv/bin
# Modules, never the environment's scripts: those name their Python by the path where the environment was made.
LOCKED := --quiet --generate-hashes --no-emit-index-url --custom-compile-command "make requirements" --python-version
COMPILE := $(BIN)/python -m uv pip compile pyproject.toml $(LOCKED)
AZURITE := tools/azurite/node_modules/azurite/dist/src/azurite.js
KUSTO := tools/kusto/node_modules/@kusto/language-service-next/package.json
BROWSER := tools/browser/node_modules/playwright-core/package.json
AZURE_CLI := tools/azure-cli/.venv/made
MUTMUT := tools/mutmut/.venv/made
AUDIT := tools/audit/.venv/made
CORE := cmk_rotation/domain/*,cmk_rotation/decisions/*,cmk_rotation/preflight/*,cmk_rotation/controller/*

help:
	@echo 'make demo      watch keys rotate and clusters follow, in a simulated Azure: nothing but Python 3.13 or 3.14 is needed'
	@echo 'make play      keep a simulated Azure running, to rotate keys and break things (docs/playground.md)'
	@echo 'make shell     a shell whose Azure is that one, for the Azure CLI and the commands of the app'
	@echo 'make status    the clusters and rotations on record there'
	@echo 'make test      every test (needs Node 20 or later too)'
	@echo 'make lint      style, types and import contracts'
	@echo 'make coverage  every branch of the core'
	@echo 'make prove     ten thousand runs of whatever may happen, every order of what happens at once, strangers, and mutants: half an hour'
	@echo 'make faults    every call of a rotation and everything that may go wrong with it, into docs/faults.md: half an hour'
	@echo 'make mutants   every small change to what decides, and whether a test sees it: an hour'
	@echo 'make soak      a simulated month: minutes'
	@echo 'make replay    a week of lines through every alert rule and tile: minutes'
	@echo 'make bench     what a rotation asks of Azure, and how long it takes: a quarter of an hour'
	@echo 'make repairs   every command that a remedy prints, run by the Azure CLI in a simulated Azure: ten minutes'
	@echo 'make pictures  the pictures in the README; make plots: those of docs/performance.md'
	@echo 'make release   the package that is deployed, with its hashes and an SBOM'
	@echo 'make requirements, requirements-check, audit, infra-verify, clean: see CONTRIBUTING.md'

demo: .venv/made
	@$(BIN)/python -m simulator.playground.demo

play: .venv/made
	@$(BIN)/python -m simulator up

shell: .venv/made
	@$(BIN)/python -m simulator shell

status: .venv/made
	@$(BIN)/python -m simulator shell cmk-rotation status

test: .venv/made $(AZURITE) $(KUSTO) $(BROWSER)
	@AZURITE="$$PWD/$(AZURITE)" $(BIN)/python -m pytest -n 4 --dist worksteal

# Whatever may happen, every order of what happens at once, and the product with one thing wrong, which is to be caught.
prove: .venv/made
	@PYTHONHASHSEED=0 $(BIN)/python -m tests.prove

# Every small change to what decides, one at a time, by mutmut: an hour on one core.
mutants: $(MUTMUT)
	@tools/mutmut/.venv/bin/python tools/mutants.py

# Every call of a rotation and everything that may go wrong with it: half an hour, and docs/faults.md is written anew.
faults: .venv/made
	@$(BIN)/python -m tests.e2e.faults

# A simulated month on the real runtime: minutes.
soak: .venv/made
	@$(BIN)/python -m tests.e2e.soak

# Every command that a remedy prints, run by an unmodified Azure CLI in the playground: minutes.
repairs: .venv/made $(AZURE_CLI)
	@$(BIN)/python -m tests.repairs

az-cli: $(AZURE_CLI)

# What a rotation asks of Azure, and how long it takes: a quarter of an hour.
bench: .venv/made
	@$(BIN)/python -m tests.e2e.costs
	@echo
	@$(BIN)/python -m tests.e2e.bench
	@echo
	@$(BIN)/python -m tests.e2e.weight
	@echo
	@$(BIN)/python -m tests.e2e.years

# A week of the app's own lines through every alert rule and tile: minutes.
replay: .venv/made $(KUSTO)
	@$(BIN)/python -m tests.infra.replay

lint: .venv/made
	@$(BIN)/python -m ruff check
	@$(BIN)/python -m ruff format --check
	@$(BIN)/python -m mypy
	@$(BIN)/python -c 'from importlinter.cli import lint_imports_command as lint; lint()' --no-cache --no-logo

coverage: .venv/made
	@$(BIN)/python -m coverage run --source=cmk_rotation -m pytest tests/unit/domain tests/unit/decisions tests/unit/preflight tests/unit/controller
	@$(BIN)/python -m coverage report --fail-under=100 --show-missing --skip-covered --include='$(CORE)'

requirements: .venv/made
	@$(COMPILE) 3.13 --python-platform linux --output-file requirements.txt
	@$(COMPILE) 3.13 --universal --extra cli --group dev --constraint requirements.txt --output-file requirements-dev.txt
	@for tool in azure-cli audit; do \
	  $(BIN)/python -m uv pip compile tools/$$tool/requirements.in $(LOCKED) 3.13 --output-file tools/$$tool/requirements.txt || exit 1; done
	@$(BIN)/python -m uv pip compile tools/mutmut/requirements.in $(LOCKED) 3.13 --constraint requirements-dev.txt --output-file tools/mutmut/requirements.txt

# One lock of what is deployed serves both Pythons: each asks for the same. A universal lock is for 3.13 and whatever is newer.
requirements-check: .venv/made
	@for python in 3.13 3.14; do \
	  cp requirements.txt .venv/requirements.txt; \
	  $(COMPILE) $$python --python-platform linux --output-file .venv/requirements.txt || exit 1; \
	  cmp -s requirements.txt .venv/requirements.txt || { \
	    echo "requirements.txt is not what pyproject.toml asks for on Python $$python: run 'make requirements'"; exit 1; }; done
	@cp requirements-dev.txt .venv/requirements-dev.txt
	@$(COMPILE) 3.13 --universal --extra cli --group dev --constraint requirements.txt --output-file .venv/requirements-dev.txt
	@cmp -s requirements-dev.txt .venv/requirements-dev.txt || { \
	  echo "requirements-dev.txt is not what pyproject.toml asks for: run 'make requirements'"; exit 1; }

# Known vulnerabilities of whatever is pinned, by PyPI's own database; a package that this does not know is no success.
audit: $(AUDIT)
	@for lock in requirements.txt requirements-dev.txt tools/*/requirements.txt; do \
	  echo "== $$lock" && tools/audit/.venv/bin/python -m pip_audit --strict --disable-pip --require-hashes --progress-spinner off --requirement $$lock \
	    || failed="$$failed $$lock"; done; \
	  test -z "$$failed" || { echo "Not known to be free of vulnerabilities:$$failed"; exit 1; }

# In build/release, with the libraries of requirements.txt; then a rotation by it alone.
release: .venv/made $(AUDIT)
	@$(BIN)/python tools/release.py
	@$(BIN)/python -m tests.e2e.released build/release/*.zip

.venv/made: requirements-dev.txt
	@"$(or $(PYTHON),false)" -c 'import sys; sys.exit(sys.version_info[:2] not in ((3, 13), (3, 14)))' 2> /dev/null || { \
	  echo "Python 3.13 or 3.14 is needed, and $(if $(PYTHON),$(PYTHON) is not that,there is no Python on the PATH)."; \
	  echo "Get it from https://www.python.org/downloads, with 'apt install python3.13-venv', 'brew install python@3.13' or"; \
	  echo "'uv python install 3.13'; if it is not on the PATH: make $(MAKECMDGOALS) PYTHON=/where/it/is/python3.13"; exit 1; }
	@echo "Making the environment in .venv (once, about half a minute) ..."
	@"$(PYTHON)" -m venv .venv
	@$(BIN)/python -m pip install -qq --disable-pip-version-check --require-hashes -r requirements-dev.txt
	@touch $@

$(AZURITE): tools/azurite/package-lock.json
	@command -v npm > /dev/null || { echo "'make test' checks the simulated storage against Azurite and needs Node 20 or later with npm"; exit 1; }
	@echo "Installing Azurite (once, about a minute) ..."
	@npm ci --prefix tools/azurite --ignore-scripts --no-audit --no-fund --loglevel=error > /dev/null
	@touch $@

$(KUSTO): tools/kusto/package-lock.json
	@command -v npm > /dev/null || { echo "'make test' checks the queries with Microsoft's Kusto parser and needs Node 20 or later with npm"; exit 1; }
	@echo "Installing the Kusto parser (once) ..."
	@npm ci --prefix tools/kusto --ignore-scripts --no-audit --no-fund --loglevel=error > /dev/null
	@touch $@

$(BROWSER): tools/browser/package-lock.json
	@command -v npm > /dev/null || { echo "'make test' looks at the report in a real browser and needs Node 20 or later with npm"; exit 1; }
	@echo "Installing the browser (once) ..."
	@npm ci --prefix tools/browser --ignore-scripts --no-audit --no-fund --loglevel=error > /dev/null
	@touch $@

# Those of docs/performance.md, from its tables.
plots: .venv/made
	@$(BIN)/python tools/plots.py

# Those in the README, of a demo that is played for them.
pictures: .venv/made $(BROWSER)
	@$(BIN)/python tools/pictures.py

# An environment of its own: its dependencies are not the product's.
$(AZURE_CLI): tools/azure-cli/requirements.txt
	@echo "Installing the Azure CLI in tools/azure-cli (once, a few minutes) ..."
	@"$(PYTHON)" -m venv tools/azure-cli/.venv
	@tools/azure-cli/.venv/bin/python -m pip install -qq --disable-pip-version-check --require-hashes -r $<
	@touch $@

# An environment of its own too: neither the app nor a developer needs these.
$(AUDIT): tools/audit/requirements.txt
	@echo "Installing pip-audit and cyclonedx-bom in tools/audit (once) ..."
	@"$(PYTHON)" -m venv tools/audit/.venv
	@tools/audit/.venv/bin/python -m pip install -qq --disable-pip-version-check --require-hashes -r $<
	@touch $@

# Likewise.
$(MUTMUT): tools/mutmut/requirements.txt
	@"$(PYTHON)" -m venv tools/mutmut/.venv
	@tools/mutmut/.venv/bin/python -m pip install -qq --disable-pip-version-check --require-hashes -r $<
	@touch $@

# Needs the Azure CLI with Bicep; what-if also needs azd, a sign-in, and an azd environment.
infra-verify:
	@command -v az > /dev/null || { echo "'make infra-verify' needs the Azure CLI: https://aka.ms/azure-cli"; exit 1; }
	@for file in infra/main.bicep infra/connect/main.bicep; do \
	  echo "== $$file" && az bicep build --file $$file --stdout > /dev/null && az bicep lint --file $$file || exit 1; done
	@for file in $$(git ls-files '*.bicep'); do \
	  az bicep format --file "$$file" --stdout | cmp -s - "$$file" || { echo "$$file is not as 'az bicep format' writes it"; exit 1; }; done
	@if command -v azd > /dev/null && azd auth login --check-status > /dev/null 2>&1 && azd env get-values > /dev/null 2>&1; then \
	  azd provision --preview --no-prompt; else echo "No what-if: it needs azd, a sign-in, and an azd environment."; fi

clean:
	@rm -rf .venv .playground tools/azurite/node_modules tools/kusto/node_modules tools/browser/node_modules build *.egg-info tools/azure-cli/.venv tools/audit/.venv tools/mutmut/.venv .mypy_cache .ruff_cache .pytest_cache .hypothesis
