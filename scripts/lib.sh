# Functions shared by the scripts. Sourced, not run.

# Prints a progress message.
say() { printf '==> %s\n' "$*" >&2; }

# Prints an error and its hints, and exits with 1.
die() {
    printf 'error: %s\n' "$1" >&2
    shift
    for line in "$@"; do printf '  %s\n' "$line" >&2; done
    exit 1
}

# Installs packages whose services do not start: they would take ports (Prometheus, PostgreSQL, nginx), and a start that
# fails, as in a container, would make the installation fail. Debian asks policy-rc.d; an existing one stays as it is.
INSTALL_WITHOUT_STARTING='
policy=/usr/sbin/policy-rc.d
if [ ! -e "$policy" ]; then
    trap "rm -f $policy" EXIT
    trap "exit 130" INT
    trap "exit 143" HUP TERM
    printf "#!/bin/sh\nexit 101\n" >"$policy" && chmod 755 "$policy" || exit 1
fi
apt-get install -y -q --no-install-recommends "$@"
'

# Installs missing Debian packages as root, or with sudo where it needs no password. Otherwise prints the command and fails.
need_packages() {
    local missing=() package
    for package in "$@"; do
        dpkg-query -W -f '${Status}' "$package" 2>/dev/null | grep -q 'install ok installed' || missing+=("$package")
    done
    [ ${#missing[@]} -gt 0 ] || return 0
    command -v apt-get >/dev/null || die "these packages are missing: ${missing[*]}" \
        "this system has no apt-get: install nginx, uWSGI with its Python plugin, and Flask by its own means"
    local root=()
    if [ "$(id -u)" -ne 0 ]; then
        if command -v sudo >/dev/null && sudo -n true 2>/dev/null; then
            root=(sudo -n)
        else
            die "these packages are missing: ${missing[*]}" "run: sudo apt-get install ${missing[*]}"
        fi
    fi
    say "installing ${missing[*]}"
    "${root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get update -q >/dev/null ||
        die "apt-get update failed" "see its messages above; is there a network?"
    "${root[@]}" env DEBIAN_FRONTEND=noninteractive sh -c "$INSTALL_WITHOUT_STARTING" sh "${missing[@]}" >/dev/null ||
        die "apt-get could not install ${missing[*]}" "see its messages above"
}

# Fails with a hint when cargo is missing; installs a C compiler where there is none, because linking needs it.
need_cargo() {
    command -v cargo >/dev/null || die "cargo is missing" "get it from https://rustup.rs, version 1.88 or later"
    command -v cc >/dev/null || need_packages gcc libc6-dev
}

# The programs that the launcher runs.
RUN_PACKAGES=(nginx-light uwsgi-core uwsgi-plugin-python3 python3-flask)

# What the tests need beside them.
TEST_PACKAGES=(curl python3-venv postgresql redis-server prometheus)

# What the tests of the status page need: a browser, and what drives it.
BROWSER_PACKAGES=(chromium nodejs)

# The programs that build and run images. runc is for machines without cgroup v2, where crun does not work.
CONTAINER_PACKAGES=(podman runc netavark aardvark-dns iptables)

# Installs uWSGI from PyPI, which has Python built in, into a virtual environment below .cache; prints its path.
pypi_uwsgi() {
    local venv=.cache/pyuwsgi
    if [ ! -x "$venv/bin/uwsgi" ]; then
        /usr/bin/python3 -m venv "$venv" >&2
        "$venv/bin/pip" install --quiet pyuwsgi flask >&2 || die "pip could not install pyuwsgi" "see its messages above"
    fi
    printf '%s\n' "$PWD/$venv/bin/uwsgi"
}

# Installs the tools of supply/requirements.txt into a virtual environment below .cache; prints its folder of programs.
supply_tools() {
    local venv=.cache/supply wanted
    wanted=$(sha256sum <supply/requirements.txt)
    if [ "$(cat "$venv/installed" 2>/dev/null)" != "$wanted" ]; then
        rm -rf "$venv"
        /usr/bin/python3 -m venv "$venv" >&2
        "$venv/bin/pip" install --quiet --require-hashes --requirement supply/requirements.txt >&2 ||
            die "pip could not install supply/requirements.txt" "see its messages above"
        printf '%s\n' "$wanted" >"$venv/installed"
    fi
    printf '%s\n' "$PWD/$venv/bin"
}
