#!/usr/bin/env bash
# The Debian packages, on Debian 12 and 13: built, checked by lintian, installed,
# upgraded, removed and purged, with nginx and the daemon really running in
# trees that debootstrap makes; and the module built for an upstream nginx that
# was configured --with-compat.  Trees stay in deps/packages, so that only the first
# run takes long.  Prints TAP.
set -euo pipefail
cd "$(dirname "$0")/.."

. t/lib/debian.sh
. script/lib.sh

codenames=(bookworm trixie)
tests=10                       # of each

main() {
    local mirror
    [ "$(id -u)" -eq 0 ] || skip "debootstrap wants root"
    unshare --mount --pid --fork true 2> /dev/null || skip "mounts cannot be made"
    mirror=$(debian_mirror)
    [ -n "$mirror" ] || skip "no Debian mirror among apt's sources"

    mkdir -p deps/packages
    exec 9> deps/packages/lock
    flock 9

    # mounts and processes of their own: nothing of either is left, whatever ends this
    exec setpriv --pdeathsig KILL -- unshare --mount --pid --fork --kill-child --mount-proc -- \
        "$0" --inside "$mirror"
}

inside() {
    local codename
    mirror=$1
    work=$PWD/deps/packages
    echo "1..$((tests * ${#codenames[@]}))"
    for codename in "${codenames[@]}"; do
        read -r port < <(free_ports 1)
        number=$((tests * n++))
        packages
    done
}
n=0

packages() {
    base=$work/$codename
    version=$(sed -n '1s/.*(\(.*\)).*/\1/p' debian/changelog)
    tree=$work/tree
    # overlays want two folders of one file system; a mount is in nobody's way later
    mkdir -p "$tree" "$work/layers"
    ok "$codename: a tree" made
    mount -t tmpfs layers "$work/layers"
    ok "$codename: a step that fails in its middle is seen" sees_failure
    ok "$codename: the packages are built" in_layer build
    ok "$codename: lintian has nothing to say" in_layer lintian_clean
    ok "$codename: the module is built for nginx's own tree, --with-compat" in_layer upstream
    ok "$codename: installed" in_clean install
    ok "$codename: nginx and daemon run, with the walk-through" in_clean walk_through
    ok "$codename: an upgrade keeps configuration and data" in_clean upgrade
    ok "$codename: removed" in_clean remove
    ok "$codename: purged" in_clean purge
    umount -l "$work/layers"
}

made() {
    [ -e "$base" ] || make_tree "$codename" "$base" "$mirror"
    tree=$base copy_settings
    sed -n 's/^deb /deb-src /p' "$base/etc/apt/sources.list" > "$base/etc/apt/sources.list.d/source.list"
    printf '#!/bin/sh\nexit 101\n' > "$base/usr/sbin/policy-rc.d"
    chmod 755 "$base/usr/sbin/policy-rc.d"
}

# in_layer COMMAND...: in a tree to build in, which keeps what was installed
in_layer() { layered "$work/build-$codename" "$@"; }

# in_clean COMMAND...: in one that is lost at the end, and has nothing but the base
in_clean() { layered "$work/layers/$codename" "$@"; }

layered() {
    local layer=$1
    shift
    mkdir -p "$layer/upper" "$layer/work"
    mount -t overlay overlay -o "lowerdir=$base,upperdir=$layer/upper,workdir=$layer/work" "$tree"
    for folder in dev sys; do
        mount --rbind "/$folder" "$tree/$folder"
    done
    mount -t proc proc "$tree/proc"
    local status
    strictly "$@"
    umount -lR "$tree"
    return $status
}

# strictly COMMAND...: until something fails; its status is in $status.  In a
# condition, or before ||, a shell would go on behind what fails.
strictly() {
    set +e
    (set -e; "$@")
    status=$?
    set -e
}

sees_failure() {
    local status
    strictly in_layer fails
    [ "$status" -eq 1 ]
}

