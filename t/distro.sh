#!/usr/bin/env bash
# Runs script/test on the other release of Debian: 13 on a machine with 12, 12
# on one with 13.  debootstrap makes a tree of it through the machine's own
# mirror; it stays in deps/distro, so that only the first run takes long.
# DISTRO_WHAT: the arguments of script/test there, such as "-v t/e2e/keys.py";
# the default tests otherwise.  Prints TAP.
set -euo pipefail
cd "$(dirname "$0")/.."

. t/lib/debian.sh

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
    mirror=$(debian_mirror)
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
    [ -e "$tree" ] || ok "Debian $codename" make_tree "$codename" "$tree" "$mirror"
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
