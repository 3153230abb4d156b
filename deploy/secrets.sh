#!/bin/sh
# Create the files of secrets/, which Docker Compose mounts into the containers at /run/secrets. Existing files stay as they
# are. Passwords are random; passwords and addresses that an earlier version kept in .env are taken from there.
# Usage: sh deploy/secrets.sh [FOLDER [ENV_FILE]]
set -eu
umask 077
here=$(dirname "$0")/..
folder=${1:-$here/secrets}
earlier=${2:-$here/.env}

# Only who may enter the folder reads its files; inside a container, the container's own user must.
mkdir -p "$folder"
chmod 700 "$folder"

from_env() {
    [ ! -f "$earlier" ] || sed -n "s/^$1=//p" "$earlier" | tail -n 1
}

create() { # NAME CONTENT
    [ ! -e "$folder/$1" ] || return 0
    rm -f "$folder/.new" # of a run that was stopped
    printf '%s' "$2" > "$folder/.new"
    chmod 444 "$folder/.new"
    mv "$folder/.new" "$folder/$1"
    echo "$folder/$1"
}

password() { # NAME
    known=$(from_env "$(echo "$1" | tr '[:lower:]' '[:upper:]')")
    create "$1" "${known:-$(od -An -N24 -tx1 /dev/urandom | tr -d ' \n')}"
}

database() { # PART
    password "database_$1_password"
    create "database_$1_url" "postgresql://vigia_$1:$(cat "$folder/database_$1_password")@database:5432/vigia"
}

broker() { # PART USER
    password "mqtt_$1_password"
    create "mqtt_$1_url" "mqtt://$2:$(cat "$folder/mqtt_$1_password")@broker:1883"
}

password database_superuser_password
create database_superuser_url "postgresql://postgres:$(cat "$folder/database_superuser_password")@database:5432/vigia"
for part in owner api pipeline notifier upkeep; do database $part; done
broker critical pipeline-critical
broker bulk pipeline-bulk
broker buses buses
broker canary canary
password metrics_token
create webhook_url "$(from_env WEBHOOK_URL)"
create poll_url "$(from_env POLL_URL)"

# Compose mounts these into containers of other users: readable to them too, whatever the umask of the checkout was.
find "$here/deploy" \( -type f ! -perm -444 -o -type d ! -perm -555 \) -exec chmod a+rX {} +
