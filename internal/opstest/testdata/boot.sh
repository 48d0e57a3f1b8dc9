#!/bin/bash
# Boots the machine's own systemd in namespaces of its own, over the machine's
# own root; what it writes there stays in memory: boot.sh DIR NAME. DIR/share
# is seen inside as /srv/share. Prints the process id of that systemd and lives
# until its input ends; then nothing is left of the system.
set -euo pipefail

# groups are the hierarchies of control groups that systemd and podman need,
# unified or hybrid: where each is mounted, and this process's place in it.
groups() {
  local controllers path mount
  while IFS=: read -r _ controllers path; do
    case $controllers in
      '') mount=/sys/fs/cgroup; [ -e $mount/cgroup.procs ] || mount+=/unified ;;
      devices | freezer | memory | pids | name=systemd) mount=/sys/fs/cgroup/${controllers#name=} ;;
      *) continue ;;
    esac
    echo "$mount $mount${path%/}"
  done </proc/self/cgroup
}

# outer prepares control groups, starts inner, and waits.
outer() {
  local mount group mounts=()
  child='' first='' made=()
  trap leave EXIT
  while read -r mount group; do
    mkdir "$group/$2"
    made+=("$group/$2")
    mounts+=("$mount" "$group/$2")
  done < <(groups)
  unshare --mount --uts --ipc --pid --fork --kill-child "$0" inner "$1" "${mounts[@]}" </dev/null >"$1/log" 2>&1 &
  child=$!
  disown # or bash reports its end as a failure
  until read -r first </proc/$child/task/$child/children || [ -n "$first" ]; do [ -d "/proc/$child" ]; sleep 0.02; done
  echo "$first"
  cat >/dev/null
}

# leave kills the first process of the system, and with it all the others.
leave() {
  [ -z "$child" ] || kill -9 "$child"
  while [ -d "/proc/${child:-none}" ] || [ -d "/proc/${first:-none}" ]; do sleep 0.02; done
  find "${made[@]}" -depth -type d -exec rmdir {} +
}

# inner becomes the system. No devices are laid out but the harmless ones, kernel
# settings cannot be written, clock and modules are out of reach, and no unit of
# the machine's own starts.
inner() {
  local root=$1/root i group d unit
  for ((i = 3; i <= $#; i += 2)); do echo 0 >"${!i}/cgroup.procs"; done
  mkdir -p "$1/writes" "$root"
  mount -t tmpfs -o mode=0755 tmpfs "$1/writes"
  mkdir "$1/writes/upper" "$1/writes/work"
  mount -t overlay -o "lowerdir=/,upperdir=$1/writes/upper,workdir=$1/writes/work" overlay "$root"
  cd "$root"
  mount -t proc proc proc
  mount --bind proc/sys proc/sys
  mount -o remount,bind,ro proc/sys
  mount -t sysfs -o ro sysfs sys
  for d in run tmp srv dev etc/systemd/system usr/lib/systemd/system-generators var/lib/systemd var/log sys/fs/cgroup; do
    mount -t tmpfs -o mode=0755 tmpfs $d
  done
  chmod 1777 tmp
  for d in null zero full random urandom tty; do touch dev/$d; mount --bind /dev/$d dev/$d; done
  mkdir -p dev/pts dev/shm run/lock srv/share
  mount -t devpts -o newinstance,ptmxmode=0666 devpts dev/pts
  ln -s pts/ptmx dev/ptmx
  ln -s /proc/self/fd dev/fd
  mount --bind "$1/share" srv/share
  for ((i = 2; i < $#; i += 2)); do mkdir -p ".${!i}"; done
  mount -o remount,ro sys/fs/cgroup # or systemd would add the hierarchies that are missing
  for ((i = 2; i < $#; i += 2)); do group=$((i + 1)); mount --bind "${!group}" ".${!i}"; done
  for unit in usr/lib/systemd/system/{sysinit,sockets,multi-user,timers}.target.wants/*; do
    case ${unit##*/} in
      systemd-journald*) ;;
      *) ln -sf /dev/null etc/systemd/system/"${unit##*/}" ;;
    esac
  done
  echo 0123456789abcdef0123456789abcdef >etc/machine-id
  # Not chroot: there the kernel refuses the user namespaces of PrivateUsers.
  pivot_root . .
  umount --lazy .
  cd /
  mount --make-rshared / # as on every machine: credentials arrive by propagation
  exec env -i container=test PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin \
    unshare --cgroup setpriv --bounding-set=-sys_time,-sys_module,-sys_rawio,-sys_boot \
    /lib/systemd/systemd --log-target=journal --show-status=0 --unit=multi-user.target
}

if [ "$1" = inner ]; then shift; inner "$@"; else outer "$@"; fi
