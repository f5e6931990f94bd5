#!/usr/bin/env bash
# Bare Debians, and this machine's ways to packages. Scripts source it that make one, after `say` and
# `give_up`. Where packages come from, for apt and for pip, is taken from this machine's configuration.

# What mmdebstrap is told to make a Debian with nothing but what is asked for. FOLDER is for files:
#   make_debian RELEASE FOLDER PLACE PACKAGE,PACKAGE OPTION...
# shellcheck disable=SC2016  # the hook's shell fills these in
make_debian() {
  local release=$1 folder=$2 place=$3 packages=$4
  shift 4
  scripts/sources "$release" >"$folder/sources"
  [ -s "$folder/sources" ] || give_up "apt knows no source of Debian's packages; run 'apt-get update' first"
  apt-config dump Acquire >"$folder/apt.conf"
  mmdebstrap --quiet --variant=minbase --include="$packages" --aptopt="$folder/apt.conf" \
    --setup-hook='mkdir -p "$1/etc/apt/auth.conf.d"; cp -r /etc/apt/auth.conf* "$1/etc/apt/"' \
    "$@" "$release" "$place" - <"$folder/sources"
}

# Let a Debian find what this machine finds, and have its /proc, /sys and /dev.
furnish_debian() {
  local debian=$1 file
  for file in /etc/hosts /etc/resolv.conf /etc/ssl/certs/ca-certificates.crt /etc/pip.conf ~/.config/pip/pip.conf; do
    if [ -e "$file" ]; then install -D "$file" "$debian$file"; fi
  done
  mount -t proc proc "$debian/proc"
  mount --rbind /sys "$debian/sys"
  mount --rbind /dev "$debian/dev"
}

# Set `in_debian` to what runs a command there, with nothing of this environment but the ways to packages.
set_in_debian() {
  local debian=$1 ways path=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
  mapfile -t ways < <(env | grep -iE '^(pip_[a-z_]+|(https?|no|all)_proxy|ssl_cert_(file|dir)|requests_ca_bundle)=')
  # shellcheck disable=SC2034  # read by who sources this
  in_debian=(chroot "$debian" /usr/bin/env -i "${ways[@]}" HOME=/root LANG=C.UTF-8 "PATH=$path")
}

# Run this script again, with mounts and processes of its own: when the first process ends, none is left.
# The variable tells it the folder; what it makes there is removed, whatever happens.
#   run_apart FOLDER_VARIABLE ARGUMENT...
run_apart() {
  local variable=$1
  shift
  apart_folder=$(mktemp -d)
  # apt reads as another user.
  chmod 755 "$apart_folder"
  trap clean_up_apart EXIT
  trap 'exit 130' INT TERM
  env "$variable=$apart_folder" unshare --mount --pid --fork --kill-child --mount-proc "$0" "$@" &
  apart_child=$!
  wait "$apart_child"
}

clean_up_apart() {
  if [ -n "${apart_child:-}" ]; then
    kill -KILL "$apart_child" 2>/dev/null || true
    wait "$apart_child" 2>/dev/null || true
  fi
  # What was killed may have been writing.
  rm -rf --one-file-system "$apart_folder" || { sleep 1 && rm -rf --one-file-system "$apart_folder"; }
}
