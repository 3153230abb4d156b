"""The function `retention_refusal`, which every retention asks: why nothing may be deleted now. The clock may be wrong.

It runs as the owner of the tables (SECURITY DEFINER), reads only, and looks up nothing in a schema that a caller
controls. It is kept as its text here, like the roll-ups, and not by a numbered step.
"""

from sqlalchemy import Connection, text

from models.reading import Flag

SIGNATURE = "retention_refusal(timestamptz, boolean)"
MAX_DIFFERENCE_S = 300
"""Between the clock that asks and the database's."""
MAX_SINCE_NEWEST = "1 day"
DEVICES = 5
"""The time that so many devices passed counts: one whose clock is ahead proves nothing."""

_BODY = """
DECLARE
    newest timestamptz;
BEGIN
    IF is_real AND abs(extract(epoch FROM asked - clock_timestamp())) > {max_difference_s} THEN
        RETURN format('este reloj dice %1$s y el de la base de datos %2$s: póngalos en hora por NTP'
            ' / this clock says %1$s and the database''s says %2$s: set both by NTP',
            to_char(asked AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"'),
            to_char(clock_timestamp() AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"'));
    END IF;
    SELECT min(observed_at) INTO newest FROM (
        SELECT m.observed_at FROM {schema}.device_memories m
            JOIN {schema}.devices d ON d.id = m.device_id JOIN {schema}.stations s ON s.id = d.station_id AND s.active
        WHERE m.flags & {server_time} = 0 ORDER BY m.observed_at DESC LIMIT {devices}) heard_last;
    IF asked - newest > INTERVAL '{max_since_newest}' THEN
        RETURN format('el reloj dice %1$s y las lecturas más nuevas son de %2$s: póngalo en hora por NTP o, si está'
            ' bien y la ciudad calla, use vigia retain --clock-checked'
            ' / the clock says %1$s and the newest readings are of %2$s: set it by NTP or, if it is right and the city'
            ' is silent, run vigia retain --clock-checked',
            to_char(asked AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"'),
            to_char(newest AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"'));
    END IF;
    RETURN NULL;
END
"""


def ensure_retention_refusal(connection: Connection) -> None:
    """Create the function, or replace it where another version wrote it. Safe to repeat."""
    schema = connection.execute(text("SELECT quote_ident(current_schema())")).scalar_one()
    body = _BODY.format(
        schema=schema,
        server_time=int(Flag.SERVER_TIME),
        max_difference_s=MAX_DIFFERENCE_S,
        max_since_newest=MAX_SINCE_NEWEST,
        devices=DEVICES,
    )
    written = text("SELECT prosrc FROM pg_proc WHERE oid = to_regprocedure(:signature)")
    if connection.execute(written, {"signature": f"{schema}.{SIGNATURE}"}).scalar_one_or_none() == body:
        return
    create = (
        f"CREATE OR REPLACE FUNCTION {schema}.retention_refusal(asked timestamptz, is_real boolean) RETURNS text"
        " LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS "
    )
    connection.exec_driver_sql((create + f"$refusal${body}$refusal$").replace("%", "%%"))
    connection.exec_driver_sql(f"REVOKE ALL ON FUNCTION {schema}.{SIGNATURE} FROM PUBLIC")
