# SPDX-License-Identifier: Apache-2.0
# Stellar Wind Box. `make` lists what there is to make; how a machine is set up is in deploy/setup.sh.
# Options for the command: make run ARGS="--scene night". Another Python: make PYTHON=python3.12 install.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
SETUP := PYTHON="$(PYTHON)" deploy/setup.sh $(VENV)
TOOLS := build/tools

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: hardware hardware-check drawings-check
.PHONY: help install run test lint types render-check soak-check check bench bench-sound bench-cards bench-underruns \
	bench-panel screenshot bench-listener bench-endurance picture bench-music locks sbom audit releases ansible-test nspawn-test \
	image image-test image-test-raspi3b soak clean

help: ## show this list
	@sed -n 's/^\([a-z-]*\):.*## /  make \1	/p' Makefile | expand -t 26

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

soak-check: $(VENV)/.installed-dev ## play an hour of the soak, about two minutes
	$(BIN)/python -m benchmarks.soak --hours 1 --seed 1

check: lint types test render-check soak-check drawings-check ## all that must hold before a change goes in

bench: $(VENV)/.installed-dev ## measure speed, memory and sound
	$(BIN)/python -m benchmarks $(ARGS)

bench-sound: $(VENV)/.installed-dev ## what the sound costs, beside csound and SuperCollider; ARGS=--parts says where
	$(BIN)/python -m benchmarks.sound $(ARGS)

bench-cards: $(VENV)/.installed-dev ## let cards fail in every way, and print what becomes of the sound
	$(BIN)/python -m benchmarks.card_faults $(ARGS)

bench-underruns: $(VENV)/.installed-dev ## an hour of virtual time and ten real minutes of busy ledgers: does it stutter?
	$(BIN)/python -m benchmarks.underruns $(ARGS)

bench-listener: $(VENV)/.installed-dev ## what an operation costs, beside the SDK's streams and httpx-sse
	$(BIN)/python -m benchmarks.listener $(ARGS)

.PHONY: bench-faults
bench-faults: $(VENV)/.installed-dev ## inject every fault of a network into a box that plays; ARGS="--only N5"
	$(BIN)/python -m benchmarks.faults $(ARGS)

bench-endurance: $(VENV)/.installed-dev ## a listener's 10,000 reconnects and 1,000,000 operations: does anything grow?
	$(BIN)/python -m benchmarks.endurance $(ARGS)

picture: $(VENV)/.installed-dev ## draw the README's picture: four minutes of the bundled recording
	mkdir -p build docs
	$(BIN)/stellar-wind render -o build/wind.flac --seconds 240 --scene wind --seed 1 --plot docs/wind.png

bench-panel: $(VENV)/.installed-dev ## the panel's cost, its knobs' rest, and whether eye and ear agree; two minutes
	$(BIN)/python -m benchmarks.panel

screenshot: $(VENV)/.installed-dev ## draw the README's picture of the panel in a terminal
	mkdir -p docs
	$(BIN)/python -m benchmarks.screenshot docs/desk.svg

bench-music: $(VENV)/.installed-dev ## measure the music, tape by tape and scene by scene; an hour with all the sound
	$(BIN)/python -m benchmarks.music $(ARGS)

# One lock serves Python 3.11 to 3.13: it is made for the oldest. Only wheels' platforms differ between the two.
LOCK := $(TOOLS)/bin/uv pip compile --quiet --no-config --upgrade --generate-hashes --no-header --no-annotate \
	--no-emit-index-url --no-emit-find-links --python-version 3.11 --extra pi pyproject.toml

locks: $(TOOLS)/.installed ## take up the newest of everything that the box is made of: deploy/locks/
	$(LOCK) --python-platform aarch64-manylinux_2_28 --output-file deploy/locks/arm64.txt
	$(LOCK) --python-platform x86_64-manylinux_2_28 --output-file deploy/locks/amd64.txt

build/locked/.installed: deploy/locks/amd64.txt
	$(PYTHON) -m venv --clear build/locked
	build/locked/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes -r $<
	@touch $@

