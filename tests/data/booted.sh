#!/bin/bash
# What a newcomer does on a host with systemd, and what a bad day does to it. Runs in the container that tests/booted.rs
# boots, writes a line for each step, and turns the container off.
cd /source || exit 1
server=http://127.0.0.1:8000

step() { # NAME COMMAND...
    local name=$1
    shift
    if "$@" >/source/step.log 2>&1; then echo "ok $name"; else
        echo "FAILED $name"
        cat /source/step.log
        journalctl -u pixeld --no-pager | tail -n 20
    fi
}

main_process() { systemctl show -p MainPID --value pixeld; }
post() { curl -sf -H 'Content-Type: application/json' -d '{"x":1,"y":2,"channel":"R","value":3}' $server/pixel; }
count() { curl -sf $server/pixels/count | grep -o '[0-9]*'; }
# until COMMAND...: within half a minute.
until_true() { for _ in $(seq 150); do "$@" && return; sleep 0.2; done; return 1; }
moved_on() { [ "$(main_process)" != "$1" ] && [ "$(main_process)" != 0 ] && post; }

is_confined() {
    local status
    status=/proc/$(main_process)/status
    grep -q '^NoNewPrivs:\s*1' "$status" && grep -q '^CapEff:\s*0*$' "$status" && grep -q '^Seccomp:\s*2' "$status"
}

# A decoder is a process of its own, which the sandbox must let start, confine itself and work.
makes_a_thumbnail() {
    local picture=iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg== id
    id=$(curl -sf -H 'Content-Type: image/png' --data-binary $picture $server/images | grep -o '[0-9a-f-]\{36\}')
    curl -s "$server/images/$id" | grep Completed
}

# ten VERB: so many under load, each after a second of it; a failed request ends the load with another code.
ten() {
    pixeld bench $server/pixel -c 16 -d 40s --json /source/load.json >/source/load.log 2>&1 &
    local load=$! before
    for _ in $(seq 10); do
        sleep 1
        before=$(main_process)
        systemctl "$1" pixeld || return 1
        until_true moved_on "$before" || return 1
    done
    wait $load
    cat /source/load.log
    grep -q '^  "errors": 0,$' /source/load.json
}

is_restarted_by_watchdog() {
    local before
    before=$(main_process)
    kill -STOP "$before"
    for _ in $(seq 60); do moved_on "$before" && return; sleep 1; done
    return 1
}

keeps_its_writes() {
    local before
    before=$(count)
    systemctl kill -s KILL pixeld
    until_true post && [ "$(count)" -gt "$before" ]
}

serves_by_its_socket() {
    systemctl stop pixeld && systemctl enable --now pixeld.socket && post && systemctl is-active pixeld
}

is_gone() { scripts/uninstall && ! systemctl is-active pixeld && [ -d /var/lib/pixeld ]; }

step install scripts/install --program /source/pixeld
step write until_true post
step confined is_confined
step thumbnail makes_a_thumbnail
step reload ten reload
step restart ten restart
step watchdog is_restarted_by_watchdog
step kill keeps_its_writes
step socket serves_by_its_socket
step restart-with-socket ten restart
step upgrade scripts/install --program /source/pixeld
step uninstall is_gone
poweroff
