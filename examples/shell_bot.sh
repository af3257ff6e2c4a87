#!/bin/sh
# A bot that joins with a POSIX shell and sha256sum: the cockpit shows it, and its stop and pause work.
#
#     sh examples/shell_bot.sh var/mybot          and then          ./bifrost status --desk mybot
#
# It trades nothing; every few seconds it journals an order that it would have sent. docs/file-format.md says why.
set -eu
umask 027
folder=${1%/}
desk=${folder##*/} run=$(date +%s)-$$
journal=$folder/journal control=$folder/control present=$folder/snapshot.json

# UTC, with microseconds where date knows %N.
utc() { date -u +%Y-%m-%dT%H:%M:%S.%6NZ | sed 's/\.[0-9]*[^0-9Z].*/.000000Z/'; }

# record TYPE MEMBERS: append one operation, chained and durable. MEMBERS is JSON that begins with a comma, or nothing.
record() {
    now=$(utc)
    day=$(echo "${now%T*}" | tr -d -)
    case $segment in
        "$journal/$day"-*) ;;
        *) number=$((number + 1)) segment=$(printf '%s/%s-%04d.jsonl' "$journal" "$day" "$number") ;;
    esac
    seq=$((seq + 1))
    body=$(printf '{"seq":%d,"ts":"%s","wall_ts":"%s","type":"%s","desk":"%s","run_id":"%s"%s}' \
        "$seq" "$now" "$now" "$1" "$desk" "$run" "${2-}")
    hash=$(printf '%s%s' "$hash" "$body" | sha256sum | cut -c 1-64)
    printf '%s,"hash":"%s"}\n' "${body%\}}" "$hash" >>"$segment"
    sync "$segment"
}

# show STATE: replace the snapshot; a reader sees the old one or the new one, whole.
show() {
    now=$(utc) shown=$((shown + 1)) status=ok not_paused=true not_refused=true
    case $standing in *' pause '*) status=degraded not_paused=false ;; esac
    case $standing in *' flatten '*) status=blocked not_refused=false ;; esac
    {
        printf '{"schema":1,"desk":"%s","run_id":"%s","pid":%d,"seq":%d,' "$desk" "$run" $$ "$shown"
        printf '"ts":"%s","wall_ts":"%s","period_ms":2000,"daemon_state":"%s",' "$now" "$now" "$1"
        printf '"self_check":{"status":"%s","checks":[' "$status"
        printf '{"name":"paused","ok":%s,"severity":"yellow"},' "$not_paused"
        printf '{"name":"flatten_refused","ok":%s,"severity":"red"}]},' "$not_refused"
        printf '"account_kind":"simulated","journal_seq":%d,"journal_hash":"%s"}' "$seq" "$hash"
    } >"$folder/.snapshot.json.$$-0.tmp"
    mv -f "$folder/.snapshot.json.$$-0.tmp" "$present"
}

# asserted NAME: whatever lies there counts, be it a broken link. A folder that nobody can read pauses.
asserted() {
    if ! ls "$control" >/dev/null 2>&1; then [ "$1" = pause ]; else [ -e "$control/$1" ] || [ -L "$control/$1" ]; fi
}

# obey NAME: a receipt in the journal for what came or went. $before and $standing list what stood and stands.
obey() {
    data=",\"data\":{\"command\":\"$1\"}"
    case $before in *" $1 "*) was=yes ;; *) was=no ;; esac
    if asserted "$1"; then standing="$standing$1 " is=yes; else is=no; fi
    if [ "$was$is" = noyes ]; then
        record control_seen ",\"status\":\"seen\"$data"
        if [ "$1" = flatten ]; then
            record control_refused ",\"status\":\"refused\",\"reason\":\"holds_nothing\"$data"
        else
            record control_done ",\"status\":\"done\"$data"
        fi
    elif [ "$was$is" = yesno ]; then
        record control_done ",\"status\":\"released\"$data"
    fi
}

mkdir -p "$journal" "$control"
if command -v flock >/dev/null; then
    exec 9>"$journal/.lock"
    flock -n 9 || { echo "another bot writes $folder" >&2; exit 4; }
fi

rm -f "$folder"/.snapshot.json.*.tmp # by a writer that died

# Where the chain stands: the newest segment (the number behind the day gives the order) and its last line.
seq=0 number=0 hash=0000000000000000000000000000000000000000000000000000000000000000
segment=$(for each in "$journal"/????????-*.jsonl; do echo "${each##*/}"; done | sort -t - -k 2n | tail -n 1)
segment=$journal/$segment
if [ -e "$segment" ]; then
    last=$(tail -n 1 "$segment")
    # By its number: a crash may leave zeros behind, which a shell does not see.
    if [ "$(tail -c 1 "$segment" | od -A n -t u1 | tr -d ' ')" != 10 ]; then echo "$segment: torn end" >&2; exit 5; fi
    seq=${last#'{"seq":'} seq=${seq%%,*} hash=${last##*'"hash":"'} hash=${hash%'"}'}
    number=${segment##*-} number=${number%.jsonl} number=${number#"${number%%[!0]*}"}
fi
shown=0
if [ -e "$present" ]; then shown=$(sed -n 's/.*"seq":\([0-9]*\).*/\1/p' "$present"); fi

signal=no
trap 'signal=yes' INT TERM
standing=' ' turn=0
record run_started
while :; do
    before=$standing standing=' '
    for command in flatten stop pause; do obey "$command"; done
    case $signal$standing in *' stop '* | yes*)
        code=0
        if [ "$turn$signal" = 0no ]; then code=3; fi
        record run_stopped ",\"data\":{\"exit_code\":$code}"
        show stopped
        exit "$code" ;;
    esac
    case $standing in
        *' pause '*) show paused ;;
        *)
            if [ $((turn % 5)) = 2 ]; then
                record refused ',"instrument":"XYZ","side":"BUY","quantity":10,"unit":"share","reason":"dry_run"'
            fi
            show running ;;
    esac
    turn=$((turn + 1))
    sleep 1 || :
done
