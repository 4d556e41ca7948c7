# shellcheck shell=bash
# Knobs that are files: sysctls under /proc/sys, and what sysfs and /proc/irq have. Sourced by `tune`.
# shellcheck disable=SC2154 # root, here, profile and nic are set by tune

# file_of KIND NAME: the file a knob of this kind is. Name of a sysctl: with dots; of the others: a path.
file_of() {
    case $1 in
    sysctl) printf '%s/proc/sys/%s' "$root" "${2//.//}" ;;
    *) printf '%s%s' "$root" "$2" ;;
    esac
}

# plain TEXT: blanks as one space each, as sysctl files mix them.
plain() {
    local words
    read -ra words <<<"$1"
    printf '%s' "${words[*]}"
}

# canon KIND TEXT: a value in the form it is compared in.
canon() {
    local text=$2
    case $1 in
    choice) # "always [madvise] never" is the word in brackets
        text=${text#*\[}
        text=${text%%\]*}
        ;;
    mask) # 00000000,00000000 is 0
        text=${text//,/}
        text=${text#"${text%%[!0]*}"}
        text=${text:-0}
        ;;
    esac
    plain "$text"
}

# read_file KIND NAME: the value now.
read_file() {
    local text
    text=$(cat "$(file_of "$1" "$2")" 2>/dev/null) || return 1
    canon "$1" "$text"
}

# write_file KIND NAME VALUE
write_file() {
    local file value=$3
    file=$(file_of "$1" "$2")
    # The kernel moves the brackets of a choice; in a copy of its files that is up to us.
    if [ "$1" = choice ] && [ -n "$root" ]; then
        value=$(sed -E "s/[][]//g; s/(^| )$3( |\$)/\1[$3]\2/" "$file")
    fi
    { printf '%s\n' "$value" >"$file"; } 2>/dev/null
}

# exactly KIND NAME: the value as it has to be written to be what it was, tabs as \t.
exactly() {
    local text
    text=$(cat "$(file_of "$1" "$2")" 2>/dev/null) || return 1
    [ "$1" != choice ] || text=$(canon choice "$text")
    printf '%s' "${text//$'\t'/\\t}"
}

# settings FILE: the "key = value" lines of a sysctl.d file or a profile, as "key<TAB>value".
settings() {
    sed -n -E 's/^[[:space:]]*-?([A-Za-z][A-Za-z0-9_./-]*)[[:space:]]*=[[:space:]]*(.*[^[:space:]])[[:space:]]*$/\1\t\2/p' "$1"
}

# sysctl_knobs: what the profile's drop-in sets.
sysctl_knobs() {
    local key value
    while IFS=$'\t' read -r key value; do
        printf 'sysctl\t%s\t%s\n' "$key" "$value"
    done < <(settings "$here/sysctl.d/90-pixeld-$profile.conf")
}

# conflicts: other files that set one of our sysctls to another value. Which wins depends on their names' order.
conflicts() {
    local file key value ours
    local -A wanted=()
    while IFS=$'\t' read -r key value; do
        wanted[$key]=$(plain "$value")
    done < <(settings "$here/sysctl.d/90-pixeld-$profile.conf")
    for file in "$root"/{etc,run,usr/local/lib,usr/lib,lib}/sysctl.d/*.conf "$root/etc/sysctl.conf"; do
        case $file in */90-pixeld-*.conf) continue ;; esac
        [ -f "$file" ] || continue
        while IFS=$'\t' read -r key value; do
            key=${key//\//.}
            ours=${wanted[$key]-}
            [ -n "$ours" ] && [ "$ours" != "$(plain "$value")" ] &&
                say conflict "$key" "${file#"$root"} sets $(plain "$value"), the profile $ours: whichever is read last at boot wins"
        done < <(settings "$file")
    done
}
