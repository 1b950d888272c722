-- The EPICS archive engine's tables: samples with a severity, of which two mean that the value is none.
CREATE TABLE channel (
    channel_id bigint PRIMARY KEY, name varchar(100) NOT NULL, descr varchar(100), grp_id bigint, smpl_mode_id bigint,
    smpl_val double precision, smpl_per double precision);
CREATE TABLE severity (severity_id bigint PRIMARY KEY, name varchar(100) NOT NULL);
CREATE TABLE status (status_id bigint PRIMARY KEY, name varchar(100) NOT NULL UNIQUE);
CREATE TABLE num_metadata (channel_id bigint PRIMARY KEY, prec int, unit varchar(100) NOT NULL);
CREATE TABLE sample (
    channel_id bigint NOT NULL, smpl_time timestamptz NOT NULL, nanosecs bigint NOT NULL,
    severity_id bigint NOT NULL, status_id bigint NOT NULL, num_val int,
    float_val double precision, str_val varchar(120), datatype char(1) DEFAULT ' ', array_val bytea);

INSERT INTO severity VALUES (1, 'OK'), (2, 'INVALID'), (3, 'MAJOR'), (4, 'MINOR'), (9, 'UNDEFINED');
INSERT INTO status VALUES (1, 'NO_ALARM'), (2, 'Disconnected'), (3, 'READ_ALARM'), (4, 'HIGH_ALARM');
INSERT INTO channel (channel_id, name, descr) SELECT id, replace(path, '/', ':'), description FROM plant_tag;
INSERT INTO num_metadata SELECT id, 2, unit FROM plant_tag WHERE unit <> '';
INSERT INTO sample (channel_id, smpl_time, nanosecs, severity_id, status_id, num_val, float_val, str_val)
SELECT id, timestamptz 'epoch' + (t_stamp * 1000 + micros) * interval '1 microsecond', t_stamp % 1000 * 1000000 + micros * 1000,
    CASE WHEN dataintegrity = 500 THEN 2 WHEN dataintegrity <> 192 THEN 9 WHEN id % 5 = 0 THEN 3 ELSE 1 END,
    CASE WHEN dataintegrity = 500 THEN 3 WHEN dataintegrity <> 192 THEN 2 WHEN id % 5 = 0 THEN 4 ELSE 1 END,
    intvalue, floatvalue, coalesce(left(stringvalue, 120), datevalue::text)
FROM (SELECT *, (t_stamp + id * 7919) % 1000 AS micros FROM plant_reading) r ORDER BY t_stamp, id;
CREATE INDEX sample_id_time ON sample (channel_id, smpl_time, nanosecs);
