#!/usr/bin/env bash
# docker-compose.yml, run for real by a dockerd of the test's own: up, README's
# walk-through from the host, health, each service killed, down and up again.
# No registry is asked: debian and apache/kafka are stand-ins made here, the
# second one from Kafka's jars and our reading of that image's documentation.
# Once more with Compose v2, which is in Debian 13.
# What was made stays in deps/compose.  Prints TAP.
set -euo pipefail
cd "$(dirname "$0")/.."
root=$PWD
. script/lib.sh
. t/lib/debian.sh

kept=$(readlink -f deps)/compose     # dockerd takes no link

main() {
    local mirror
    [ "$(id -u)" -eq 0 ] || skip "dockerd wants root"
    mirror=$(debian_mirror)
    [ -n "$mirror" ] || skip "no Debian mirror among apt's sources"
    mkdir -p "$kept"
    exec 9> "$kept/lock"
    flock 9

    dir=$(mktemp -d "${TMPDIR:-/tmp}/warehouse-compose.XXXXXX")
    docker_pid=
    trap finish EXIT
    trap 'exit 130' INT TERM
    start_dockerd || skip "dockerd does not run here: $(tail -n 1 "$dir/dockerd.log")"
    read -r WAREHOUSE_PORT KAFKA_PORT < <(free_ports 2)
    export WAREHOUSE_PORT KAFKA_PORT
    debian=$(sed -n 's/^ARG DEBIAN=\(.*\)@sha256:.*/\1/p' Dockerfile)
    kafka=$(sed -n 's/^ *image: \(apache.*\)@sha256:.*/\1/p' docker-compose.yml)
    [ -n "$debian" ] && [ -n "$kafka" ]
    write_override
    url=http://127.0.0.1:$WAREHOUSE_PORT

    echo 1..16
    ok "a stand-in for debian" debian_image "$mirror"
    ok "a stand-in for apache/kafka" kafka_image
    compose down -v > /dev/null 2>&1 || true
    ok "the images are built" compose build
    ok "and are what they say" images
    ok "up, to the first command applied in a minute" up
    ok "README's walk-through" walk_through
    ok "health of every service" all_healthy
    ok "metrics, from inside alone" metrics
    for service in nginx consumer kafka; do
        ok "$service is killed and comes back" killed "$service"
    done
    ok "down and up, with the data" again
    ok "what an operator sees" logs
    ok "a volume of an older version" older
    ok "Compose v2, of Debian 13" install_v2
    ok "up with Compose v2, with the same data" up_v2
}

finish() {
    [ -z "$docker_pid" ] || {
        compose down -v > /dev/null 2>&1 || true
        stop_process "$docker_pid" TERM 30 > /dev/null
    }
    ! mountpoint -q "$dir/exec/netns/default" || umount "$dir/exec/netns/default"
    rm -rf --one-file-system "$dir"
}

start_dockerd() {
    dockerd --data-root "$kept/data" --exec-root "$dir/exec" --pidfile "$dir/pid" \
        -H "unix://$dir/socket" > "$dir/dockerd.log" 2>&1 9>&- &
    docker_pid=$!
    export DOCKER_HOST=unix://$dir/socket DOCKER_BUILDKIT=0 COMPOSE_DOCKER_CLI_BUILD=0
    wait_for 30 dockerd docker version > /dev/null
}

# Builds reach the packages' servers as this machine does, and begin with the
# stand-ins, which have no digest.
write_override() {
    cat > "$dir/build.yml" <<EOF
services:
  kafka: {image: "$kafka"}
  consumer: {build: {network: host, args: {DEBIAN: "$debian"}}}
  nginx: {build: {network: host, args: {DEBIAN: "$debian"}}}
EOF
}

compose() {
    docker-compose -p warehouse-test -f docker-compose.yml -f "$dir/build.yml" "$@"
}

debian_image() {
    tree=$kept/trixie
    [ -e "$tree" ] || make_tree trixie "$tree" "$1"
    copy_settings
    # as Debian's image has it: nothing that the next layer would keep
    echo 'Dir::Cache::pkgcache ""; Dir::Cache::srcpkgcache "";' > "$tree/etc/apt/apt.conf.d/docker-clean"
    docker image inspect "$debian" > /dev/null 2>&1 || tar -C "$tree" -c . | docker import - "$debian"
}

