#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# Sets up the virtual environment that the Makefile runs everything in.
#
#     PYTHON=python3 deploy/setup.sh VENV [EXTRAS]        (EXTRAS as pip writes them: "[dev]")
#     deploy/setup.sh --check VENV                        prints "renew" if VENV was made for something else
#
# It can be run again at any time, also after an interruption, changes nothing that is right already, and names each
# thing before it installs it. An environment belongs to a folder, a version of Python and a processor; in a checkout
# that was moved or copied, after an upgrade of Python, or on another machine it is made again.
#
# System packages come from apt, and only where the thing itself is missing: the compiler and headers are looked for,
# not the packages that usually bring them.
set -eu

check=''
if [ "$1" = --check ]; then
    check=yes
    shift
fi
venv=$1
extras=${2-}
python=${PYTHON:-python3}

say() { printf '%s\n' "$*" >&2; }
fail() { say "$*"; exit 1; }

# What an environment is made for. Prints nothing if the Python does not run.
identity() {
    "$1" -I -S -c 'import os, sys; print(*sys.version_info[:2], os.uname().machine, sys.maxsize)' 2>/dev/null && pwd -P
}

fits() { [ -e "$venv/.made-for" ] && [ "$(identity "$venv/bin/python")" = "$(cat "$venv/.made-for")" ]; }

check_folder() {
    [ -w . ] && { [ ! -e "$venv" ] || [ -w "$venv" ]; } ||
        fail "$PWD cannot be written, and the environment $venv must be made in it: copy the project to a folder of yours."
    case $PWD in *:*) fail "No environment can be made in $PWD: rename the folder so that it has no colon." ;; esac
}

check_python() {
    command -v "$python" >/dev/null || fail "There is no $python: install Python 3.11, 3.12 or 3.13 (apt-get install python3-venv)."
    version=$("$python" -c 'import sys; print("%d.%d" % sys.version_info[:2])')
    case $version in
        3.11 | 3.12 | 3.13) ;;
        *) fail "$python is Python $version, and the box runs on 3.11 to 3.13: name one with make PYTHON=python3.11." ;;
    esac
    # The kernel can have 64 bits and the programs 32, as on a Raspberry Pi OS of 32 bits.
    [ "$("$python" -c 'import sys; print(sys.maxsize > 2**32)')" = True ] ||
        fail "$python is a program of 32 bits, and the box runs on 64-bit systems only: install the 64-bit Raspberry Pi OS."
    # Debian splits these off the standard library.
    "$python" -c 'import ensurepip, venv' 2>/dev/null ||
        fail "$python cannot make virtual environments: install python3-venv (apt-get install python3-venv)."
    # Asked of this very Python: it need not be the one that the system's headers belong to.
    headers=$("$python" -c 'import sysconfig; print(sysconfig.get_path("include"))')
    compiler=$("$python" -c 'import sysconfig; print((sysconfig.get_config_var("CC") or "cc").split()[0])')
}

# PyPI has no pyo for Linux on ARM, so there it is the system's, which a virtual environment must be told to see.
system_pyo() { [ "$(uname -s)" = Linux ] && [ "$(uname -m)" != x86_64 ]; }

# Nothing that the box itself needs is compiled. Extras may be, and the tests compile a sound card that fails on demand.
look_for_missing() {
    missing='' packages=''
    [ "$(uname -s)" = Linux ] || return 0
    if [ -n "$extras" ]; then
        command -v "$compiler" >/dev/null || lacks "a C compiler" "gcc libc6-dev"
        [ -e "$headers/Python.h" ] || lacks "Python.h of $python" "libpython3-dev"
        [ -e /usr/include/alsa/asoundlib.h ] || lacks "alsa/asoundlib.h" "libasound2-dev"
    fi
    # The library's own package has another name in every other release of Debian; this one brings it in all of them.
    "$python" -c 'import ctypes; ctypes.CDLL("libasound.so.2")' 2>/dev/null || lacks "ALSA's library" "libasound2-dev"
    if system_pyo; then
        "$python" -c 'import importlib.util as u, sys; sys.exit(u.find_spec("pyo") is None)' ||
            lacks "pyo for $python" "python3-pyo"
    fi
}

