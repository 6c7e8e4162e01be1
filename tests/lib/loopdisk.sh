# tests/lib/loopdisk.sh - real file systems for a test script, each ext4 on an image of its own. Sourced after
# tests/lib/broker.sh; needs root and loop devices.
#
#   loopdisk_missing         says why there can be none; status 1 when there can
#   loopdisk_make NAME SIZE  makes and mounts it: $work/NAME
#   loopdisk_make_on_tmpfs NAME SIZE ROOM   the same, sparse in a tmpfs that has less room: its device fails when
#                            that is used up, which syncs tell with EIO
#   loopdisk_cut NAME        the power fails: what is not on the image is lost, and nothing can be read or written
#   loopdisk_again NAME      unmounts and mounts again: the journal is replayed
# Everything is unmounted when the script ends.

loopdisk_names=()

loopdisk_missing() {
    if [ "$(id -u)" != 0 ]; then
        echo "only root can mount"
    elif ! command -v mkfs.ext4 >/dev/null; then
        echo "there is no mkfs.ext4"
    elif ! losetup -f >/dev/null 2>&1; then
        echo "there is no loop device"
    else
        return 1
    fi
}

loopdisk_mount() { # NAME
    mkdir -p "$work/$1" && mount -o loop,errors=continue "$work/${1}-image/$1.img" "$work/$1"
}

loopdisk_make() { # NAME SIZE
    mkdir -p "$work/${1}-image"
    truncate -s "$2" "$work/${1}-image/$1.img" &&
        mkfs.ext4 -q -F -m 0 "$work/${1}-image/$1.img" && loopdisk_mount "$1" && loopdisk_names+=("$1")
}

loopdisk_make_on_tmpfs() { # NAME SIZE ROOM
    mkdir -p "$work/${1}-image"
    mount -t tmpfs -o "size=$3" tmpfs "$work/${1}-image" && loopdisk_make "$1" "$2"
}

# EXT4_IOC_SHUTDOWN with NOLOGFLUSH: neither data nor journal gets out any more.
loopdisk_cut() {
    python3 -c 'import fcntl, os, struct, sys
fcntl.ioctl(os.open(sys.argv[1], os.O_RDONLY), 0x8004587D, struct.pack("I", 2))' "$work/$1"
}

# Not before its loop device has gone: while another mount namespace, made meanwhile by somebody else, still holds the
# file system, it would be mounted again as it was cut.
loopdisk_unmount() {
    for _ in $(seq 600); do
        ! mountpoint -q "$work/$1" || umount "$work/$1" 2>/dev/null || true
        if ! mountpoint -q "$work/$1" && [ -z "$(losetup -j "$work/${1}-image/$1.img")" ]; then return; fi
        sleep 0.05 # who was killed may not have closed everything yet
    done
    return 1
}

loopdisk_again() { loopdisk_unmount "$1" && loopdisk_mount "$1"; }

loopdisk_cleanup() {
    local name
    [ -z "$broker_pid" ] || broker_kill
    for name in "${loopdisk_names[@]}"; do
        fsfreeze -u "$work/$name" 2>/dev/null
        umount -l "$work/$name" 2>/dev/null
        umount -l "$work/${name}-image" 2>/dev/null
    done
}
trap 'status=$?; loopdisk_cleanup; (exit $status); broker_cleanup' EXIT