fails() {
    false
    echo "this is never reached"
}

in_tree() {
    local passed
    mapfile -d '' passed < <(env -0 | grep -zE '^(https?_proxy|HTTPS?_PROXY|no_proxy|NO_PROXY)')
    chroot "$tree" /usr/bin/env -i -C / HOME=/root LANG=C.UTF-8 DEBIAN_FRONTEND=noninteractive \
        PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin "${passed[@]}" "$@"
}

apt_install() { in_tree apt-get install -y -qq --no-install-recommends "$@" > /dev/null; }

build() {
    local folder=$tree/warehouse/source
    rm -rf "$tree/warehouse"
    mkdir -p "$folder"
    git ls-files -z | tar --null -T - -c | tar -x --no-same-owner -C "$folder"
    [ ! -e deps/swagger-ui ] || { mkdir "$folder/deps"; cp -r deps/swagger-ui "$folder/deps/"; }
    in_tree apt-get update -qq
    apt_install build-essential fakeroot lintian devscripts
    in_tree sh -c 'cd /warehouse/source && apt-get build-dep -y -qq --no-install-recommends ./ > /dev/null'
    in_tree sh -c 'cd /warehouse/source && dpkg-buildpackage -us -uc -b > ../log 2>&1 || { tail -n 40 ../log; exit 1; }'
    rm -rf "$work/debs-$codename"
    mkdir "$work/debs-$codename"
    cp "$tree"/warehouse/*.deb "$work/debs-$codename/"
    (cd "$work/debs-$codename" && ls -s -- *.deb)
    for deb in warehouse-consumer libnginx-mod-http-warehouse; do
        dpkg-deb -f "$work/debs-$codename/${deb}_${version}"_*.deb Package Version Depends
    done
    dpkg-deb -f "$work/debs-$codename"/libnginx-mod-http-warehouse_*.deb Depends | grep -q nginx-abi-
    for file in usr/bin/warehouse-consumer usr/lib/nginx/modules/ngx_http_warehouse_module.so; do
        in_tree sh -c "hardening-check /warehouse/source/debian/*/$file" > "$work/hardening" || true
        cat "$work/hardening"
        for what in "Stack protected" "Fortify Source functions" "Read-only relocations" "Immediate binding"; do
            is "$(grep -c "^ $what: yes" "$work/hardening")" "$(grep -c '^/' "$work/hardening")"
        done
        what=" Position Independent Executable"
        case $file in
            *.so) grep -q "^$what: no, regular shared library" "$work/hardening" ;;
            *) grep -q "^$what: yes" "$work/hardening" ;;
        esac
    done
}

lintian_clean() {
    in_tree lintian --allow-root --fail-on error,warning --info \
        --suppress-tags-from-file /warehouse/source/debian/lintian-not-ours -- \
        "/warehouse/warehouse_${version}_$(dpkg --print-architecture).changes"
}

# As upstream's tarball has it, built and run from its own folder.
upstream() {
    in_tree sh -ec '
        cd /warehouse
        rm -rf upstream && mkdir upstream && cd upstream
        apt-get source -qq --download-only --tar-only nginx > /dev/null
        mkdir nginx && tar -x -C nginx --strip-components=1 -f nginx_*.orig.tar.*
        cd nginx
        ./configure --with-compat --with-threads --prefix=/warehouse/upstream/run > ../configure.log
        make -j2 > ../make.log 2>&1 && make install > /dev/null
        cd /warehouse/source
        make -s module BUILD=/warehouse/upstream/build NGINX_SRC=/warehouse/upstream/nginx
        cd /warehouse/upstream/run
        echo "load_module /warehouse/upstream/build/ngx_http_warehouse_module.so;
              events { } http { warehouse_kafka bootstrap.servers '"$KAFKA_BOOTSTRAP_SERVERS"';
              server { listen 127.0.0.1:'"$port"';
                       location /commands { warehouse_commands commands-none; }
                       location /health/writes { warehouse_health writes; } } }" > conf/nginx.conf
        sbin/nginx -v
        sbin/nginx -t
        sbin/nginx'
    url=http://127.0.0.1:$port
    # the brokers answer, and have no such topic
    wait_for 30 "the brokers" curl -fs -m 5 -o /dev/null "$url/health/writes"
    is "$(posted '{"action":"increase","sku":"A","qty":-1}')" 422
    is "$(posted '{"action":"increase","sku":"A","qty":1}')" 503
    stop_process "$(cat "$tree/warehouse/upstream/run/logs/nginx.pid")" QUIT 15
    grep -q 'topic "commands-none": ' "$tree/warehouse/upstream/run/logs/error.log"
}