sbom: build/locked/.installed $(TOOLS)/.installed ## list what the box is made of: build/sbom/, and the licences
	mkdir -p build/sbom
	$(TOOLS)/bin/cyclonedx-py environment build/locked/bin/python --pyproject pyproject.toml \
		--output-reproducible --output-file build/sbom/amd64.cdx.json
	$(TOOLS)/bin/cyclonedx-py requirements deploy/locks/arm64.txt --pyproject pyproject.toml \
		--output-reproducible --output-file build/sbom/arm64.cdx.json
	$(BIN)/python deploy/licences.py build/sbom/amd64.cdx.json > deploy/locks/licences.md

audit: $(TOOLS)/.installed ## ask for known weaknesses of what the locks name; "Error 77" where nobody could be asked
	$(TOOLS)/bin/python deploy/audit.py $(TOOLS)/bin/pip-audit deploy/locks/arm64.txt deploy/locks/amd64.txt

soak: $(VENV)/.installed-dev ## play a day of bad weather in virtual time, about 40 min; ARGS="--hours 1 --seed 7"
	$(BIN)/python -m benchmarks.soak $(ARGS)

SUITE ?= trixie
releases: $(VENV)/.installed ## the box for 64-bit Pis, as a tar for the role (SUITE=bookworm); needs root and mmdebstrap
	deploy/release/release.sh $(SUITE) arm64
	@chown -R --reference=Makefile build $(VENV) *.egg-info # sudo leaves nothing of root's behind

# A Debian system in a folder, and the release that goes into it.
MACHINE = STELLAR_WIND_SYSTEM="$$(deploy/release/root.sh trixie amd64 system box)" \
	$(BIN)/python -m pytest -s -o faulthandler_timeout=0

ansible-test: $(VENV)/.installed-dev $(TOOLS)/.installed ## run the role in a Debian of its own; needs root and mmdebstrap
	cd deploy/ansible && PATH="$(CURDIR)/$(TOOLS)/bin:$$PATH" ansible-lint --offline --profile production
	deploy/release/release.sh trixie amd64
	$(MACHINE) tests/deploy/test_role.py

nspawn-test: $(VENV)/.installed-dev $(TOOLS)/.installed ## boot the box, kill, hang and upgrade it; needs systemd-nspawn too
	deploy/release/release.sh trixie amd64
	$(MACHINE) tests/deploy/test_booted.py

IMAGE := build/image/stellar-wind-$(shell sed -n 's/^version = "\(.*\)"/\1/p' pyproject.toml).img
IMAGE_TEST = STELLAR_WIND_IMAGE="$(CURDIR)/$(IMAGE)" $(BIN)/python -m pytest -s -o faulthandler_timeout=0 tests/deploy/test_image.py

image: $(VENV)/.installed $(TOOLS)/.installed ## make the card: build/image/*.img.xz, about half an hour the first time; needs root
	deploy/image/image.sh
	@chown -R --reference=Makefile build $(VENV) *.egg-info

image-test: $(VENV)/.installed-dev $(TOOLS)/.installed ## boot the card in QEMU: hear it, press it, upgrade it, cut its power
	$(IMAGE_TEST) $(ARGS)

image-test-raspi3b: $(VENV)/.installed-dev $(TOOLS)/.installed ## boot the same card in QEMU's Pi 3
	STELLAR_WIND_BOARD=raspi3b $(IMAGE_TEST) $(ARGS)

hardware: $(VENV)/.installed-hardware ## make every drawing of the board and the case again (KiCad 9, OpenSCAD)
	$(MAKE) -f hardware/Makefile BIN=$(BIN)

hardware-check: $(VENV)/.installed-hardware ## check them all: ERC, DRC, parity, netlist, budget, the case's bodies
	$(BIN)/python -m hardware.tools.check

drawings-check: $(VENV)/.installed-dev ## the part of it that takes seconds; says what it skips where there is no KiCad
	$(BIN)/python -m hardware.tools.check --quick

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

$(TOOLS)/.installed: deploy/tools.txt
	$(PYTHON) -m venv --clear $(TOOLS)
	$(TOOLS)/bin/python -m pip install --quiet --disable-pip-version-check -r $<
	@touch $@

$(VENV)/.installed-hardware: pyproject.toml deploy/setup.sh
	@$(SETUP) '[dev,hardware]'
	@touch $(VENV)/.installed $(VENV)/.installed-dev $@
