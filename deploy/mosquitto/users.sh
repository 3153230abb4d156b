#!/bin/sh
# Give the pipelines their passwords, keeping the devices already there. Run before the broker starts.
# The passwords go through a file of our own, since whoever may list processes sees what a command is called with.
set -eu
umask 077

passwords=${1:-/mosquitto/users/passwords}
fresh=$passwords.new
printf '%s:%s\n' \
    pipeline-critical "${MQTT_CRITICAL_PASSWORD:?set MQTT_CRITICAL_PASSWORD}" \
    pipeline-bulk "${MQTT_BULK_PASSWORD:?set MQTT_BULK_PASSWORD}" > "$fresh"
mosquitto_passwd -U "$fresh"
touch "$passwords"
grep -v -e '^pipeline-critical:' -e '^pipeline-bulk:' "$passwords" >> "$fresh" || true # none left is no fault
mv "$fresh" "$passwords"
