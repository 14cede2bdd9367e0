#!/bin/sh
# The set-up behind `make setup`: Python, Java, .venv from conf/constraints.txt, the jars Spark lacks.
# Safe to run again: each step looks first. Installs system packages only as root on Debian or Ubuntu.
set -eu
cd "$(dirname "$0")/.."

say() { printf 'setup: %s\n' "$*" >&2; }
fail() { printf 'setup: %s\n' "$*" >&2; exit 1; }

may_apt() { [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null 2>&1; }
apt_updated=
apt_install() {
    [ -n "$apt_updated" ] || apt-get update -qq >/dev/null 2>&1 || say "apt-get update failed, trying with the old lists"
    apt_updated=yes
    say "installs $*"
    DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "$@" >/dev/null 2>&1
}

fits() { "$1" -c 'import sys; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1; }
find_python() {
    for candidate in ${PYTHON:-} python3 python3.13 python3.12 python3.11 python; do
        if fits "$candidate"; then echo "$candidate"; return; fi
    done
    return 1
}

# With it, venv can put pip into the new environment; Debian keeps it in a package of its own.
has_venv() { "$1" -c 'import ensurepip, venv' >/dev/null 2>&1; }

make_venv() {
    python=$(find_python) || {
        may_apt && apt_install python3 python3-venv && python=$(find_python) ||
            fail "Python: 3.11 or later is needed, and none was found. Install one, or name it: make setup PYTHON=/path/to/python3"
    }
    has_venv "$python" || {
        package="python$("$python" -c 'import sys; print("%d.%d" % sys.version_info[:2])')-venv"
        may_apt && apt_install "$package" && has_venv "$python" ||
            fail "Python: its venv module is missing. Install it: sudo apt-get install $package"
    }
    if [ ! -x .venv/bin/python ] || ! fits .venv/bin/python; then
        rm -rf .venv
        "$python" -m venv .venv
    fi
}

install_packages() {
    export PIP_DISABLE_PIP_VERSION_CHECK=1
    say "installs the pinned packages into .venv (the first time two to four minutes)"
    log=.venv/setup.log
    {
        .venv/bin/python -m pip install --quiet --constraint conf/constraints.txt setuptools &&
        .venv/bin/python -m pip install --constraint conf/constraints.txt --no-build-isolation --editable '.[all,dev]'
    } >"$log" 2>&1 || { tail -n 3 "$log" >&2; fail "pip could not install the packages; all it said is in $log"; }
}

require_java() {
    find_java() { .venv/bin/python -m mesh_catalog.lake.java; }
    find_java >/dev/null 2>&1 && return
    if may_apt; then
        apt_install openjdk-17-jre-headless || apt_install openjdk-21-jre-headless || true
    fi
    find_java >/dev/null || exit 1
}

make_venv
require_java
install_packages
say "fetches the jars of Delta and OpenLineage and makes the class archive, where they are not there yet (half a minute)"
MESH_CACHE="${MESH_CACHE:-$PWD/.cache}" .venv/bin/python -m mesh_catalog.lake.jars
say "ready: Java in $(.venv/bin/python -m mesh_catalog.lake.java), commands in .venv/bin (mesh, spark-submit)"