# posted COMMAND: the status of the answer
posted() { curl -sS -m 20 -o /dev/null -w '%{http_code}' "$url/commands" -H 'Content-Type: application/json' -d "$1"; }

install() {
    in_tree apt-get update -qq
    mkdir "$tree/debs"
    cp "$work/debs-$codename"/*.deb "$tree/debs/"
    in_tree sh -c 'apt-get install -y -qq --no-install-recommends nginx curl sqlite3 /debs/warehouse-consumer_*.deb /debs/libnginx-mod-http-warehouse_*.deb > /dev/null'
    in_tree dpkg-query -W -f '${Package} ${Version} ${db:Status-Status}\n' warehouse-consumer libnginx-mod-http-warehouse nginx
    in_tree ls -l /etc/nginx/modules-enabled/
    in_tree test -e /etc/nginx/modules-enabled/50-mod-http-warehouse.conf    # a link within the tree
    in_tree nginx -t
    is "$(in_tree stat -c '%U:%G %a' /var/lib/warehouse)" "warehouse:www-data 2750"
    is "$(in_tree stat -c '%U:%G %a' /etc/warehouse/consumer.conf)" "root:warehouse 640"
    in_tree warehouse-consumer -t
    in_tree test -e /usr/share/man/man8/warehouse-consumer.8.gz
    in_tree test -e /usr/share/man/man5/warehouse-consumer.conf.5.gz
    in_tree test -e /usr/share/man/man5/ngx_http_warehouse_module.5.gz
    find "$tree/lib/systemd" "$tree/usr/lib/systemd" -name warehouse-consumer.service | grep -q .
}

is() {
    [ "$1" = "$2" ] || { echo "got \"$1\", not \"$2\""; return 1; }
}

# the operator's part: brokers, and the locations
walk_through() {
    sed -i "s|^kafka.bootstrap.servers = .*|kafka.bootstrap.servers = $KAFKA_BOOTSTRAP_SERVERS|
            s|^commands_topic = .*|commands_topic = commands-$codename|
            s|^notifications_topic = .*|notifications_topic = notifications-$codename|
            \$a group_id = packages-$codename" "$tree/etc/warehouse/consumer.conf"
    rm -f "$tree/etc/nginx/sites-enabled/default"
    sed -n '/^    server {/,/^    }/p' "$tree/usr/share/doc/libnginx-mod-http-warehouse/examples/nginx.conf" |
        sed "s|listen 8000 |listen 127.0.0.1:$port |
             s|warehouse_commands commands|warehouse_commands commands-$codename|" \
            > "$tree/etc/nginx/conf.d/warehouse.conf"
    echo "warehouse_kafka bootstrap.servers $KAFKA_BOOTSTRAP_SERVERS;" >> "$tree/etc/nginx/conf.d/warehouse.conf"
    running
    url=http://127.0.0.1:$port
    post '{"action":"increase","sku":"SKU123","qty":10}'
    post '{"action":"increase","sku":"SKU123","qty":10}'
    is "$(post '{"action":"decrease","sku":"SKU123","qty":4}')" '{"status":"applied","sku":"SKU123","stock":16,"version":3}'
    is "$(curl -fsS -m 10 "$url/items")" '[{"sku":"SKU123","qty":16}]'
    grep -q '<title>Warehouse</title>' <<< "$(curl -fsS -m 10 "$url/")"
    grep -q '^openapi: 3.1' <<< "$(curl -fsS -m 10 "$url/docs/openapi.yaml")"
    stopped
}

post() { curl -fsS -m 20 "$url/commands" -H 'Content-Type: application/json' -H 'Prefer: wait=10' -d "$1"; }

# what systemd would start, which does not run here
running() {
    (cd / && exec setsid chroot --userspec=warehouse:warehouse "$tree" /usr/bin/warehouse-consumer) \
        >> "$work/consumer.log" 2>&1 9>&- &
    consumer_pid=$!
    in_tree nginx
    url=http://127.0.0.1:$port
    wait_for 60 "the daemon and nginx" curl -fs -m 5 -o /dev/null "$url/health/reads" || { tail "$work/consumer.log"; return 1; }
    wait_for 30 "the brokers" curl -fs -m 5 -o /dev/null "$url/health/writes"
    in_tree warehouse-consumer doctor
    is "$(in_tree stat -c '%U:%G %a' /var/lib/warehouse/warehouse.db)" "warehouse:www-data 640"
}

stopped() {
    stop_process "$(cat "$tree/run/nginx.pid")" QUIT 15
    stop_process "$consumer_pid" TERM 15
}

# The same with a higher version, as a release after this one would come.
upgrade() {
    local deb
    for deb in "$tree"/debs/*.deb; do
        dpkg-deb -R "$deb" "$tree/debs/new"
        sed -i "s/^Version: .*/Version: $version+1/; s/(= $version)/(= $version+1)/" "$tree/debs/new/DEBIAN/control"
        dpkg-deb -b "$tree/debs/new" "${deb%.deb}+1.deb" > /dev/null
        rm -r "$tree/debs/new"
    done
    in_tree sh -c 'apt-get install -y -qq /debs/warehouse-consumer_*+1.deb /debs/libnginx-mod-http-warehouse_*+1.deb > /dev/null'
    is "$(in_tree dpkg-query -W -f '${Version}' warehouse-consumer)" "$version+1"
    is "$(in_tree stat -c '%U:%G %a' /etc/warehouse/consumer.conf)" "root:warehouse 640"
    grep -q "packages-$codename" "$tree/etc/warehouse/consumer.conf"
    running
    is "$(curl -fsS -m 10 "$url/items")" '[{"sku":"SKU123","qty":16}]'
    is "$(post '{"action":"increase","sku":"SKU123","qty":1}')" '{"status":"applied","sku":"SKU123","stock":17,"version":4}'
    stopped
}

remove() {
    rm "$tree/etc/nginx/conf.d/warehouse.conf"
    in_tree apt-get remove -y -qq warehouse-consumer libnginx-mod-http-warehouse > /dev/null
    in_tree nginx -t
    [ ! -L "$tree/etc/nginx/modules-enabled/50-mod-http-warehouse.conf" ]
    [ ! -e "$tree/usr/bin/warehouse-consumer" ]
    [ -e "$tree/etc/warehouse/consumer.conf" ]
    [ -e "$tree/var/lib/warehouse/warehouse.db" ]
}

purge() {
    in_tree apt-get purge -y -qq warehouse-consumer libnginx-mod-http-warehouse > /dev/null
    [ ! -e "$tree/etc/warehouse" ]
    [ ! -e "$tree/var/lib/warehouse" ]
    [ -z "$(in_tree dpkg-query -W -f '${Package}\n' warehouse-consumer libnginx-mod-http-warehouse 2> /dev/null)" ]
}

if [ "${1:-}" = --inside ]; then
    shift
    inside "$@"
else
    main
fi
