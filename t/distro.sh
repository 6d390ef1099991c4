#!/usr/bin/env bash
# Runs script/test on the other release of Debian: 13 on a machine with 12, 12
# on one with 13.  debootstrap makes a tree of it through the machine's own
# mirror; it stays in deps/distro, so that only the first run takes long.
# DISTRO_WHAT: the arguments of script/test there, such as "-v t/e2e/keys.py";
# the default tests otherwise.  Prints TAP.
set -euo pipefail
cd "$(dirname "$0")/.."

skip() {
    echo "1..0 # SKIP $*"
    exit 0
}

# ok TITLE COMMAND...: what the command prints becomes comments.
ok() {
    local title=$1 status
    number=$((${number:-0} + 1))
    shift
    set +e
    (set -e; "$@") < /dev/null 2>&1 | sed -u 's/^/# /'
    status=${PIPESTATUS[0]}
    set -e
    [ "$status" -eq 0 ] || echo -n "not "
    echo "ok $number - $title"
    [ "$status" -eq 0 ] || exit 1
}

main() {
    local codename mirror
    [ ! -r /etc/os-release ] || . /etc/os-release
    case ${ID:-}-${VERSION_ID:-} in
        debian-12) codename=trixie ;;
        debian-13) codename=bookworm ;;
        *) skip "this is not Debian 12 or 13" ;;
    esac
    [ "$(id -u)" -eq 0 ] || skip "debootstrap wants root"
    unshare --mount --pid --fork true 2> /dev/null || skip "mounts cannot be made"
    mirror=$(apt-get indextargets --format '$(SITE)' 'Created-By: Packages' \
        "Codename: $VERSION_CODENAME" | head -n 1)
    [ -n "$mirror" ] || skip "no Debian $VERSION_CODENAME mirror among apt's sources"

    mkdir -p deps/distro
    exec 9> "deps/distro/$codename.lock"
    flock 9

    # mounts and processes of their own: nothing of either is left, whatever ends this
    exec setpriv --pdeathsig KILL -- unshare --mount --pid --fork --kill-child --mount-proc -- \
        "$0" --inside "$codename" "$mirror"
}

inside() {
    codename=$1 mirror=$2
    tree=$PWD/deps/distro/$codename
    read -ra what <<< "${DISTRO_WHAT:-}"

    echo 1..3
    [ -e "$tree" ] || ok "Debian $codename" make_tree
    [ -n "${number:-}" ] || ok "Debian $codename, made before" true
    copy_settings
    copy_source
    for folder in dev sys; do
        mount --rbind "/$folder" "$tree/$folder"
    done
    mount -t proc proc "$tree/proc"
    ok "script/setup" setup
    ok "script/test${what:+ ${what[*]}}" tests
}

make_tree() {
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

# All is built anew, but what script/setup fetches is kept.
copy_source() {
    mkdir -p "$tree/warehouse"
    find "$tree/warehouse" "$tree/tmp" -mindepth 1 -maxdepth 1 ! -path "$tree/warehouse/deps" \
        -exec rm -rf --one-file-system {} +
    git ls-files -z | tar --null -T - -c | tar -x --no-same-owner -C "$tree/warehouse"
}

in_tree() {
    local passed
    mapfile -d '' passed < <(env -0 |
        grep -zE '^(https?_proxy|HTTPS?_PROXY|no_proxy|NO_PROXY|PIP_|MAVEN_|FAULT_(SEED|LONG)=)')
    chroot "$tree" /usr/bin/env -i -C /warehouse HOME=/root LANG=C.UTF-8 \
        PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin \
        "${passed[@]}" "$@"
}

setup() {
    in_tree dpkg --configure -a         # a run that was killed may have left it half done
    in_tree script/setup
}

tests() {
    in_tree sh -c 'gcc --version | head -n 1; clang --version | head -n 1; java --version | head -n 1
        dpkg-query -W -f "\${Package} \${Version}\n" nginx librdkafka1 libsqlite3-0'
    in_tree script/test "${what[@]}"
}

if [ "${1:-}" = --inside ]; then
    shift
    inside "$@"
else
    main
fi
