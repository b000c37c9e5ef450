#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# Checks, before anything is built, that this machine has the tools of a target of the Makefile.
#
#     deploy/needed.sh TARGET...     prints what is missing and the command that installs it, and then exits with 1
#
# Tools that are in every Debian or Ubuntu (coreutils, tar, util-linux, dpkg) are not listed.
set -eu

missing='' packages='' old=''

# lacks WORDS PACKAGE
lacks() {
    case ", $missing," in *", $1,"*) return 0 ;; esac
    missing="$missing${missing:+, }$1"
    case " $packages " in *" $2 "*) ;; *) packages="$packages $2" ;; esac
}

# Reads lines of "NAME PACKAGE"; a NAME with a slash is a file, "A|B" is either of two.
need() {
    while read -r names package; do
        found=''
        for name in $(echo "$names" | tr '|' ' '); do
            case $name in
                /*) [ -e "$name" ] && found=yes ;;
                *) command -v "$name" >/dev/null && found=yes ;;
            esac
        done
        [ -n "$found" ] || lacks "${names%%|*}" "$package"
    done
}

root() {
    [ "$(id -u)" = 0 ] && return 0
    echo "It needs root, for files of other owners in the system that it makes: run it with sudo." >&2
    exit 1
}

# Debian systems in folders: deploy/release/root.sh. mmdebstrap only recommends some of what it needs.
systems() {
    command -v dpkg >/dev/null || { echo "It needs Debian or Ubuntu: it makes Debian systems with apt and dpkg." >&2; exit 1; }
    need <<NEEDED
mmdebstrap mmdebstrap
gpg gpg
git git
/usr/share/keyrings/debian-archive-keyring.gpg|/usr/share/keyrings/debian-archive-keyring.pgp debian-archive-keyring
NEEDED
}

# Programs of arm64 on another processor. Debian 13 registers qemu with the kernel by systemd, Debian 12 by binfmt-support.
arm64() {
    [ "$(dpkg --print-architecture)" = arm64 ] || need <<NEEDED
arch-test arch-test
qemu-aarch64-static qemu-user-static
update-binfmts|/usr/lib/binfmt.d/qemu-aarch64.conf binfmt-support
NEEDED
}

containers() {
    need <<NEEDED
systemd-nspawn systemd-container
nsenter util-linux
ssh openssh-client
pgrep procps
NEEDED
}

card() {
    need <<NEEDED
mcopy mtools
mkfs.vfat dosfstools
mkfs.ext4 e2fsprogs
sfdisk fdisk
ssh-keygen openssh-client
xz xz-utils
NEEDED
}

emulator() {
    need <<NEEDED
qemu-system-aarch64 qemu-system-arm
fdtoverlay device-tree-compiler
mcopy mtools
ssh openssh-client
mosquitto|/usr/sbin/mosquitto mosquitto
NEEDED
    # An older QEMU keeps the translated code of a page that the guest has cleared with DC ZVA ("accel/tcg: Forward probe
    # size on to notdirty_write", November 2023). If the page then becomes a stack, each store takes 13 us instead of
    # 2 ns, and a process of the guest, at worst systemd, takes minutes for what should take milliseconds.
    command -v qemu-system-aarch64 >/dev/null || return 0
    version=$(qemu-system-aarch64 --version)
    version=${version#*version } # "QEMU emulator version 10.0.2 (Debian ..."
    major=${version%%.*} minor=${version#*.}
    minor=${minor%%[!0-9]*}
    [ $((major * 100 + minor)) -ge 802 ] && return 0
    old="QEMU $major.$minor is too old: its guests can stall for minutes. It needs QEMU 8.2 or later. Debian 12 has one in its"
    old="$old backports: apt-get install -t bookworm-backports qemu-system-arm"
}

for target in "$@"; do
    case $target in
        releases) root; systems; arm64 ;;
        image) root; systems; arm64; card ;;
        ansible-test | nspawn-test) root; systems; containers ;;
        image-test | image-test-raspi3b) emulator ;;
        *) echo "usage: $0 releases | image | image-test | image-test-raspi3b | ansible-test | nspawn-test" >&2; exit 2 ;;
    esac
done
[ -z "$missing" ] || echo "Missing: $missing. Install with: apt-get install$packages" >&2
[ -z "$old" ] || echo "$old" >&2
[ -z "$missing$old" ]
