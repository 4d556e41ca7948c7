# shellcheck shell=bash
# Knobs of processors and memory. Sourced by `tune`.
# shellcheck disable=SC2154 # root, here, profile and nic are set by tune

# cpus: the CPUs that are online, one a line.
cpus() {
    local list part
    list=$(cat "$root/sys/devices/system/cpu/online" 2>/dev/null) || list=0
    for part in ${list//,/ }; do
        seq "${part%-*}" "${part#*-}"
    done
}

# cpu_knobs: governor, idle states and huge pages of the profile.
cpu_knobs() {
    local key value cpu state us
    while IFS=$'\t' read -r key value; do
        case $key in
        thp) printf 'choice\t/sys/kernel/mm/transparent_hugepage/enabled\t%s\n' "$value" ;;
        governor)
            while read -r cpu; do
                printf 'file\t/sys/devices/system/cpu/cpu%s/cpufreq/scaling_governor\t%s\n' "$cpu" "$value"
            done < <(cpus)
            ;;
        cstate-us) # idle states that take longer than this to leave are switched off
            for state in "$root"/sys/devices/system/cpu/cpu[0-9]*/cpuidle/state[0-9]*; do
                us=$(cat "$state/latency" 2>/dev/null) || continue
                [ "$us" -gt "$value" ] && printf 'file\t%s/disable\t1\n' "${state#"$root"}"
            done
            ;;
        esac
    done < <(settings "$here/profiles/$profile.conf")
}

# boot_options: kernel options of the profile; printed, never set.
boot_options() {
    local key value line
    line=" $(cat "$root/proc/cmdline" 2>/dev/null) "
    while IFS=$'\t' read -r key value; do
        [ "$key" = boot ] || continue
        case $line in
        *" $value "*) say boot "$value" "is on the kernel's command line" ;;
        *) say boot "$value" "not on the kernel's command line; to try it, add it to GRUB_CMDLINE_LINUX yourself" ;;
        esac
    done < <(settings "$here/profiles/$profile.conf")
}
