#!/bin/sh
# SPDX-License-Identifier: CERN-OHL-P-2.0
#
# Sees to the drawing tools: KiCad 9 with its footprints, OpenSCAD, graphviz, a screen for OpenSCAD's pictures.
#
#     hardware/setup.sh            installs what is missing and apt offers; exit code 1 and a sentence if it offers none
#
# It adds no source to apt. On Debian 12 KiCad 9 is in the suite bookworm-backports, which you must have
# added yourself; Debian 13 has it in the release.
set -eu

say() { printf '%s\n' "$*" >&2; }

packages=''
for pair in openscad:openscad dot:graphviz xvfb-run:xvfb; do
    command -v "${pair%%:*}" >/dev/null || packages="$packages ${pair#*:}"
done
suite=''
case $(kicad-cli version 2>/dev/null || echo none) in
    9.* | 1[0-9].*) ;;
    *)
        found=$(apt-cache madison kicad 2>/dev/null | sed -n 's/.*| *9\.[^|]*| *[^ ]* \([^/]*\).*/\1/p' | head -n 1)
        [ -n "$found" ] || { say "apt offers no KiCad 9: add the suite bookworm-backports (Debian 12), or use Debian 13."; exit 1; }
        suite="-t $found"
        packages="$packages kicad kicad-footprints"
        ;;
esac
[ -n "$packages" ] || exit 0
[ "$(id -u)" = 0 ] || { say "Please run as root: apt-get install $suite$packages"; exit 1; }
say "Installing with apt-get $suite:$packages"
# shellcheck disable=SC2086 # the packages are words
DEBIAN_FRONTEND=noninteractive apt-get install -qq -y --no-install-recommends $suite $packages >/dev/null
