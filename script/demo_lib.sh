# shellcheck shell=bash
# Copyright (c) 2026, certops.ocsp contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# What the demonstrations share: how they speak, and Ansible with the collection as users get it.

step=0
step() { printf '\n\033[1m%d. %s\033[0m\n' "$((++step))" "$*"; }
tell() { printf '   %s\n' "$*"; }
show() { sed 's/^/   | /' "$@"; }

# failed LOG WHY: the end of a demonstration that did not show what it should.
failed() {
  show "$1" >&2
  die "$2"
}

# Stop a process that this script started, and wait until it is gone.
stop() {
  local pid=$1
  [[ $pid ]] || return 0
  kill "$pid" 2>/dev/null || true
  wait "$pid" 2>/dev/null || true
}

# until_true SECONDS COMMAND...: try again and again.
until_true() {
  local end=$((SECONDS + $1))
  shift
  until "$@"; do
    ((SECONDS < end)) || return 1
    sleep 0.1
  done
}

# prepare_ansible FOLDER [COLLECTIONS...]: have ansible-core, and the collection built and installed in a folder, which is
# made the current one. Further folders with collections may be given.
prepare_ansible() {
  local work=$1 python version venv core
  shift
  python=$(first_python 3.11 3.12 3.13) || die "Python 3.11 or later is needed"
  version=$("$python" -c 'import sys; print("%d.%d" % sys.version_info[:2])')
  venv=$(venv "$python" "$(ansible_core_for "$version")" "cryptography==$NEWEST_CRYPTOGRAPHY") || exit 1
  PATH=$venv/bin:$PATH:/usr/sbin:/sbin
  cd "$work" || exit 1
  # shellcheck disable=SC2031
  unset "${!ANSIBLE_@}" # settings of the user's own must not change what is seen here
  cat >ansible.cfg <<CFG
[defaults]
home = $work/ansible
local_tmp = $work/tmp
remote_tmp = $work/tmp
collections_path = $(IFS=:; echo "$work/collections${*:+:$*}")
inventory = $work/inventory
nocows = true
nocolor = true
CFG
  printf 'localhost ansible_connection=local ansible_python_interpreter="{{ ansible_playbook_python }}"\n' >inventory
  export PATH LC_ALL=C.UTF-8 ANSIBLE_CONFIG=$work/ansible.cfg
  snapshot "$work/checkout"
  if ! { ansible-galaxy collection build --output-path "$work" "$work/checkout" &&
    ansible-galaxy collection install --offline --no-deps --collections-path "$work/collections" \
      "$work"/certops-ocsp-*.tar.gz; } >"$work/galaxy.log" 2>&1; then
    failed "$work/galaxy.log" "the collection could not be built and installed"
  fi
  core=$(python3 -c 'import importlib.metadata as m; print(m.version("ansible-core"))')
  tell "$(basename "$work"/certops-ocsp-*.tar.gz) is installed for ansible-core $core on Python $version."
}
