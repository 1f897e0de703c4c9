# shellcheck shell=bash
# Copyright (c) 2026, certops.ocsp contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# What the scripts beside this file share: Debian packages, interpreters, virtual environments, copies of the checkout.

set -euo pipefail

CHECKOUT=$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")/.." && pwd -P)
CACHE=$(realpath -m -- "${CERTOPS_CACHE:-${XDG_CACHE_HOME:-${HOME:?}/.cache}/certops.ocsp}")
# Suites run with a home of their own; interpreters and the settings of pip stay the user's.
PYENV_VERSIONS=${PYENV_ROOT:-${HOME:?}/.pyenv}/versions
if [[ ! ${PIP_CONFIG_FILE:-} && -e $HOME/.config/pip/pip.conf ]]; then
  export PIP_CONFIG_FILE=$HOME/.config/pip/pip.conf
fi

# All that is used from Debian beside python3, git and ca-certificates.
# shellcheck disable=SC2034 # used by the scripts that read this file
PACKAGES=(python3-venv openssl nginx-light prometheus mmdebstrap systemd-container iproute2 openssh-client)

# What "the newest" means in the tests.
# shellcheck disable=SC2034
NEWEST_CRYPTOGRAPHY=50.0.2
# shellcheck disable=SC2034
CERTVALIDATOR=0.33.0
# shellcheck disable=SC2034
CRYPTOGRAPHY_VERSIONS=(3.4.8 36.0.1 38.0.4 41.0.7 43.0.0 "$NEWEST_CRYPTOGRAPHY")
# shellcheck disable=SC2034
RUFF=ruff==0.17.6

export PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_INPUT=1 PIP_ROOT_USER_ACTION=ignore

say() { printf '%s\n' "$*" >&2; }

die() {
  say "${0##*/}: $*"
  exit 1
}

as_root() {
  if ((EUID == 0)); then
    "$@"
  elif [[ -t 0 ]]; then
    sudo "$@"
  else
    sudo -n "$@"
  fi
}

can_be_root() {
  ((EUID == 0)) || { command -v sudo >/dev/null && { [[ -t 0 ]] || sudo -n true 2>/dev/null; }; }
}

# Of the Debian packages given, those that are not installed; none where there is no dpkg to ask.
missing_packages() {
  local package
  command -v dpkg-query >/dev/null || return 0
  for package in "$@"; do
    # shellcheck disable=SC2016 # dpkg-query's own syntax
    [[ $(dpkg-query -Wf '${db:Status-Status}' "$package" 2>/dev/null) == installed ]] || printf '%s\n' "$package"
  done
}

# Of the Debian packages given, those that this release has, as far as apt knows its lists.
offered_packages() {
  local package
  command -v apt-cache >/dev/null || return 0
  for package in "$@"; do
    [[ ! $(LC_ALL=C apt-cache policy "$package" 2>/dev/null) =~ Candidate:\ [0-9] ]] || printf '%s\n' "$package"
  done
}

# Install what is missing. Fails, saying what to install, when this needs a root that is not to be had.
install_packages() {
  local missing
  mapfile -t missing < <(missing_packages "$@")
  ((${#missing[@]})) || return 0
  if ! can_be_root; then
    say "These packages are missing, and neither root nor sudo is at hand: ${missing[*]}"
    return 1
  fi
  say "Installing ${missing[*]} ..."
  _apt_install "${missing[@]}"
}

# Without starting services: Debian would have a freshly installed nginx take port 80.
_apt_install() (
  local policy=/usr/sbin/policy-rc.d log
  log=$(mktemp)
  trap 'rm -f "$log"' EXIT
  if [[ ! -e $policy ]]; then
    # shellcheck disable=SC2064 # the value of now
    trap "rm -f '$log'; as_root rm -f '$policy'" EXIT
    printf '#!/bin/sh\nexit 101\n' | as_root tee "$policy" >/dev/null
    as_root chmod 755 "$policy"
  fi
  if ! { as_root apt-get update && as_root env DEBIAN_FRONTEND=noninteractive \
    apt-get install -y --no-install-recommends "$@"; } >"$log" 2>&1 </dev/null; then
    tail -n 20 "$log" >&2
    return 1
  fi
)

# Print the path of an interpreter of a version such as 3.11. pyenv's shims exist for versions that do not run, and
# Debian's python3 cannot make virtual environments until python3-venv is there: so each is tried.
find_python() {
  local version=$1 candidate
  while read -r candidate; do
    if [[ -x $candidate ]] && "$candidate" -c \
      'import ensurepip, ssl, sys; sys.exit("%d.%d" % sys.version_info[:2] != sys.argv[1])' "$version" 2>/dev/null; then
      printf '%s\n' "$candidate"
      return
    fi
  done < <(
    printf '%s\n' "$PYENV_VERSIONS/$version".*/bin/"python$version" | sort -rV
    type -ap "python$version"
  )
  return 1
}

# The first of the given versions that this machine has.
first_python() {
  local version
  for version in "$@"; do
    find_python "$version" && return
  done
  return 1
}

# The newest ansible-core that runs on an interpreter of the version given, among those that are tested.
ansible_core_for() {
  case $1 in
    3.11) echo ansible-core==2.19.14 ;;
    *) echo ansible-core==2.21.5 ;;
  esac
}

# The lines of a requirements file, without comments and blanks.
requirements_of() { sed -e 's/#.*//; s/[[:space:]]*$//; /^$/d' "$1"; }

# venv PYTHON REQUIREMENT...: print the folder of a virtual environment with these requirements. It is kept under a hash
# of interpreter and requirements; one whose making was interrupted lacks the mark of completion and is made anew.
venv() {
  local python=$1 key folder
  shift
  key=$({ "$python" -c 'import sys; print(sys.version, sys.base_prefix)' && printf '%s\n' "$@"; } | sha256sum)
  folder=$CACHE/venv/${key:0:16}
  mkdir -p "$CACHE/venv"
  (
    flock 9
    if [[ ! -e $folder/complete ]] || ! "$folder/bin/python" -c '' 2>/dev/null; then
      _make_venv "$python" "$folder" "$@"
    fi
  ) 9>"$folder.lock" || return 1
  printf '%s\n' "$folder"
}

_make_venv() {
  local python=$1 folder=$2 log=$2.log
  shift 2
  rm -rf "$folder"
  # The lock must not outlive this shell in some process that a failed installation leaves behind.
  if ! { "$python" -m venv "$folder" && "$folder/bin/python" -m pip install --quiet "$@"; } >"$log" 2>&1 </dev/null 9>&-
  then
    say "No virtual environment with $*:"
    grep -v 'neither a file nor a directory' "$log" | tail -n 20 >&2
    return 1
  fi
  touch "$folder/complete"
  rm -f "$log"
}

# snapshot FOLDER: copy the checkout, as far as git tracks it or would, to a new folder.
snapshot() {
  local folder=$1
  mkdir -p "$folder"
  # The checkout may belong to somebody else than the root who runs this. A deleted file is still in git's list.
  (
    cd "$CHECKOUT"
    git -c safe.directory='*' ls-files -z --cached --others --exclude-standard |
      while IFS= read -r -d '' file; do
        if [[ -e $file || -L $file ]]; then printf '%s\0' "$file"; fi
      done | tar -c --no-recursion --null --files-from=-
  ) | tar -x -C "$folder"
}
