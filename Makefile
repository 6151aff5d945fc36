# Every command that the README names. Needs Python 3.13 (see .python-version); `make test` needs Node 20 or later too.
.DELETE_ON_ERROR:
.PHONY: demo test soak replay lint coverage requirements requirements-check infra-verify clean

PYTHON ?= $(shell command -v python3.13 || command -v python3)
BIN := .venv/bin
# Modules, never the environment's scripts: those name their Python by the path where the environment was made.
COMPILE := $(BIN)/python -m uv pip compile pyproject.toml --quiet --generate-hashes --python-version 3.13 --no-emit-index-url --custom-compile-command "make requirements"
AZURITE := tools/azurite/node_modules/azurite/dist/src/azurite.js
KUSTO := tools/kusto/node_modules/@kusto/language-service-next/package.json
CORE := cmk_rotation/domain/*,cmk_rotation/decisions/*,cmk_rotation/controller/*

demo: .venv/made
	@$(BIN)/python -m simulator.playground.demo

test: .venv/made $(AZURITE) $(KUSTO)
	@AZURITE="$$PWD/$(AZURITE)" $(BIN)/python -m pytest -n 4 --dist worksteal

# A simulated month on the real runtime: minutes.
soak: .venv/made
	@$(BIN)/python -m tests.e2e.soak

# A week of the app's own lines through every alert rule and tile: minutes.
replay: .venv/made $(KUSTO)
	@$(BIN)/python -m tests.infra.replay

lint: .venv/made
	@$(BIN)/python -m ruff check
	@$(BIN)/python -m ruff format --check
	@$(BIN)/python -m mypy
	@$(BIN)/python -c 'from importlinter.cli import lint_imports_command as lint; lint()' --no-cache --no-logo

coverage: .venv/made
	@$(BIN)/python -m coverage run --source=cmk_rotation -m pytest tests/unit/domain tests/unit/decisions tests/unit/controller
	@$(BIN)/python -m coverage report --fail-under=100 --show-missing --skip-covered --include='$(CORE)'

requirements: .venv/made
	@$(COMPILE) --python-platform linux --output-file requirements.txt
	@$(COMPILE) --universal --group dev --constraint requirements.txt --output-file requirements-dev.txt

requirements-check: .venv/made
	@for file in requirements requirements-dev; do cp $$file.txt .venv/$$file.txt; done
	@$(COMPILE) --python-platform linux --output-file .venv/requirements.txt
	@$(COMPILE) --universal --group dev --constraint requirements.txt --output-file .venv/requirements-dev.txt
	@for file in requirements requirements-dev; do \
	  cmp -s $$file.txt .venv/$$file.txt || { echo "$$file.txt is not what pyproject.toml asks for: run 'make requirements'"; exit 1; }; done

.venv/made: requirements-dev.txt
	@"$(PYTHON)" -c 'import sys; sys.exit(sys.version_info[:2] != (3, 13))' || { echo "Python 3.13 is needed; $(PYTHON) is another"; exit 1; }
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
	@rm -rf .venv .demo .playground tools/azurite/node_modules tools/kusto/node_modules .mypy_cache .ruff_cache .pytest_cache .hypothesis
