#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# Builds the card image build/image/stellar-wind-VERSION.img.xz for 64-bit Pis from Debian trixie and the role.
#
#     deploy/image/image.sh        needs root, and the tools that deploy/needed.sh names
#
# BASE=debian uses Debian's packages only. BASE=raspios takes kernel, firmware and Wi-Fi from Raspberry Pi's archive and
# supports a Pi 5; it is untested.
#
# The role defines the box. Only what turns a system into a card is here, in card/, boot/ and the folder of the base.
# No loop device is used, and all mounts are in a mount namespace of their own.
#
#     1  bootfs  FAT32   firmware, kernel, and the owner's files: boot/
#     2  rootfs  ext4    the system, read-only
#     3  state   ext4    persistent folders: card/etc/initramfs-tools/scripts/init-bottom/stellar-wind
set -eu

here=deploy/image
base=${BASE:-debian}
version=$(sed -n 's/^version = "\(.*\)"/\1/p' pyproject.toml)
# out: build folder; boots: files that a Pi boots from; pis: supported boards, in the Imager's names; most: bytes of the
# packed image, of Debian's only, because the other one has two kernels and has not been measured.
case $base in
    debian)
        out=build/image image=$out/stellar-wind-$version.img
        boots='vmlinuz initrd' pis='"pi3-64bit", "pi4-64bit"' most=180000000 ;;
    raspios)
        out=build/image-raspios image=$out/stellar-wind-$version-raspios.img
        boots='kernel8 initramfs8 kernel_2712 initramfs_2712' pis='"pi3-64bit", "pi4-64bit", "pi5-64bit"' most= ;;
    *) echo "BASE=$base: a card is made of debian or of raspios." >&2; exit 2 ;;
esac
root=$PWD/$out/root
epoch=$(git log -1 --format=%ct)
# qemu's default processor emulates pointer authentication in each call, which is twenty times slower.
export QEMU_CPU=cortex-a53
export SOURCE_DATE_EPOCH="$epoch"

say() { printf '%s  %s\n' "$(date +%T)" "$*" >&2; }
fail() { say "$*"; exit 1; }

unpack() {
    tar=$(sh deploy/release/root.sh trixie arm64 system box card "$base")
    rm -rf "$out"
    mkdir -p "$root"
    tar -C "$root" -xf "$tar"
    cp -r --no-preserve=ownership "$here/$base/." "$root/"
}

# Run a command in the system, with /proc, /dev and /run; the mounts end with the namespace.
inside() {
    # shellcheck disable=SC2016 # the inner shell's own
    unshare -m sh -c '
        root=$1; shift
        mount -t proc proc "$root/proc" && mount --rbind /dev "$root/dev" && mount -t tmpfs tmpfs "$root/run" || exit
        exec chroot "$root" env PATH=/usr/sbin:/usr/bin:/sbin:/bin LC_ALL=C "$@"' sh "$root" "$@"
}

# root's home folder in the system, as a path of this machine.
home() { printf '%s%s' "$root" "$(sed -n 's/^root:.*:\(.*\):.*/\1/p' "$root/etc/passwd")"; }

# Run the role over ssh in the folder, as on a Pi. Prints the number of changes.
role() {
    if [ ! -e "$out/key" ]; then
        ssh-keygen -q -t ed25519 -N '' -f "$out/key"
        printf '#!/bin/sh\nexec chroot %s /usr/sbin/sshd -i -oSetEnv="QEMU_CPU=%s SOURCE_DATE_EPOCH=%s"\n' \
            "$root" "$QEMU_CPU" "$epoch" >"$out/door"
        chmod +x "$out/door"
        cat >"$out/inventory.yml" <<INVENTORY
all:
  hosts:
    card:
      ansible_user: root
      ansible_ssh_private_key_file: $PWD/$out/key
      ansible_ssh_args: -o ControlMaster=auto -o ControlPersist=10
      ansible_control_path_dir: $PWD/$out/ssh
      ansible_ssh_common_args: >-
        -o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null -o LogLevel=ERROR -o ProxyCommand=$PWD/$out/door
INVENTORY
    fi
    install -d -m 700 "$(home)/.ssh"
    cp "$out/key.pub" "$(home)/.ssh/authorized_keys"
    # shellcheck disable=SC2016 # the inner shell's own
    PATH=$PWD/build/tools/bin:$PATH ANSIBLE_NOCOLOR=1 unshare -m sh -c '
        mount -t proc proc "$1/proc" && mount --rbind /dev "$1/dev" && mount -t tmpfs tmpfs "$1/run" &&
        mkdir -p "$1/run/sshd" && ssh-keygen -q -A -f "$1" && cd deploy/ansible &&
        exec ansible-playbook -i "$2/inventory.yml" site.yml' sh "$root" "$PWD/$out" >"$out/role.log" 2>&1 ||
        { tail -n 40 "$out/role.log" >&2; fail "The role has failed."; }
    rm -rf "$(home)/.ssh"
    grep -o 'ok=[0-9]* *changed=[0-9]*' "$out/role.log"
}