kafka_image() {
    mkdir -p "$dir/kafka/lib"
    cp t/compose/* "$dir/kafka/"
    cp deps/kafka/lib/*.jar "$dir/kafka/lib/"
    docker build --network host -q -t "$kafka" "$dir/kafka"
}

image() { docker image inspect -f "$2" "warehouse-test_$1"; }

images() {
    local service
    for service in consumer nginx; do
        echo "$service: $(($(image $service '{{.Size}}') / 1000000)) MB, of which the base $(($(docker image inspect -f '{{.Size}}' "$debian") / 1000000))"
        [[ $(image $service '{{.Config.User}}') == *:www-data ]]
        [ "$(image $service '{{index .Config.Labels "org.opencontainers.image.licenses"}}')" = BSD-2-Clause ]
        [ "$(image $service '{{len .Config.Healthcheck.Test}}')" -gt 0 ]
    done
}

post() { curl -fsS -m 20 "$url/commands" -H 'Content-Type: application/json' -d "$1"; }
items() { curl -fsS -m 20 "$url/items"; }
items_are() { [ "$(items)" = "$1" ]; }

up() {
    local begin=$SECONDS
    compose up -d
    wait_for 120 "nginx to take a command" post '{"action":"increase","sku":"SKU123","qty":10}'
    wait_for 60 "the item" items_are '[{"sku":"SKU123","qty":10}]'
    echo "$((SECONDS - begin)) s"
    [ $((SECONDS - begin)) -lt 60 ]
}

walk_through() {
    [ "$(post '{"action":"increase","sku":"SKU123","qty":10}')" = '{"status":"accepted"}' ]
    post '{"action":"decrease","sku":"SKU123","qty":4}'
    wait_for 30 "the items" items_are '[{"sku":"SKU123","qty":16}]'
    post '{"action":"decrease","sku":"SKU123","qty":100}'
    [ "$(curl -sS -o /dev/null -w '%{http_code}' "$url/commands" -H 'Content-Type: application/json' -d '{"action":"increase","sku":"SKU123","qty":-5}')" = 422 ]
    # from the host, as README has it
    kcat -b "127.0.0.1:$KAFKA_PORT" -C -t notifications -e -q > "$dir/notifications"
    cat "$dir/notifications"
    [ "$(wc -l < "$dir/notifications")" = 3 ]
    curl -fsS -m 20 -o /dev/null "$url/docs/"
    items_are '[{"sku":"SKU123","qty":16}]'
}

health() { docker inspect -f '{{.State.Health.Status}}' "$(compose ps -q "$1")"; }
healthy() { [ "$(health "$1")" = healthy ]; }

all_healthy() {
    local service
    for service in kafka consumer nginx; do
        wait_for 90 "$service to be healthy" healthy "$service"
    done
    compose ps
    curl -fsS -m 20 "$url/health/reads"
    curl -fsS -m 20 "$url/health/writes"
}

metrics() {
    local address
    address=$(docker inspect -f '{{range .NetworkSettings.Networks}}{{.IPAddress}}{{end}}' "$(compose ps -q nginx)")
    curl -fsS -m 20 "http://$address:9180/metrics" > "$dir/metrics"
    grep -E '^warehouse_(nginx_workers|consumer_state\{state="processing"\})' "$dir/metrics"
    deps/promtool/promtool check metrics < "$dir/metrics"
    [ "$(curl -sS -m 20 -o /dev/null -w '%{http_code}' "$url/metrics")" = 403 ]
    compose --profile monitoring config > "$dir/config"
    grep -c 'image: ' "$dir/config"
}

qty() { items | sed -n 's/.*"sku":"SKU123","qty":\([0-9]*\).*/\1/p'; }
qty_is() { [ "$(qty)" = "$1" ]; }
other_process() { [ "$(docker inspect -f '{{.State.Pid}}' "$1")" != "$2" ] && [ "$(docker inspect -f '{{.State.Running}}' "$1")" = true ]; }

# as an accident would: by the kernel, not by docker, which would not restart it
killed() {
    local container pid before
    container=$(compose ps -q "$1")
    pid=$(docker inspect -f '{{.State.Pid}}' "$container")
    before=$(qty)
    kill -KILL "$pid"
    wait_for 60 "$1 to be started again" other_process "$container" "$pid"
    wait_for 120 "a command to be taken" post '{"action":"increase","sku":"SKU123","qty":1}'
    wait_for 120 "its effect" qty_is $((before + 1))
    all_healthy
}

again() {
    local before
    before=$(items)
    compose down
    compose up -d
    wait_for 120 "the same items" items_are "$before"
    post '{"action":"increase","sku":"SKU456","qty":1}'
    wait_for 60 "another item" items_are "${before%]},{\"sku\":\"SKU456\",\"qty\":1}]"
    all_healthy
}

logs() {
    compose logs --no-color > "$dir/logs" 2>&1
    grep -E 'nginx_1 .*"POST /commands HTTP/1.1" 200' "$dir/logs" | head -n 2
    grep 'Processed and notified' "$dir/logs" | head -n 2
    ! grep -E '\[(emerg|alert|crit)\]' "$dir/logs"
}

database() { docker volume inspect -f '{{.Mountpoint}}' warehouse-test_database; }

# one of 0.1.0: version 2 of the schema
older() {
    local db before
    db=$(database)/warehouse.db
    before=$(items)
    compose stop nginx consumer
    sqlite3 "$db" "DELETE FROM meta WHERE name = 'min_reader'; DROP TABLE outcomes;
        ALTER TABLE keys DROP COLUMN expected_version;
        ALTER TABLE keys DROP COLUMN expected_qty; PRAGMA user_version = 2"
    compose up -d
    wait_for 120 "the same items" items_are "$before"
    post '{"action":"increase","sku":"SKU456","qty":1}'
    wait_for 60 "its effect" items_are "${before/\"SKU456\",\"qty\":1/\"SKU456\",\"qty\":2}"
    sqlite3 "$db" "PRAGMA user_version" | tee "$dir/version"
    [ "$(cat "$dir/version")" = 4 ]
    all_healthy
}

# in_v2 COMMAND...: in a Debian 13 that has more than the base image
in_v2() {
    mkdir -p "$kept/v2/upper" "$kept/v2/work" "$dir/v2"
    unshare --mount --propagation private -- bash -ec '
        mount -t overlay overlay -o "lowerdir=$1/trixie,upperdir=$1/v2/upper,workdir=$1/v2/work" "$2/v2"
        mkdir -p "$2/v2/source" "$2/v2/test"
        mount --bind "$3" "$2/v2/source"
        mount --bind "$2" "$2/v2/test"
        for folder in dev proc; do mount --rbind "/$folder" "$2/v2/$folder"; done
        exec chroot "$2/v2" env DOCKER_HOST=unix:///test/socket "${@:4}"' \
        bash "$kept" "$dir" "$root" "$@"
}

compose_v2() {
    in_v2 sh -c 'cd /source && exec docker-compose -p warehouse-test -f docker-compose.yml -f /test/build.yml "$@"' sh "$@"
}

install_v2() {
    in_v2 sh -c 'command -v docker-compose > /dev/null || { apt-get update -qq && apt-get install -y -qq --no-install-recommends docker-compose > /dev/null; }'
    compose_v2 version
    compose_v2 version | grep -q ' v\?2\.'
}

healthy_v2() { [ "$(compose_v2 ps --format '{{.Health}}' | sort | uniq -c | tr -s ' ')" = " 3 healthy" ]; }

# what v1 has built has another name
up_v2() {
    local before service
    before=$(items)
    compose down
    for service in consumer nginx; do
        docker tag "warehouse-test_$service" "warehouse-test-$service"
    done
    compose_v2 up -d --no-build
    wait_for 120 "the same items" items_are "$before"
    post '{"action":"increase","sku":"SKU789","qty":1}'
    wait_for 60 "another item" items_are "${before%]},{\"sku\":\"SKU789\",\"qty\":1}]"
    wait_for 90 "all to be healthy" healthy_v2
    compose_v2 ps
    compose_v2 down
}

main
