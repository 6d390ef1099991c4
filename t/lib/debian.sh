# Trees of Debian, made by debootstrap through the machine's own mirror: sourced.

# skip WHY...: a whole TAP that says so, with a test, or a run of it alone would
# look like one that lost its tests.
skip() {
    echo 1..1
    echo "ok 1 # SKIP $*"
    exit 0
}

# ok TITLE COMMAND...: what the command prints becomes comments; ends at a failure.
ok() {
    local title=$1 status
    number=$((${number:-0} + 1))
    shift
    set +e
    (set -e; "$@") < /dev/null 2>&1 | sed -u 's/^/# /;$a\'
    status=${PIPESTATUS[0]}
    set -e
    [ "$status" -eq 0 ] || echo -n "not "
    echo "ok $number - $title"
    [ "$status" -eq 0 ] || exit 1
}

# The mirror that the machine's packages come from; nothing if there is none.
debian_mirror() {
    local VERSION_CODENAME=
    . /etc/os-release
    apt-get indextargets --format '$(SITE)' 'Created-By: Packages' "Codename: $VERSION_CODENAME" | head -n 1
}

# make_tree CODENAME TREE MIRROR: nothing but the base, and where to get more.
make_tree() {
    local codename=$1 tree=$2 mirror=$3
    script/setup debootstrap
    [ -n "${http_proxy:-}" ] || eval "$(apt-config shell http_proxy Acquire::http::Proxy)"
    [ -z "${http_proxy:-}" ] || export http_proxy
    rm -rf --one-file-system "$tree.new"
    debootstrap --variant=minbase --include=ca-certificates --force-check-gpg \
        "$codename" "$tree.new" "$mirror" > "$tree.log" || { tail -n 20 "$tree.log"; return 1; }
    echo "deb $mirror $codename main" > "$tree.new/etc/apt/sources.list"
    mv "$tree.new" "$tree"
}

# What apt, Maven and pip of this machine need to reach their servers.
copy_settings() {
    local path
    for path in /etc/hosts /etc/resolv.conf /usr/local/share/ca-certificates /etc/pip.conf; do
        copy "$path" "$path"
    done
    for path in .config/pip .pip .m2/settings.xml .m2/settings-security.xml; do
        copy "$HOME/$path" "/root/$path"
    done
    apt-config dump | grep -E '^Acquire::(https?|Check|Retries|ForceIP)' > "$tree/etc/apt/apt.conf.d/machine" || true
    echo 'APT::Keep-Downloaded-Packages "false";' >> "$tree/etc/apt/apt.conf.d/machine"
    chroot "$tree" update-ca-certificates > /dev/null 2>&1
}

# copy FROM TO: nothing where there is nothing.
copy() {
    [ -e "$1" ] || return 0
    mkdir -p "$(dirname "$tree$2")"
    cp -rLT --remove-destination "$1" "$tree$2"
}