# Turn the system into a card. The second run of the role checks that none of this conflicts with the role.
card() {
    cp -r --no-preserve=ownership "$here/card/." "$root/"
    chmod 600 "$root"/etc/netplan/*
    echo stellar-wind >"$root/etc/hostname"
    printf '127.0.0.1 localhost\n127.0.1.1 stellar-wind\n' >"$root/etc/hosts"
    ln -sf /run/NetworkManager/resolv.conf "$root/etc/resolv.conf"
    mkdir -p "$root/media/state" "$root/media/root-ro" "$root/media/root-rw"
    # The folders that the initramfs covers with the partition "state" must be there.
    mkdir -p "$root/var/lib/stellar-wind" "$root/var/lib/stellar-wind-pieces"
    sources
    # No ssh until the owner enables it. Units that wait for a network, run cloud-init in its own way, or install
    # Debian's updates (into memory, each day again) are disabled.
    inside systemctl --quiet disable ssh.service NetworkManager-wait-online.service
    inside systemctl --quiet mask apt-daily.timer apt-daily-upgrade.timer dpkg-db-backup.timer e2scrub_all.timer \
        e2scrub_reap.service fstrim.timer systemd-remount-fs.service cloud-init-main.service cloud-init-local.service \
        cloud-init-network.service cloud-config.service cloud-final.service cloud-init-hotplugd.socket
    inside systemctl --quiet enable stellar-wind-card.service
    inside update-initramfs -u -k all
    # config.txt stays as Debian has generated it, and is then the owner's to edit, as on Raspberry Pi OS.
    sed -i '/^# Do not modify/,/^$/d' "$root/boot/firmware/config.txt"
    rm -f "$root"/boot/firmware/*_[cdx]* "$root"/boot/firmware/*4[cdx]* "$root/boot/firmware/README"*
    cp "$here"/boot/* "$root/boot/firmware/"
    # The packages must have installed these files.
    for file in $boots bootcode start start4 config.txt cmdline.txt; do
        ls "$root/boot/firmware/$file"* >/dev/null 2>&1 || fail "The first partition has no $file: no Pi would start."
    done
    ! grep -q 'cma=\|ttyS\|ttyAMA' "$root/boot/firmware/cmdline.txt" || fail "cmdline.txt has settings of the build machine."
    papers
    # shellcheck disable=SC2046 # patterns
    (cd "$root" && rm -rf $(sed '/^#/d' "$OLDPWD/$here/not-on-a-card.txt"))
    inside sh -c 'cd /lib/modules && for kernel in *; do depmod "$kernel"; done'
}

# Debian's own servers, from a package of Debian, instead of the mirror of the build machine.
sources() {
    address() { sed -n "s/^ *$1: //p" "$root/etc/cloud/cloud.cfg"; }
    [ -n "$(address primary)" ] && [ -n "$(address security)" ] || fail "cloud.cfg does not name Debian's servers."
    rm -f "$root"/etc/apt/sources.list
    keys=/usr/share/keyrings/debian-archive-keyring
    [ -e "$root$keys.pgp" ] && keys=$keys.pgp || keys=$keys.gpg
    cat >"$root/etc/apt/sources.list.d/debian.sources" <<SOURCES
Types: deb
URIs: $(address primary)
Suites: trixie trixie-updates
Components: main non-free-firmware
Signed-By: $keys

Types: deb
URIs: $(address security)
Suites: trixie-security
Components: main non-free-firmware
Signed-By: $keys
SOURCES
}

# Lists of the contents with licences; the licences of Debian's packages are in /usr/share/doc/*/copyright already.
papers() {
    papers=$root/usr/share/doc/stellar-wind
    mkdir -p "$papers"
    cp README.md CHANGELOG.md LICENSE SECURITY.md deploy/locks/licences.md deploy/locks/arm64.txt "$here/source-offer.txt" "$papers/"
    build/tools/bin/cyclonedx-py requirements deploy/locks/arm64.txt --pyproject pyproject.toml --output-reproducible \
        --output-file "$papers/sbom.cdx.json" 2>/dev/null
    # shellcheck disable=SC2016 # dpkg's own
    inside dpkg-query -W -f '${Package} ${Version} ${Architecture} ${source:Package} ${source:Version}\n' | sort >"$papers/packages.txt"
    git rev-parse HEAD >"$papers/commit"
}

# Remove secrets and identifiers that would be the same on all cards, and traces of the build machine and time.
scrub() {
    rm -f "$root"/etc/ssh/ssh_host_* "$root"/var/lib/dbus/machine-id "$root"/etc/*- "$root"/var/lib/systemd/random-seed
    rm -rf "$(home)/.ssh" "$(home)/.ansible" "$(home)/.cache" "$root/etc/ansible"
    rm -rf "$root"/var/cache/apt/*.bin "$root"/var/cache/ldconfig/aux-cache "$root"/var/cache/debconf/*-old
    rm -rf "$root"/var/lib/apt/lists/* "$root"/var/lib/dpkg/*-old "$root"/var/lib/cloud
    find "$root/tmp" "$root/var/tmp" "$root/var/log" "$root/run" -mindepth 1 -delete
    mkdir "$root/var/log/journal" && rmdir "$root/var/log/journal"
    : >"$root/etc/machine-id"
    # Mark all caches as up to date, so that no start rebuilds them.
    touch "$root/etc/.updated" "$root/var/.updated"
    # Bytecode contains the time of its source; with the same time for all files it is reproducible.
    find "$root" -xdev -newermt "@$epoch" -exec touch --no-dereference --date="@$epoch" {} +
    inside env -u SOURCE_DATE_EPOCH python3 -m compileall -q -f -j 2 /opt/stellar-wind/releases /usr/lib/python3/dist-packages || :
    find "$root" -xdev -newermt "@$epoch" -exec touch --no-dereference --date="@$epoch" {} +
    # A password in the image would be a default password on all cards.
    ! cut -d: -f2 "$root/etc/shadow" | grep -qv '^[*!][*!]*$' || fail "An account has a password."
}

# The list of all files, equal for equal inputs: mode, owner, size and name, then the hashes.
manifest() {
    cp "$root/usr/share/doc/stellar-wind/packages.txt" "$out/packages.txt"
    (
        cd "$root"
        find . -xdev ! -type f -printf '%M %U:%G 0 %p %l\n' -o -printf '%M %U:%G %s %p\n' | LC_ALL=C sort -k 4
        find . -xdev -type f -exec sha256sum {} + | LC_ALL=C sort -k 2
    ) >"$out/manifest.txt"
}

# Sizes in MiB. All identifiers are fixed, so that builds are reproducible.
partition() {
    boot=192 state=64 uuid=5ee11a50-0000-4000-8000-00000000000
    mv "$root/boot/firmware" "$out/firmware"
    mkdir "$root/boot/firmware"
    touch --date="@$epoch" "$root/boot/firmware" "$root/boot"
    system=$(($(du -s --block-size=1M "$root" | cut -f1) * 110 / 100 + 32))
    truncate -s "${boot}M" "$out/1"
    mkfs.vfat -F 32 -n bootfs -i 5EE11A50 "$out/1" >/dev/null
    mcopy -s -m -i "$out/1" "$out"/firmware/* ::/
    make_ext4 2 rootfs "$system" -d "$root"
    # Block size of a large file system, because the partition grows at the first start.
    make_ext4 3 state "$state"
    truncate -s "$((4 + boot + system + state))M" "$image"
    sfdisk -q "$image" <<TABLE
label: dos
label-id: 0x5ee11a50
start=4MiB, size=${boot}MiB, type=c, bootable
start=$((4 + boot))MiB, size=${system}MiB, type=83
start=$((4 + boot + system))MiB, size=${state}MiB, type=83
TABLE
    dd if="$out/1" of="$image" bs=1M seek=4 conv=notrunc,sparse status=none
    dd if="$out/2" of="$image" bs=1M seek=$((4 + boot)) conv=notrunc,sparse status=none
    dd if="$out/3" of="$image" bs=1M seek=$((4 + boot + system)) conv=notrunc,sparse status=none
    rm "$out/1" "$out/2" "$out/3"
}

make_ext4() {
    number=$1 label=$2 size=$3
    shift 3
    truncate -s "${size}M" "$out/$number"
    mkfs.ext4 -q -F -b 4096 -I 256 -m 0 -L "$label" -U "$uuid$number" -E "hash_seed=$uuid$number" "$@" "$out/$number"
}

# With this file the Imager asks for Wi-Fi, name and account and writes them to the card.
# URL is the address of the packed image; the default is the local file.
manifest_for_the_imager() {
    cat >"$out/stellar-wind-$version.rpi-imager-manifest" <<MANIFEST
{"os_list": [{
    "name": "Stellar Wind Box $version",
    "description": "An ambient box that plays the Stellar network",
    "url": "${URL:-file://$PWD/$image.xz}",
    "release_date": "$(date --utc --date="@$epoch" +%F)",
    "extract_size": $(stat -c %s "$image"),
    "extract_sha256": "$(sha256sum <"$image" | cut -c1-64)",
    "image_download_size": $(stat -c %s "$image.xz"),
    "image_download_sha256": "$(sha256sum <"$image.xz" | cut -c1-64)",
    "devices": [$pis],
    "init_format": "cloudinit"
}]}
MANIFEST
}

sh deploy/needed.sh image
say "The release"; sh deploy/release/release.sh trixie arm64 >/dev/null
say "Debian"; unpack
made=$(role)
say "The role: $made"
say "The card"; card
again=$(role)
say "The role again: $again"
[ "${again##* }" = changed=0 ] || fail "The second run of the role has changed something: see $out/role.log."
scrub
manifest
say "The partitions"; partition
say "Packing"; xz -T0 -6 -k "$image"
packed=$(stat -c %s "$image.xz")
[ "$packed" -le "${most:-$packed}" ] || fail "The packed image has $packed bytes; the limit is $most."
rm -rf "$root" "$out/firmware" "$out"/key* "$out/door" "$out/ssh" "$out/inventory.yml"
manifest_for_the_imager
ls -ls "$out" >&2
