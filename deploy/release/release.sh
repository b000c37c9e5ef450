#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# Collects a release as wheels in a tar, so that a box compiles and downloads nothing.
#
#     deploy/release/release.sh SUITE ARCHITECTURE     makes build/releases/stellar-wind-VERSION-SUITE-ARCHITECTURE.tar
#
# Each download is checked against the lock, and each wheel that is compiled here gets a hash of its own. Packages without
# a wheel on PyPI are compiled in a system of that architecture.
set -eu

suite=$1 architecture=$2
here=$(dirname "$0")
lock=$here/../locks/$architecture.txt
name=$suite-$architecture
out=build/wheels/$name
# The same commit gives the same bytes, because the role identifies a release by its hash.
SOURCE_DATE_EPOCH=$(git log -1 --format=%ct)
export SOURCE_DATE_EPOCH
case $suite in bookworm) python=3.11 ;; trixie) python=3.13 ;; *) echo "SUITE=$suite: a release is for bookworm or trixie." >&2; exit 2 ;; esac
case $architecture in arm64) machine=aarch64 ;; amd64) machine=x86_64 ;; *) echo "$architecture: a release is for arm64 or amd64." >&2; exit 2 ;; esac

fetched=$out/fetched-$(sha256sum <"$lock" | cut -c1-12)
if [ ! -e "$fetched" ]; then
    rm -rf "$out"
    mkdir -p "$out/sources"
    .venv/bin/python -m pip download --quiet --disable-pip-version-check --no-deps --require-hashes -r "$lock" -d "$out" \
        --platform "manylinux_2_28_$machine" --platform "manylinux_2_17_$machine" --platform "manylinux2014_$machine" \
        --python-version "$python" --implementation cp
    find "$out" -maxdepth 1 -name '*.tar.gz' -exec mv {} "$out/sources/" \;
    # PYPI=1 makes lgpio link its library statically.
    compiler=$(sh "$here/root.sh" "$suite" "$architecture" compiler)
    root=$(mktemp -d)
    tar -C "$root" -xf "$compiler"
    cp -r "$out/sources" "$root/sources"
    QEMU_CPU=cortex-a53 chroot "$root" env PYPI=1 sh -c \
        'python3 -m pip wheel --quiet --no-index --no-deps --no-build-isolation -w /wheels /sources/*' >&2
    cp "$root"/wheels/*.whl "$out/"
    rm -rf "$root"
    touch "$fetched"
fi

rm -f "$out"/stellar_wind_box-*.whl
setuptools=$(mktemp -d)
python3 -m zipfile -e "$out"/setuptools-*.whl "$setuptools" # as locked
PYTHONPATH=$setuptools .venv/bin/python -m pip wheel --quiet --disable-pip-version-check --no-deps --no-build-isolation -w "$out" .
rm -rf build/lib build/bdist.* "$setuptools"
# setuptools is needed to build the wheels only.
(cd "$out" && for wheel in *.whl; do
    case $wheel in setuptools-*) continue ;; esac
    rest=${wheel#*-}
    echo "${wheel%%-*}==${rest%%-*} --hash=sha256:$(sha256sum <"$wheel" | cut -c1-64)"
done) >"$out/requirements.txt"
version=$(sed -n 's/^version = "\(.*\)"/\1/p' pyproject.toml)
mkdir -p build/releases
rm -f build/releases/stellar-wind-*-"$name".tar
tar --create --file "build/releases/stellar-wind-$version-$name.tar" --sort=name --mtime="@$SOURCE_DATE_EPOCH" \
    --owner=0 --group=0 --numeric-owner --mode=go=rX --transform='s,^\.,wheels,' --exclude=./sources \
    --exclude='./fetched-*' --exclude='./setuptools-*' -C "$out" .
ls -l "build/releases/stellar-wind-$version-$name.tar"