lacks() { missing="$missing${missing:+, }$1" packages="$packages $2"; }

install_missing() {
    command -v apt-get >/dev/null || fail "Please install $missing, then run make again."
    if [ "$(id -u)" = 0 ]; then
        as_root=''
    else
        command -v sudo >/dev/null || fail "Please run as root: apt-get install$packages"
        as_root=sudo
    fi
    say "Missing: $missing. Installing with apt-get:$packages"
    # An unreachable source of somebody else's must not stop what the others can give.
    $as_root apt-get update -qq || :
    # A new machine often updates itself in the background at first: wait for its lock (600 s).
    # shellcheck disable=SC2086 # the packages are words
    $as_root env DEBIAN_FRONTEND=noninteractive apt-get install -qq -y --no-install-recommends \
        -o DPkg::Lock::Timeout=600 $packages
    look_for_missing
    [ -z "$missing" ] || fail "Still missing: $missing. If $python is not the system's, try make PYTHON=/usr/bin/python3."
}

make_venv() {
    if fits && [ "$(identity "$python")" = "$(cat "$venv/.made-for")" ] &&
        "$venv/bin/python" -c 'import pip' 2>/dev/null; then
        return
    fi
    say "Making a virtual environment of Python $version in $venv"
    if system_pyo; then sees=--system-site-packages; else sees=''; fi
    "$python" -m venv --clear $sees "$venv"
    "$venv/bin/pip" --version >/dev/null 2>&1 || fail "$PWD is on a disk that runs no programs: copy the project to another one."
    identity "$venv/bin/python" >"$venv/.made-for" # last, so that one that was interrupted is made again
}

# A Pi has a panel of its own; anywhere else the terminal shows one, if it has what it needs to.
on_a_pi() { grep -qs 'Raspberry Pi' /proc/device-tree/model; }

# What drives the pins of a Pi is Debian's to bring. Where it cannot, the box plays on without a panel, and says so.
look_for_pins() {
    on_a_pi || return 0
    "$python" -c 'import importlib.util as u, sys; sys.exit(None in map(u.find_spec, ("RPi", "spidev")))' && return 0
    say "Installing what drives the pins with apt-get: python3-rpi-lgpio python3-spidev"
    if [ "$(id -u)" = 0 ]; then root=''; else root=sudo; fi
    $root env DEBIAN_FRONTEND=noninteractive apt-get install -qq -y --no-install-recommends \
        -o DPkg::Lock::Timeout=600 python3-rpi-lgpio python3-spidev || say "Without them there is no panel."
}

install_box() {
    say "Installing the box and its Python packages into $venv; on a small board this takes some minutes"
    [ -n "$extras" ] || extras='[terminal]'
    # The user's pip may be told to install elsewhere, or not at all. Its index, proxy and certificates are used.
    unset PIP_TARGET PIP_PREFIX PIP_ROOT
    export PIP_USER=0 PIP_DRY_RUN=0 PIP_NO_DEPS=0 PIP_REQUIRE_HASHES=0
    if elsewhere=$("$venv/bin/python" -m pip config list | grep -E '^[a-z]+\.(target|prefix|root)='); then
        fail "pip is configured to install elsewhere: remove this from its settings ($venv/bin/pip config debug): $elsewhere"
    fi
    "$venv/bin/python" -m pip install --quiet --disable-pip-version-check --use-pep517 --editable ".$extras"
    # pip compiles what it installs, but not what stays here; a slow processor should not have to do it at every start.
    "$venv/bin/python" -m compileall -q appliance
}

if [ -n "$check" ]; then
    [ ! -e "$venv/bin" ] || fits || echo renew
    exit
fi
check_folder
check_python
look_for_missing
[ -z "$missing" ] || install_missing
look_for_pins
make_venv
install_box
