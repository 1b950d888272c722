-- Rapid SCADA 6, the export module's table: numbers alone, each with a status. What is bad has no value of its own.
CREATE TABLE cnl_data (
    cnl_num integer NOT NULL, time_stamp timestamptz NOT NULL, val double precision NOT NULL, stat integer NOT NULL,
    PRIMARY KEY (cnl_num, time_stamp));
CREATE INDEX ON cnl_data (time_stamp);

INSERT INTO cnl_data
SELECT 100 + id, timestamptz 'epoch' + t_stamp * interval '1 millisecond', coalesce(floatvalue, intvalue, 0),
    CASE dataintegrity
        WHEN 192 THEN CASE WHEN id % 3 = 0 THEN 13 ELSE 1 END WHEN 500 THEN 3 WHEN 256 THEN 4 ELSE 0 END
FROM plant_reading JOIN plant_tag USING (id) WHERE kind NOT IN ('recipe', 'last_service') ORDER BY t_stamp, id;
