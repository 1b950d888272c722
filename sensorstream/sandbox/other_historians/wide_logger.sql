-- A logger's tables, a month each: a row a minute, a column a tag, and one code for the whole row.
DO $$
DECLARE
    month timestamp;
    columns text;
    cells text;
BEGIN
    SELECT string_agg(format('%I %s', trim('_' FROM regexp_replace(path, '[^a-zA-Z0-9]+', '_', 'g')), CASE kind
            WHEN 'recipe' THEN 'varchar(255)' WHEN 'valve' THEN 'smallint' WHEN 'running' THEN 'bigint'
            WHEN 'energy' THEN 'numeric' ELSE 'double precision' END), ', ' ORDER BY id),
        string_agg(format('max(%s) FILTER (WHERE id = %s AND dataintegrity = 192)', CASE kind
            WHEN 'recipe' THEN 'stringvalue' WHEN 'valve' THEN 'intvalue' WHEN 'running' THEN 'intvalue'
            WHEN 'energy' THEN 'floatvalue::numeric' ELSE 'floatvalue' END, id), ', ' ORDER BY id)
    INTO columns, cells FROM plant_tag WHERE kind <> 'last_service';
    FOR month IN SELECT DISTINCT date_trunc('month', to_timestamp(t_stamp / 1000) AT TIME ZONE 'UTC') FROM plant_reading
    LOOP
        EXECUTE format('CREATE TABLE %I (logged_at timestamp PRIMARY KEY, row_quality smallint, %s)',
            'plant_log_' || to_char(month, 'YYYY_MM'), columns);
        EXECUTE format('INSERT INTO %I
            SELECT timestamp ''epoch'' + t_stamp / 60000 * interval ''1 minute'', 192 - 192 * (t_stamp / 60000 %% 37 = 0)::int, %s
            FROM plant_reading WHERE t_stamp >= %s AND t_stamp < %s GROUP BY t_stamp / 60000 ORDER BY t_stamp / 60000',
            'plant_log_' || to_char(month, 'YYYY_MM'), cells, extract(epoch FROM month)::int8 * 1000,
            extract(epoch FROM month + interval '1 month')::int8 * 1000);
    END LOOP;
END $$;
