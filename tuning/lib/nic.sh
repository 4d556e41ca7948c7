# shellcheck shell=bash
# Knobs of one network card: queues, interrupts, offloads, queueing discipline. Sourced by `tune`.
# Under TUNE_ROOT, ethtool and tc are those in its bin; the machine's own are never run.
# shellcheck disable=SC2154 # root, here, profile and nic are set by tune

# tool NAME ARGUMENTS...: ethtool or tc, if there is one.
tool() {
    local name=$1
    shift
    if [ -n "$root" ]; then
        [ -x "$root/bin/$name" ] && "$root/bin/$name" "$@"
    else
        command -v "$name" >/dev/null && "$name" "$@"
    fi
}

# channels_of SECTION: the combined queues in a section of `ethtool -l`.
channels_of() {
    tool ethtool -l "$1" 2>/dev/null | awk -v section="$2" '
        $0 ~ section {on = 1}
        on && $1 == "Combined:" && $2 ~ /^[0-9]+$/ {print $2; exit}'
}

# read_nic KIND NAME: NAME is the card's, the kind is ethtool's word for the setting.
read_nic() {
    local value
    case $1 in
    channels) value=$(channels_of "$2" '^Current') ;;
    adaptive-rx) value=$(tool ethtool -c "$2" 2>/dev/null | awk '$1 == "Adaptive" && $2 == "RX:" {print $3}') ;;
    rx-usecs | tx-usecs) value=$(tool ethtool -c "$2" 2>/dev/null | awk -v key="$1:" '$1 == key {print $2}') ;;
    gro) value=$(tool ethtool -k "$2" 2>/dev/null | awk '$1 == "generic-receive-offload:" && $3 != "[fixed]" {print $2}') ;;
    # Only the discipline that the kernel chose by itself (handle 0:) can be brought back exactly.
    qdisc) value=$(tool tc qdisc show dev "$2" root 2>/dev/null | awk 'NR == 1 {print ($3 == "0:" || $2 == "noqueue") ? $2 : ""}') ;;
    esac
    case $value in '' | n/a) return 1 ;; esac
    printf '%s' "$value"
}

# write_nic KIND NAME VALUE
write_nic() {
    case $1 in
    channels) tool ethtool -L "$2" combined "$3" ;;
    adaptive-rx | rx-usecs | tx-usecs) tool ethtool -C "$2" "$1" "$3" ;;
    gro) tool ethtool -K "$2" gro "$3" ;;
    qdisc)
        if [ "$3" = noqueue ]; then
            tool tc qdisc replace dev "$2" root noqueue
        else
            tool tc qdisc del dev "$2" root # back to what the kernel chooses
        fi
        ;;
    esac >/dev/null 2>&1
}

# channel_knobs: the number of queues; it comes first because it changes which interrupts there are.
channel_knobs() {
    local key value most workers
    [ -n "$nic" ] || return 0
    while IFS=$'\t' read -r key value; do
        [ "$key" = channels ] || continue
        most=$(channels_of "$nic" '^Pre-set')
        workers=$(cpus | wc -l)
        [ -n "$most" ] && [ "$most" -lt "$workers" ] && workers=$most
        printf 'channels\t%s\t%s\n' "$nic" "$workers"
    done < <(settings "$here/profiles/$profile.conf")
}

# nic_irqs: the interrupts of the card's queues, each behind the number of its queue. Receiving and sending of one queue may have an
# interrupt each (virtio0-input.1 and virtio0-output.1, eth0-q0-rx and eth0-q0-tx): their names differ by the direction only.
nic_irqs() {
    local device irq own
    # A virtio card's interrupts carry the name of its device, a Xen card's and most others' the card's own.
    device=$(basename "$(readlink -f "$root/sys/class/net/$nic/device" 2>/dev/null)")
    own=" $(find "$root/sys/class/net/$nic"/device/{,../}msi_irqs -mindepth 1 -printf '%f ' 2>/dev/null) "
    awk -v nic="$nic" -v device="$device" '
        $1 ~ /^[0-9]+:$/ {
            name = $NF
            queue = name ~ "^" nic "(-|$)" || (device != "" && name ~ "^" device "-(input|output|rx|tx)")
            if (!queue || name ~ /(mgmnt|config|event)/) next
            sub(":", "", $1)
            gsub(/input|output|[Rr]x|[Tt]x/, "", name)
            if (!(name in number)) number[name] = count++
            print number[name], $1
        }' "$root/proc/interrupts" 2>/dev/null | while read -r queue irq; do
        [ -z "${own// /}" ] || [[ $own = *" $irq "* ]] || continue
        printf '%s %s\n' "$queue" "$irq"
    done
}

# has_one_queue: whether the card has a single receiving queue, whose interrupt has nothing to be shared out.
has_one_queue() {
    local -a queues=("$root/sys/class/net/$nic/queues"/rx-*)
    [ -e "${queues[0]}" ] && [ "${#queues[@]}" -eq 1 ] && [ "$(cpus | wc -l)" -gt 1 ]
}

# queues_suffice: whether the card has a receiving queue for each CPU.
queues_suffice() {
    local -a queues=("$root/sys/class/net/$nic/queues"/rx-*)
    [ -e "${queues[0]}" ] && [ "${#queues[@]}" -ge "$(cpus | wc -l)" ]
}

# nic_knobs: everything else of the card.
nic_knobs() {
    local key value queue irq
    local -a online
    [ -n "$nic" ] || return 0
    mapfile -t online < <(cpus)
    while IFS=$'\t' read -r key value; do
        case $key in
        adaptive-rx | rx-usecs | tx-usecs | gro | qdisc) printf '%s\t%s\t%s\n' "$key" "$nic" "$value" ;;
        rps)
            # With fewer queues than CPUs it is what spreads packets over the others (Documentation/networking/scaling.rst).
            queues_suffice || continue
            for queue in "$root/sys/class/net/$nic/queues"/rx-*; do
                [ -e "$queue/rps_cpus" ] && printf 'mask\t%s/rps_cpus\t0\n' "${queue#"$root"}"
            done
            ;;
        irq) # queue i to CPU i, as the workers are
            has_one_queue && continue
            while read -r queue irq; do
                printf 'irq\t/proc/irq/%s/smp_affinity_list\t%s\n' "$irq" "${online[queue % ${#online[@]}]}"
            done < <(nic_irqs)
            ;;
        esac
    done < <(settings "$here/profiles/$profile.conf")
}

# irqbalance_note: it moves interrupts back.
irqbalance_note() {
    local comm
    [ -n "$nic" ] || return 0
    for comm in "$root"/proc/[0-9]*/comm; do
        if [ "$(cat "$comm" 2>/dev/null)" = irqbalance ]; then
            say conflict irqbalance "runs and will move the interrupts again; set IRQBALANCE_BANNED_CPULIST to the workers' CPUs in /etc/default/irqbalance"
            return 0
        fi
    done
}
