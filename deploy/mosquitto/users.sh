#!/bin/sh
# Give the pipelines their passwords, keeping the devices already there. Run before the broker starts.
set -eu
umask 077

passwords=${1:-/mosquitto/users/passwords}
touch "$passwords"
mosquitto_passwd -b "$passwords" pipeline-critical "${MQTT_CRITICAL_PASSWORD:?set MQTT_CRITICAL_PASSWORD}"
mosquitto_passwd -b "$passwords" pipeline-bulk "${MQTT_BULK_PASSWORD:?set MQTT_BULK_PASSWORD}"
