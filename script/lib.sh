# Shared by the scripts: sourced, not run.

MAKEFLAGS=-j$(nproc)
export MAKEFLAGS

# wait_for SECONDS WHAT COMMAND...: until the command succeeds; says what it
# waits for when that takes more than a second.
wait_for() {
    local seconds=$1 what=$2 said= deadline
    shift 2
    deadline=$((SECONDS + seconds))
    until "$@" > /dev/null 2>&1; do
        if [ $SECONDS -ge $deadline ]; then
            echo "gave up waiting for $what after $seconds s" >&2
            return 1
        fi
        if [ -z "$said" ] && [ $((deadline - SECONDS)) -lt "$seconds" ]; then
            said=1
            echo "waiting for $what"
        fi
        sleep 0.1
    done
}

# runs PID: whether the process is there (a zombie is not).
runs() {
    local state
    state=$(sed -n 's/^State:[[:space:]]*\(.\).*/\1/p' "/proc/$1/status" 2> /dev/null) || return 1
    [ -n "$state" ] && [ "$state" != Z ]
}

gone() {
    ! runs "$1"
}

# stop_process PID SIGNAL SECONDS: asks, waits, then insists.
stop_process() {
    local pid=$1 signal=$2 seconds=$3
    [ -n "$pid" ] && runs "$pid" || return 0
    kill -s "$signal" "$pid" 2> /dev/null || return 0
    wait_for "$seconds" "process $pid to stop" gone "$pid" || kill -s KILL "$pid" 2> /dev/null || true
}

# free_ports N: N ports of loopback that nobody listens on, below the range
# that outgoing connections take theirs from.
free_ports() {
    /usr/bin/python3 - "$1" <<'EOF'
import random, socket, sys
sockets = []
while len(sockets) < int(sys.argv[1]):
    s = socket.socket()
    try:
        s.bind(("127.0.0.1", random.randrange(20000, 32000)))
        sockets.append(s)
    except OSError:
        pass
print(*[s.getsockname()[1] for s in sockets])
EOF
}

# A folder, ports and variables for tests and benchmarks; all of it goes when
# the script ends.  Wants $root.
test_environment() {
    dir=$(mktemp -d "${TMPDIR:-/tmp}/warehouse-test.XXXXXX")
    chmod 755 "$dir"
    kafka_pid=
    trap 'stop_process "$kafka_pid" KILL 10 > /dev/null; rm -rf "$dir"' EXIT
    trap 'exit 130' INT TERM

    mkdir "$dir/ports"
    read -r kafka_port controller_port < <(free_ports 2)

    export PATH=$root/deps/python/bin:$root/deps/promtool:$PATH:/usr/sbin
    export PYTHONPATH=$root/t/lib PYTHONDONTWRITEBYTECODE=1 PERL5LIB=$root/t/lib
    export CMOCKA_MESSAGE_OUTPUT=TAP
    export WAREHOUSE_ROOT=$root WAREHOUSE_TEST_DIR=$dir
    export WAREHOUSE_BUILD=${WAREHOUSE_BUILD:-$root/build}
    TEST_NGINX_BINARY=$(command -v nginx)
    export TEST_NGINX_BINARY
    export TEST_NGINX_WAREHOUSE_MODULE=$WAREHOUSE_BUILD/ngx_http_warehouse_module.so
}

# The broker that they share.
test_broker() {
    export TEST_NGINX_KAFKA=127.0.0.1:$kafka_port
    export KAFKA_BOOTSTRAP_SERVERS=$TEST_NGINX_KAFKA
    export KAFKA_FORMATTED=$dir/kafka-formatted
    setsid "$root/script/kafka" run "$dir/kafka" "$kafka_port" "$controller_port" \
        > "$dir/kafka.log" 2>&1 &
    kafka_pid=$!
    disown
    wait_for 60 "the broker" timeout 5 kcat -b "$KAFKA_BOOTSTRAP_SERVERS" -L
}
