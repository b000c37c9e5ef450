#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# Makes the card: build/image/stellar-wind-VERSION.img.xz, for 64-bit Pis, of Debian trixie and the role.
#
#     deploy/image/image.sh        needs root, mmdebstrap, binfmt_misc with qemu-user-static, mtools, dosfstools, fdisk
#
# The one rule: what a box is stands in the role; here is only what makes a card of a system. No loop device and no
# mount outlives or even reaches this machine. The root is never written to: what changes lies in memory, and the
# little that lasts on a partition of its own, so that the power may go at any moment.
#
#     1  bootfs  FAT32   the Pi's firmware and kernel, and the one file of the owner's (cloud-init's user-data)
#     2  rootfs  ext4    the system, read-only, under an overlay in memory
#     3  state   ext4    /var/lib/stellar-wind
set -eu

out=build/image
root=$out/root
version=$(sed -n 's/^version = "\(.*\)"/\1/p' pyproject.toml)
image=$out/stellar-wind-$version.img
SOURCE_DATE_EPOCH=$(git log -1 --format=%ct)
export SOURCE_DATE_EPOCH
# Without it every function call of the guest costs a cipher: twenty times slower.
export QEMU_CPU=cortex-a53

say() { printf '%s %s\n' "$(date +%T)" "$*" >&2; }

unpack() {
    rm -rf "$out"
    mkdir -p "$root"
    tar -C "$root" -xf "$(deploy/image/root.sh trixie arm64 system box board)"
}

# Over ssh into the folder, as into a Pi; what is mounted goes with the namespace.
play() {
    rm -f "$out/key" "$out/key.pub"
    ssh-keygen -q -t ed25519 -N '' -f "$out/key"
    install -d -m 700 "$root/root/.ssh"
    cp "$out/key.pub" "$root/root/.ssh/authorized_keys"
    printf '#!/bin/sh\nexec chroot %s /usr/sbin/sshd -i -oSetEnv=QEMU_CPU=%s\n' "$PWD/$root" "$QEMU_CPU" >"$out/door"
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
    # shellcheck disable=SC2016 # the inner shell's own
    PATH=$PWD/build/tools/bin:$PATH unshare -m sh -c '
        mount -t proc proc "$1/proc" && mount --rbind /dev "$1/dev" && mount -t tmpfs tmpfs "$1/run" &&
        mkdir -p "$1/run/sshd" && cd deploy/ansible && exec ansible-playbook -i "$2/inventory.yml" site.yml' \
        sh "$PWD/$root" "$PWD/$out"
}

card() {
    cat >"$root/etc/fstab" <<FSTAB
LABEL=rootfs / ext4 ro,noatime 0 1
LABEL=bootfs /boot/firmware vfat ro,nofail 0 2
LABEL=state /var/lib/stellar-wind ext4 noatime,nofail,x-systemd.device-timeout=10s 0 2
FSTAB
    echo 'overlayroot="tmpfs:recurse=0"' >"$root/etc/overlayroot.conf"
    mkdir -p "$root/var/lib/stellar-wind"
    # Under an overlay there is nothing to remount; it would only say that it failed.
    ln -sf /dev/null "$root/etc/systemd/system/systemd-remount-fs.service"
    # Somebody who wants in says so in user-data; until then nothing listens.
    for unit in ssh.service ssh.socket; do ln -sf /dev/null "$root/etc/systemd/system/$unit"; done
    # The Imager's file lies on the FAT. cloud-init reads it at every start, for it forgets at every end.
    mkdir -p "$root/etc/cloud/cloud.cfg.d"
    cat >"$root/etc/cloud/cloud.cfg.d/99-stellar-wind.cfg" <<CLOUD
datasource_list: [NoCloud, None]
datasource: {NoCloud: {seedfrom: file:///boot/firmware/, fs_label: bootfs}}
growpart: {mode: "off"}
resize_rootfs: false
ssh_pwauth: false
system_info: {default_user: null}
CLOUD
    printf '#cloud-config\n' >"$root/boot/firmware/user-data"
    printf 'instance-id: stellar-wind\n' >"$root/boot/firmware/meta-data"
    echo stellar-wind >"$root/etc/hostname"
    sed -i -e 's,^root=.*,,' -e 's/root=[^ ]* rw/root=LABEL=rootfs ro/' "$root/boot/firmware/cmdline.txt"
    doc=$root/usr/share/doc/stellar-wind
    mkdir -p "$doc"
    cp README.md LICENSE SECURITY.md deploy/locks/licences.md deploy/locks/arm64.txt "$doc/"
    [ ! -e build/sbom/arm64.cdx.json ] || cp build/sbom/arm64.cdx.json "$doc/"
    # shellcheck disable=SC2016 # dpkg's own
    chroot "$root" dpkg-query -W -f '${Package} ${Version} ${Architecture}\n' | sort >"$doc/packages.txt"
    cp "$doc/packages.txt" "$out/packages.txt"
}

# One card must not carry what would be the same on all of them, nor where it was made.
scrub() {
    rm -f "$root"/etc/ssh/ssh_host_* "$root"/etc/resolv.conf "$root"/var/lib/dbus/machine-id
    rm -rf "$root"/root/.ssh "$root"/root/.ansible "$root"/root/.cache "$root"/var/cache/apt/*.bin "$root"/var/lib/apt/lists/*
    find "$root"/tmp "$root"/var/tmp "$root"/var/log "$root"/run -mindepth 1 -delete
    : >"$root/etc/machine-id"
    cat >"$root/etc/apt/sources.list" <<SOURCES
deb http://deb.debian.org/debian trixie main non-free-firmware
deb http://deb.debian.org/debian trixie-updates main non-free-firmware
deb http://deb.debian.org/debian-security trixie-security main non-free-firmware
SOURCES
    # The first account in shadow with a password would be a default password.
    ! cut -d: -f2 "$root/etc/shadow" | grep -qv '^[*!]*$'
}

# Sizes in MiB. The identifiers are ours to choose, and the same for the same version.
partition() {
    boot=256 system=$(($(du -s --block-size=1M --exclude=./boot/firmware "$root" | cut -f1) * 115 / 100 + 64)) state=64
    uuid=5ee11a50-0000-4000-8000-00000000000
    mv "$root/boot/firmware" "$out/firmware"
    mkdir "$root/boot/firmware"
    truncate -s "${boot}M" "$out/1"
    mkfs.vfat -F 32 -n bootfs -i 5EE11A50 "$out/1" >/dev/null
    mcopy -s -i "$out/1" "$out"/firmware/* ::/
    truncate -s "${system}M" "$out/2"
    mkfs.ext4 -q -F -L rootfs -U "${uuid}2" -E hash_seed="${uuid}2" -m 0 -d "$root" "$out/2"
    truncate -s "${state}M" "$out/3"
    mkfs.ext4 -q -F -L state -U "${uuid}3" -E hash_seed="${uuid}3" -m 0 "$out/3"
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

deploy/image/release.sh trixie arm64
say "Unpacking Debian"; unpack
say "The role"; play
say "The card"; card; scrub; partition
if [ "${1-}" != --raw ]; then say "Compressing"; xz -T0 -6 -k "$image"; fi
ls -ls "$image"* >&2
