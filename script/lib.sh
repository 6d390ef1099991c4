# Shared by the scripts: sourced, not run.

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
