CREATE TABLE river_readings (
    device_id INTEGER NOT NULL,
    observed_at TIMESTAMP WITH TIME ZONE NOT NULL,
    seq BIGINT NOT NULL,
    received_at TIMESTAMP WITH TIME ZONE NOT NULL,
    level_m DOUBLE PRECISION,
    battery_v DOUBLE PRECISION,
    flags INTEGER NOT NULL,
    CONSTRAINT river_readings_pkey PRIMARY KEY (device_id, observed_at, seq)
);
CREATE TABLE rain_readings (
    device_id INTEGER NOT NULL,
    observed_at TIMESTAMP WITH TIME ZONE NOT NULL,
    seq BIGINT NOT NULL,
    received_at TIMESTAMP WITH TIME ZONE NOT NULL,
    rain_mm DOUBLE PRECISION,
    interval_s INTEGER,
    battery_v DOUBLE PRECISION,
    flags INTEGER NOT NULL,
    CONSTRAINT rain_readings_pkey PRIMARY KEY (device_id, observed_at, seq)
);
CREATE TABLE radar_readings (
    device_id INTEGER NOT NULL,
    observed_at TIMESTAMP WITH TIME ZONE NOT NULL,
    seq BIGINT NOT NULL,
    received_at TIMESTAMP WITH TIME ZONE NOT NULL,
    speed_kmh DOUBLE PRECISION,
    vehicle_class TEXT,
    lane INTEGER,
    interval_s INTEGER,
    counts INTEGER[],
    flags INTEGER NOT NULL,
    CONSTRAINT radar_readings_pkey PRIMARY KEY (device_id, observed_at, seq)
);
CREATE TABLE bus_readings (
    device_id INTEGER NOT NULL,
    observed_at TIMESTAMP WITH TIME ZONE NOT NULL,
    seq BIGINT NOT NULL,
    received_at TIMESTAMP WITH TIME ZONE NOT NULL,
    lat DOUBLE PRECISION,
    lon DOUBLE PRECISION,
    speed_ms DOUBLE PRECISION,
    bearing_deg DOUBLE PRECISION,
    trip_id TEXT,
    route_id TEXT,
    direction_id INTEGER,
    block_id TEXT,
    start_date TEXT,
    start_time TEXT,
    line TEXT,
    sign TEXT,
    occupancy INTEGER,
    delay_s INTEGER,
    in_service BOOLEAN,
    flags INTEGER NOT NULL,
    CONSTRAINT bus_readings_pkey PRIMARY KEY (device_id, observed_at, seq)
);
CREATE TABLE river_hourly_kept (
    device_id INTEGER NOT NULL,
    bucket TIMESTAMP WITH TIME ZONE NOT NULL,
    n INTEGER NOT NULL,
    least DOUBLE PRECISION NOT NULL,
    total DOUBLE PRECISION NOT NULL,
    greatest DOUBLE PRECISION NOT NULL,
    PRIMARY KEY (device_id, bucket)
);
CREATE TABLE rain_hourly_kept (
    device_id INTEGER NOT NULL,
    bucket TIMESTAMP WITH TIME ZONE NOT NULL,
    n INTEGER NOT NULL,
    least DOUBLE PRECISION NOT NULL,
    total DOUBLE PRECISION NOT NULL,
    greatest DOUBLE PRECISION NOT NULL,
    PRIMARY KEY (device_id, bucket)
);
CREATE TABLE radar_hourly_kept (
    device_id INTEGER NOT NULL,
    bucket TIMESTAMP WITH TIME ZONE NOT NULL,
    n INTEGER NOT NULL,
    least DOUBLE PRECISION NOT NULL,
    total DOUBLE PRECISION NOT NULL,
    greatest DOUBLE PRECISION NOT NULL,
    PRIMARY KEY (device_id, bucket)
);
CREATE TABLE bus_hourly_kept (
    device_id INTEGER NOT NULL,
    bucket TIMESTAMP WITH TIME ZONE NOT NULL,
    n INTEGER NOT NULL,
    least DOUBLE PRECISION NOT NULL,
    total DOUBLE PRECISION NOT NULL,
    greatest DOUBLE PRECISION NOT NULL,
    PRIMARY KEY (device_id, bucket)
);
