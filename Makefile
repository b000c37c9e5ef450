# SPDX-License-Identifier: Apache-2.0
# Stellar Wind Box. `make` lists what there is to make; how a machine is set up is in deploy/setup.sh.
# Options for the command: make run ARGS="--scene night". Another Python: make PYTHON=python3.12 install.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
SETUP := PYTHON="$(PYTHON)" deploy/setup.sh $(VENV)

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help install run test lint types render-check check bench bench-sound picture bench-music clean

help: ## show this list
	@sed -n 's/^\([a-z-]*\):.*## /  make \1	/p' Makefile | expand -t 22

install: $(VENV)/.installed ## set up this machine: leaves .venv/bin/stellar-wind

run: install ## set up if needed, and play
	$(BIN)/stellar-wind run $(ARGS)

test: $(VENV)/.installed-dev ## run the tests and show what they cover
	$(BIN)/coverage erase
	$(BIN)/coverage run -m pytest $(ARGS)
	$(BIN)/coverage combine --quiet
	$(BIN)/coverage report --skip-covered

lint: $(VENV)/.installed-dev ## check style and format
	$(BIN)/ruff check
	$(BIN)/ruff format --check

types: $(VENV)/.installed-dev ## check the types, strictly
	$(BIN)/mypy

render-check: $(VENV)/.installed-dev ## render once, and check the score and the sound
	$(BIN)/python -m benchmarks.render_check

check: lint types test render-check ## all that must hold before a change goes in

bench: $(VENV)/.installed-dev ## measure speed, memory and sound
	$(BIN)/python -m benchmarks $(ARGS)

bench-sound: $(VENV)/.installed-dev ## what the sound costs, beside csound and SuperCollider; ARGS=--parts says where
	$(BIN)/python -m benchmarks.sound $(ARGS)

picture: $(VENV)/.installed-dev ## draw the README's picture: four minutes of the bundled recording
	mkdir -p build docs
	$(BIN)/stellar-wind render -o build/wind.flac --seconds 240 --scene wind --seed 1 --plot docs/wind.png

bench-music: $(VENV)/.installed-dev ## measure the music, tape by tape and scene by scene; an hour with all the sound
	$(BIN)/python -m benchmarks.music $(ARGS)

clean: ## remove the virtual environment and everything that was made
	rm -rf $(VENV) build *.egg-info .coverage* .hypothesis .mypy_cache .pytest_cache .ruff_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# The stamps keep a second `make run` from installing again; they lie in the environment and go with it.
$(VENV)/.installed: pyproject.toml deploy/setup.sh
	@$(SETUP)
	@touch $@

$(VENV)/.installed-dev: pyproject.toml deploy/setup.sh
	@$(SETUP) '[dev]'
	@touch $(VENV)/.installed $@
