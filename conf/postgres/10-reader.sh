#!/bin/sh
# A user that may only read, for Grafana, which runs whatever SQL a dashboard holds. PostgreSQL's image runs this once, when the
# database is made; POSTGRES_USER and POSTGRES_DB are the image's own variables.
set -eu
psql --set=ON_ERROR_STOP=1 --set=reader="$READER_USER" --set=password="$READER_PASSWORD" \
    --username "$POSTGRES_USER" --dbname "$POSTGRES_DB" <<'SQL'
create role :"reader" login password :'password';
grant pg_read_all_data to :"reader";
SQL
