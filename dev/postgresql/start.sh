#!/bin/sh
# PostgreSQL with a database and a role for each tier: the role owns its database and gets into no other. Made once, as a whole or not at all.
set -eu
keys=/etc/sluice data=/var/lib/sluice/data draft=/var/lib/sluice/draft run=/run/postgresql

if [ ! -d "$data" ]; then
    rm -rf "$draft"
    initdb --pgdata="$draft" --encoding=UTF8 --locale=C.UTF-8 --data-checksums --auth-local=peer --auth-host=reject >/dev/null
    for tier in web services; do
        echo "CREATE ROLE sluice_$tier LOGIN PASSWORD '$(cat $keys/$tier-password)';"
        echo "CREATE DATABASE sluice_$tier OWNER sluice_$tier TEMPLATE template0;"
        echo "REVOKE ALL ON DATABASE sluice_$tier FROM PUBLIC;"
    done | postgres --single -D "$draft" postgres >/dev/null
    cat >"$draft/pg_hba.conf" <<'END'
local   all              postgres                     peer
hostssl sluice_web       sluice_web       samenet     scram-sha-256
hostssl sluice_services  sluice_services  samenet     scram-sha-256
END
    mv "$draft" "$data"
fi

# PostgreSQL takes no key that somebody else owns.
install -m 0600 "$keys/server.key" "$run/server.key"
# Its log must not hold what statements hold: names of people and files.
exec postgres -D "$data" -c listen_addresses='*' -c unix_socket_directories="$run" \
    -c log_min_error_statement=panic -c log_error_verbosity=terse \
    -c ssl=on -c ssl_cert_file="$keys/server.crt" -c ssl_key_file="$run/server.key" -c ssl_min_protocol_version=TLSv1.3
