#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# Builds a Debian system as a tar, and caches it by its list of packages and the week.
#
#     deploy/release/root.sh SUITE ARCHITECTURE LIST...      prints the tar's path, under build/roots/
#
# LIST is the name of a file in deploy/release/packages/ with a package a line; LIST.sources beside it is an additional
# archive. DEBIAN is the address of a mirror; the default is Debian's own. All packages are installed in one transaction,
# because each run of the initramfs hooks takes a minute under emulation. deploy/needed.sh names the tools it needs.
set -eu

suite=$1 architecture=$2
shift 2
here=$(dirname "$0")

packages=$(for list in "$@"; do grep -v '^#' "$here/packages/$list.txt"; done | sort -u | paste -sd,)
# Each week a new system is built, with new security updates.
name=$(printf '%s' "$suite $architecture $packages $(date +%G-%V)" | sha256sum | cut -c1-12)
tar=build/roots/$suite-$architecture-$name.tar
part=build/roots/part-$$.tar # mmdebstrap chooses the format by the ending
[ -e "$tar" ] && { echo "$tar"; exit; }

# The key of an archive must be on this machine, whose apt is used.
for list in "$@"; do
    shift
    archive=$PWD/$here/packages/$list.sources
    [ -e "$archive" ] || continue
    key=$(sed -n 's/^Signed-By: //p' "$archive")
    if [ ! -e "$key" ]; then
        echo "$key is missing. It belongs to the archive that $list.sources names: its package $(basename "$key" .pgp)." >&2
        exit 1
    fi
    set -- "$@" --setup-hook="cp '$archive' \"\$1/etc/apt/sources.list.d/\""
done

mkdir -p build/roots
# The kernel must know what runs programs of arm64: binfmt-support tells it on Debian 12, systemd on Debian 13.
if [ "$(dpkg --print-architecture)" != "$architecture" ] && ! arch-test "$architecture" >/dev/null 2>&1; then
    mountpoint -q /proc/sys/fs/binfmt_misc || mount -t binfmt_misc none /proc/sys/fs/binfmt_misc
    update-binfmts --enable qemu-aarch64 2>/dev/null || /usr/lib/systemd/systemd-binfmt qemu-aarch64.conf || :
    arch-test "$architecture" >/dev/null || {
        echo "This machine cannot run programs of $architecture: reinstall qemu-user-static (apt-get install --reinstall)." >&2
        exit 1
    }
fi
# Without sources mmdebstrap uses Debian's own, with updates and security updates.
sources() {
    [ -n "${DEBIAN-}" ] || return 0
    for each in "debian $suite" "debian $suite-updates" "debian-security $suite-security"; do
        echo "deb $DEBIAN/$each main non-free-firmware"
    done
}

# qemu's default processor emulates pointer authentication in each call, which is twenty times slower.
sources | QEMU_CPU=cortex-a53 mmdebstrap --quiet --variant=minbase --architectures="$architecture" \
    --include="$packages" --aptopt='Apt::Install-Recommends "false"' \
    --dpkgopt='path-exclude=/usr/share/man/*' --dpkgopt='path-exclude=/usr/share/locale/*' \
    --dpkgopt='path-exclude=/usr/share/doc/*' --dpkgopt='path-include=/usr/share/doc/*/copyright' \
    --components=main,non-free-firmware "$@" "$suite" "$part" ${DEBIAN:+-} >&2
mv "$part" "$tar"
echo "$tar"
