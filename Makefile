# SPDX-License-Identifier: Apache-2.0
# Stellar Wind Box. `make` lists the targets; deploy/setup.sh sets a machine up.
# Options for the command: make run ARGS="--scene night". Another Python: make PYTHON=python3.12 install.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
SETUP := PYTHON="$(PYTHON)" sh deploy/setup.sh $(VENV)
TOOLS := build/tools
# The first two can hide the packages of the environment. The last switches Python's buffers off, which hides faults.
unexport PYTHONHOME PYTHONPATH PYTHONUNBUFFERED

# Where all branches must be covered: functions of their arguments.
PURE := appliance/music/*,appliance/gestures.py,appliance/dimming.py,appliance/values.py,appliance/status.py,$\
	appliance/score/format.py,appliance/score/player.py,appliance/score/history.py,$\
	appliance/ledger/tape/format.py,appliance/ledger/tape/player.py,appliance/ledger/feed/source.py,$\
	appliance/ledger/reader/sse.py,appliance/ledger/reader/backoff.py,appliance/ledger/reader/budget.py,$\
	appliance/panel/lamps.py,appliance/panel/buttons.py,appliance/panel/knobs.py,$\
	appliance/mqtt/topics.py,appliance/page/guard.py,appliance/page/view.py,$\
	appliance/pieces/accounts.py,appliance/pieces/feed.py,appliance/pieces/piece.py,appliance/pieces/sales.py

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: hardware hardware-check drawings-check
.PHONY: help install run quick test coverage slow-test lint types render-check soak-check fuzz fuzz-check check bench bench-sound bench-cards bench-underruns \
	bench-clients bench-panel bench-rest screenshot bench-listener bench-endurance picture bench-music locks sbom audit releases ansible-test nspawn-test \
	image image-test image-test-raspi3b soak clean

help: ## show this list
	@sed -n 's/^\([a-z0-9-]*\):.*## /  make \1	/p' Makefile | expand -t 28

install: $(VENV)/.installed ## set up this machine: creates .venv/bin/stellar-wind

run: install ## set up if needed, and play
	$(BIN)/stellar-wind run $(ARGS)

# Most tests wait for clocks and processes, so there are more workers than cores.
WORKERS ?= 4
PYTEST = $(BIN)/python -m pytest --quiet --dist worksteal

quick: $(VENV)/.installed-dev ## run the tests that start no process and wait for nothing, in a minute
	$(PYTEST) --numprocesses 2 -m "not slow and not process" $(ARGS)

test: $(VENV)/.installed-dev ## run all tests but the slow ones
	$(PYTEST) --numprocesses $(WORKERS) -m "not slow" $(ARGS)

# Coverage triples the processor time of the tests that compute, so `make test` goes without it.
coverage: $(VENV)/.installed-dev ## run the same tests, and report and enforce their coverage
	$(BIN)/coverage erase
	$(MAKE) test PYTEST="$(BIN)/coverage run -m pytest --quiet --dist worksteal"
	$(BIN)/coverage combine --quiet
	$(BIN)/coverage report --skip-covered --fail-under=90
	$(BIN)/coverage report --skip-covered --fail-under=100 --include="$(PURE)"

slow-test: $(VENV)/.installed-dev ## run the slow tests: soak, endurance, hostile files, a card that hangs
	$(PYTEST) --numprocesses 2 -m slow $(ARGS)

lint: $(VENV)/.installed-dev ## check style and format
	$(BIN)/ruff check
	$(BIN)/ruff format --check

types: $(VENV)/.installed-dev ## check the types, strictly
	$(BIN)/mypy

render-check: $(VENV)/.installed-dev ## render once, and check the score and the sound
	$(BIN)/python -m benchmarks.render_check

soak-check: $(VENV)/.installed-dev ## run one virtual hour of the soak test, about two minutes
	$(BIN)/python -m benchmarks.soak --hours 1 --seed 1

# Where atheris has no wheel, both say so and do nothing; the seeds and the finds are in `make test` in any case.
fuzz: $(VENV)/.installed-dev ## fuzz every parser of foreign bytes, ten minutes each; ARGS="--seconds 60 --only xdr,rpc"
	$(BIN)/python -m tests.fuzz $(ARGS)

fuzz-check: $(VENV)/.installed-dev ## fuzz every parser of foreign bytes, a minute in all
	$(BIN)/python -m tests.fuzz --seconds 5

check: lint types coverage slow-test render-check soak-check fuzz-check drawings-check ## everything that must pass before a change is merged

bench: $(VENV)/.installed-dev ## measure speed, memory and sound
	$(BIN)/python -m benchmarks $(ARGS)

bench-sound: $(VENV)/.installed-dev ## measure the cost of the sound, compared with csound and SuperCollider; ARGS="--board 60" is shorter
	$(BIN)/python -m benchmarks.sound $(ARGS)

bench-cards: $(VENV)/.installed-dev ## inject every fault of a sound card, and report what it costs the sound
	$(BIN)/python -m benchmarks.card_faults $(ARGS)

bench-underruns: $(VENV)/.installed-dev ## count underruns in ten virtual minutes on slow machines and ten real ones, of busy ledgers
	$(BIN)/python -m benchmarks.underruns $(ARGS)

bench-listener: $(VENV)/.installed-dev ## measure the cost of an operation, compared with the SDK's streams and httpx-sse
	$(BIN)/python -m benchmarks.listener $(ARGS)

.PHONY: bench-faults
bench-faults: $(VENV)/.installed-dev ## inject every fault of a network into a running box; ARGS="--only N5"
	$(BIN)/python -m benchmarks.faults $(ARGS)

bench-endurance: $(VENV)/.installed-dev ## check that a listener does not grow over 10,000 reconnects and 1,000,000 operations
	$(BIN)/python -m benchmarks.endurance $(ARGS)

.PHONY: bench-intake
bench-intake: $(VENV)/.installed-dev ## measure a block that takes in a large ledger: instructions of a board; a minute
	$(BIN)/python -m benchmarks.engines.intake

picture: $(VENV)/.installed-dev ## draw docs/wind.png: four minutes of the bundled recording
	mkdir -p build docs
	$(BIN)/stellar-wind render -o build/wind.flac --seconds 240 --scene wind --seed 1 --plot docs/wind.png

bench-clients: $(VENV)/.installed-dev ## measure what clients of the control socket cost the sound, and the delay of a note at a client
	$(BIN)/python -m benchmarks.clients $(ARGS)

bench-rest: $(VENV)/.installed-dev ## measure a muted box and a panel at rest: instructions of a board, wake-ups; a minute
	$(BIN)/python -m benchmarks.rest $(ARGS)

.PHONY: bench-page screenshot-page
bench-page: $(VENV)/.installed-dev ## measure what the page costs the player, with viewers and listeners
	$(BIN)/python -m benchmarks.page $(ARGS)

bench-panel: $(VENV)/.installed-dev ## measure the panel: cost, noise of the knobs, delay between lamps and sound; two minutes
	$(BIN)/python -m benchmarks.panel

screenshot: $(VENV)/.installed-dev ## draw docs/desk.svg: the panel in a terminal
	mkdir -p docs
	$(BIN)/python -m benchmarks.screenshot docs/desk.svg

screenshot-page: $(VENV)/.installed-dev ## draw docs/page*.webp: the page in Chromium, after three minutes of music
	$(BIN)/python -m benchmarks.screenshot_page docs

bench-music: $(VENV)/.installed-dev ## measure the music against its targets, two hours; ARGS="--rows 1,3,5 --scene wind --tape public --seed 1"
	$(BIN)/python -m benchmarks.music $(ARGS)

# One lock serves Python 3.11 to 3.13, because it is resolved for the oldest. The two files differ by platform only.
LOCK := $(TOOLS)/bin/uv pip compile --quiet --no-config --upgrade --generate-hashes --no-header --no-annotate \
	--no-emit-index-url --no-emit-find-links --python-version 3.11 \
	--extra pi --extra terminal --extra mqtt --extra pieces pyproject.toml

locks: $(TOOLS)/.installed ## update all locked dependencies to their newest versions: deploy/locks/
	$(LOCK) --python-platform aarch64-manylinux_2_28 --output-file deploy/locks/arm64.txt
	$(LOCK) --python-platform x86_64-manylinux_2_28 --output-file deploy/locks/amd64.txt

build/locked/.installed: deploy/locks/amd64.txt
	$(PYTHON) -m venv --clear build/locked
	build/locked/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes -r $<
	@touch $@

sbom: build/locked/.installed $(TOOLS)/.installed ## write the bill of materials to build/sbom/, and the licences
	mkdir -p build/sbom
	$(TOOLS)/bin/cyclonedx-py environment build/locked/bin/python --pyproject pyproject.toml \
		--output-reproducible --output-file build/sbom/amd64.cdx.json
	$(TOOLS)/bin/cyclonedx-py requirements deploy/locks/arm64.txt --pyproject pyproject.toml \
		--output-reproducible --output-file build/sbom/arm64.cdx.json
	$(BIN)/python deploy/licences.py build/sbom/amd64.cdx.json > deploy/locks/licences.md

audit: $(TOOLS)/.installed ## look up known vulnerabilities of the locked packages; "Error 77" means that no database answered
	$(TOOLS)/bin/python deploy/audit.py $(TOOLS)/bin/pip-audit deploy/locks/arm64.txt deploy/locks/amd64.txt

soak: $(VENV)/.installed-dev ## run a virtual day with random faults, about 40 min; ARGS="--hours 1 --seed 7"
	$(BIN)/python -m benchmarks.soak $(ARGS)

# First of a target's prerequisites: a tool that is missing is named before anything is installed or built.
NEEDED := $(addprefix needed-,releases image image-test image-test-raspi3b ansible-test nspawn-test)
.PHONY: $(NEEDED)
$(NEEDED):
	@sh deploy/needed.sh $(@:needed-%=%)

SUITE ?= trixie
releases: needed-releases $(VENV)/.installed ## build the release for 64-bit Pis that the Ansible role installs (SUITE=bookworm); needs root and mmdebstrap
	sh deploy/release/release.sh $(SUITE) arm64
	@chown -R --reference=Makefile build $(VENV) *.egg-info # after sudo, nothing belongs to root

# A Debian system in a folder, with the release in it.
MACHINE = WIND_TEST_SYSTEM="$$(sh deploy/release/root.sh trixie amd64 system box)" \
	$(BIN)/python -m pytest -s -o faulthandler_timeout=0

ansible-test: needed-ansible-test $(VENV)/.installed-dev $(TOOLS)/.installed ## run the Ansible role in a Debian container; needs root and mmdebstrap
	cd deploy/ansible && PATH="$(CURDIR)/$(TOOLS)/bin:$$PATH" ansible-lint --offline --profile production
	sh deploy/release/release.sh trixie amd64
	$(MACHINE) tests/deploy/test_role.py

nspawn-test: needed-nspawn-test $(VENV)/.installed-dev $(TOOLS)/.installed ## boot the box in a container, kill, hang and upgrade it; needs systemd-nspawn as well
	sh deploy/release/release.sh trixie amd64
	$(MACHINE) tests/deploy/test_booted.py tests/deploy/test_upgrade.py

IMAGE := build/image/stellar-wind-$(shell sed -n 's/^version = "\(.*\)"/\1/p' pyproject.toml).img
IMAGE_TEST = WIND_TEST_IMAGE="$(CURDIR)/$(IMAGE)" $(BIN)/python -m pytest -s -o faulthandler_timeout=0 --durations 0 --durations-min 10 tests/deploy/test_image.py

image: needed-image $(VENV)/.installed $(TOOLS)/.installed ## build the SD card image: build/image/*.img.xz, half an hour the first time; needs root
	sh deploy/image/image.sh
	@chown -R --reference=Makefile build $(VENV) *.egg-info

image-test: needed-image-test $(VENV)/.installed-dev $(TOOLS)/.installed ## boot the image in QEMU: sound, buttons, upgrade, power cuts
	$(IMAGE_TEST) tests/deploy/test_image_ssh.py tests/deploy/test_jack.py --numprocesses 2 --dist loadfile $(ARGS)

image-test-raspi3b: needed-image-test-raspi3b $(VENV)/.installed-dev $(TOOLS)/.installed ## boot the same image in QEMU's Pi 3
	WIND_TEST_BOARD=raspi3b $(IMAGE_TEST) $(ARGS)

.PHONY: release-check
release-check: needed-image needed-image-test needed-nspawn-test $(VENV)/.installed-dev ## run every test of a release on this commit, and resume after an interruption; hours; needs root
	@$(BIN)/python deploy/release/check.py; passed=$$?; chown -R --reference=Makefile build $(VENV) *.egg-info; exit $$passed

hardware: $(VENV)/.installed-hardware ## check the board, and make all from it that is in hardware/ (KiCad 9, OpenSCAD)
	$(MAKE) -f hardware/Makefile BIN=$(BIN)

hardware-check: $(VENV)/.installed-hardware ## check the drawings: ERC, DRC, parity, pins, HAT, current, case
	$(BIN)/python -m hardware.tools.check

drawings-check: $(VENV)/.installed-dev ## the checks of the drawings that take seconds; skips, by name, those that need KiCad
	$(BIN)/python -m hardware.tools.check --quick

clean: ## remove the virtual environment and all build files
	rm -rf $(VENV) build *.egg-info .coverage* .hypothesis .mypy_cache .pytest_cache .ruff_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# The stamps spare a second `make run` the installation. They are in the environment and are removed with it.
# An environment that was made for another folder, Python or processor is made again.
RENEW := $(shell sh deploy/setup.sh --check $(VENV))
.PHONY: renew
$(VENV)/.installed $(VENV)/.installed-dev $(VENV)/.installed-hardware: $(RENEW)

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
