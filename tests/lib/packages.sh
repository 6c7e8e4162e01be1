# tests/lib/packages.sh - the one list of Debian packages, and how a missing one is installed.
# Sourced by ./run and ./test; nothing else names a package. Versions are those of Debian 12.

# What compiling klamm and its tools takes.
packages_build='gcc libc6-dev meson ninja-build pkg-config python3
    liburing-dev libisal-dev libzstd-dev liblz4-dev libsnappy-dev zlib1g-dev
    libjansson-dev libmicrohttpd-dev libpcre2-dev librdkafka-dev'

# What ./test takes on top. Java, Maven and Python clients are used where they are there already.
packages_test='libcriterion-dev libasan8 libubsan1 kcat iproute2 procps'

# packages_missing PACKAGE...: prints those that dpkg does not hold as installed, one a line.
packages_missing() {
    local package
    for package in "$@"; do
        [ "$(dpkg-query -W -f='${db:Status-Status}' "$package" 2>/dev/null)" = installed ] ||
            echo "$package"
    done
}

# packages_need MAY_INSTALL PACKAGE...: returns when all are there. What is missing is named and then
# installed; with MAY_INSTALL=no, or without the right to install, it is named and the script ends with 1.
packages_need() {
    local may_install=$1 missing as_root=''
    shift
    if ! command -v dpkg-query >/dev/null; then
        echo "note: no dpkg here, so packages are not checked; needed (Debian names):" $* >&2
        return 0
    fi
    missing=$(packages_missing "$@")
    [ -n "$missing" ] || return 0
    if [ "$may_install" = no ]; then
        echo "missing packages:" $missing >&2
        echo "install them with: apt-get install" $missing >&2
        exit 1
    fi
    if [ "$(id -u)" != 0 ]; then
        if ! command -v sudo >/dev/null; then
            echo "missing packages:" $missing >&2
            echo "installing them takes root or sudo: apt-get install" $missing >&2
            exit 1
        fi
        as_root='sudo'
    fi
    echo "installing:" $missing >&2
    # A fresh machine has no package lists, an old one stale ones: only then are they fetched.
    if apt-get -qq --simulate install $missing >/dev/null 2>&1; then
        packages_install "$as_root" $missing && return 0
    fi
    $as_root apt-get -qq update >&2
    packages_install "$as_root" $missing
}

packages_install() { # what apt says is shown when it failed
    local as_root=$1 said
    shift
    said=$($as_root env DEBIAN_FRONTEND=noninteractive \
        apt-get -qq -y --no-install-recommends install "$@" </dev/null 2>&1) && return
    printf '%s\n' "$said" >&2
    return 1
}
