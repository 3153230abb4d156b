#!/bin/sh
# Set the passwords of the pipelines and keep those of devices. Run before the broker starts.
# The passwords are passed in a file, since anyone who may list processes sees the arguments of a command.
set -eu
umask 077

passwords=${1:-/mosquitto/users/passwords}
fresh=$passwords.new
printf '%s:%s\n' \
    pipeline-critical "${MQTT_CRITICAL_PASSWORD:?set MQTT_CRITICAL_PASSWORD}" \
    pipeline-bulk "${MQTT_BULK_PASSWORD:?set MQTT_BULK_PASSWORD}" > "$fresh"
mosquitto_passwd -U "$fresh"
touch "$passwords"
grep -v -e '^pipeline-critical:' -e '^pipeline-bulk:' "$passwords" >> "$fresh" || true # no device yet is not an error
mv "$fresh" "$passwords"
