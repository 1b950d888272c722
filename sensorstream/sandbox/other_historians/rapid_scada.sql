-- Rapid SCADA 6, the archive module's tables: numbers alone, each with a status, in native partitions of a month (UTC)
-- whose names tell both ends. What is bad has no value of its own.
CREATE TABLE mincopy_historical (
    cnl_num integer NOT NULL, time_stamp timestamptz NOT NULL, val double precision NOT NULL, stat integer NOT NULL,
    PRIMARY KEY (cnl_num, time_stamp)) PARTITION BY RANGE (time_stamp);
CREATE INDEX idx_mincopy_historical_time_stamp ON mincopy_historical (time_stamp);

DO $$
DECLARE
    month timestamp;
BEGIN
    FOR month IN SELECT DISTINCT date_trunc('month', to_timestamp(t_stamp / 1000) AT TIME ZONE 'UTC') FROM plant_reading
    LOOP
        EXECUTE format('CREATE TABLE %I PARTITION OF mincopy_historical FOR VALUES FROM (%L) TO (%L)',
            'mincopy_historical_' || to_char(month, 'YYYYMMDD_') || to_char(month + interval '1 month', 'YYYYMMDD'),
            month || 'Z', month + interval '1 month' || 'Z');
    END LOOP;
END $$;
INSERT INTO mincopy_historical
SELECT 100 + id, timestamptz 'epoch' + t_stamp * interval '1 millisecond', coalesce(floatvalue, intvalue, 0),
    CASE dataintegrity
        WHEN 192 THEN CASE WHEN id % 3 = 0 THEN 13 ELSE 1 END WHEN 500 THEN 3 WHEN 256 THEN 4 ELSE 0 END
FROM plant_reading JOIN plant_tag USING (id) WHERE kind NOT IN ('recipe', 'last_service') ORDER BY t_stamp, id;
