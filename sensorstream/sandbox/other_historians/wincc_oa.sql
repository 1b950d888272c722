-- WinCC OA's NextGen Archiver: a table for each day of an archive group, which segments lists in nanoseconds. A status
-- has 64 bits, some of which tell that a value is bad; some values were corrected by hand.
CREATE TABLE archive_groups (group_name varchar(50) PRIMARY KEY, alert boolean NOT NULL);
CREATE TABLE segments (
    segment_id bigint PRIMARY KEY, group_name varchar(50) REFERENCES archive_groups, status integer, start_time bigint,
    end_time bigint);
CREATE TABLE elements (
    element_id bigint PRIMARY KEY, sys_id bigint, type_ bigint, event boolean, alert boolean, element_name text,
    dpt_name text, dpt_id integer, unit text, alias text, comment_ text);
INSERT INTO archive_groups VALUES ('System1:EVENT', false), ('System1:ALERT', true);
INSERT INTO elements (element_id, sys_id, event, alert, element_name, unit, comment_)
SELECT (1::int8 << 48) + id * 65536 + 2, 1, true, false, 'System1:' || translate(path, '/', '.'), unit, description
FROM plant_tag;

DO $$
DECLARE
    day timestamp;
    number int := 1;
BEGIN
    CREATE TABLE _alert_1_a (element_id bigint, ts bigint, value_number double precision, status bigint);
    INSERT INTO segments SELECT 1, 'System1:ALERT', 1, min(t_stamp) * 1000000, max(t_stamp + 1) * 1000000
        FROM plant_reading;
    FOR day IN
        SELECT DISTINCT date_trunc('day', to_timestamp(t_stamp / 1000) AT TIME ZONE 'UTC') FROM plant_reading ORDER BY 1
    LOOP
        number := number + 1;
        INSERT INTO segments VALUES (number, 'System1:EVENT', 1, extract(epoch FROM day)::int8 * 1000000000,
            extract(epoch FROM day + interval '1 day')::int8 * 1000000000);
        EXECUTE format('CREATE TABLE %I (
            element_id bigint NOT NULL, ts bigint NOT NULL, value_number double precision, status bigint,
            manager integer, user_ integer, value_string text, value_timestamp bigint, corrstatus bigint,
            corrmanager integer, corruser_ integer, corrvalue_number double precision, corrvalue_string text,
            corrvalue_timestamp bigint)', '_event_' || number || '_a');
        EXECUTE format('INSERT INTO %I (
            element_id, ts, value_number, status, value_string, value_timestamp, corrstatus, corrvalue_number)
            SELECT (1::int8 << 48) + id * 65536 + 2, t_stamp * 1000000 + (t_stamp + id * 7919) %% 1000000,
                coalesce(floatvalue, intvalue),
                (id %% 4)::int8 * 4294967296 + 1 + CASE dataintegrity
                    WHEN 192 THEN (id %% 2) * 512 WHEN 500 THEN 32 WHEN 600 THEN 131072 WHEN 256 THEN 8 ELSE 64 END,
                stringvalue, (extract(epoch FROM datevalue) * 1000000)::int8 * 1000,
                CASE WHEN corrected THEN 4097 END, CASE WHEN corrected THEN floatvalue + 1 END
            FROM (SELECT *, floatvalue IS NOT NULL AND t_stamp / 1000 %% 97 = 0 AS corrected FROM plant_reading) r
            WHERE t_stamp >= %s AND t_stamp < %s ORDER BY t_stamp, id', '_event_' || number || '_a',
            extract(epoch FROM day)::int8 * 1000, extract(epoch FROM day + interval '1 day')::int8 * 1000);
        EXECUTE format('CREATE INDEX ON %I (element_id, ts)', '_event_' || number || '_a');
        EXECUTE format('CREATE INDEX ON %I USING brin (ts)', '_event_' || number || '_a');
    END LOOP;
END $$;
