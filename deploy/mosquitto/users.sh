#!/bin/sh
# Set the passwords of the pipelines and keep those of devices. Run before the broker starts.
# The passwords are passed in files, since anyone who may list processes sees the arguments of a command.
set -eu
umask 077

passwords=${1:-/mosquitto/users/passwords}
secrets=${2:-/run/secrets}
fresh=$passwords.new

secret() {
    [ -s "$secrets/$1" ] || { echo "$secrets/$1 is missing or empty: run deploy/secrets.sh" >&2; exit 1; }
    cat "$secrets/$1"
}

critical=$(secret mqtt_critical_password)
bulk=$(secret mqtt_bulk_password)
printf '%s:%s\n' pipeline-critical "$critical" pipeline-bulk "$bulk" > "$fresh"
mosquitto_passwd -U "$fresh"
touch "$passwords"
grep -v -e '^pipeline-critical:' -e '^pipeline-bulk:' "$passwords" >> "$fresh" || true # no device yet is not an error
mv "$fresh" "$passwords"
