-- Ignition without partitions of its own, whose one table of a gateway is a hypertable: no row in the table itself, a
-- chunk of a week each in another schema, with a constraint on its time.
CREATE TABLE sqlth_te (LIKE being_seeded.sqlth_te INCLUDING INDEXES);
INSERT INTO sqlth_te SELECT * FROM being_seeded.sqlth_te;
CREATE TABLE sqlth_drv (LIKE being_seeded.sqlth_drv INCLUDING INDEXES);
INSERT INTO sqlth_drv SELECT * FROM being_seeded.sqlth_drv;
CREATE TABLE sqlth_scinfo (LIKE being_seeded.sqlth_scinfo INCLUDING INDEXES);
INSERT INTO sqlth_scinfo SELECT * FROM being_seeded.sqlth_scinfo;
CREATE TABLE sqlth_sce (LIKE being_seeded.sqlth_sce INCLUDING INDEXES);
INSERT INTO sqlth_sce SELECT * FROM being_seeded.sqlth_sce;
CREATE TABLE sqlth_partitions (LIKE being_seeded.sqlth_partitions);
CREATE SCHEMA IF NOT EXISTS _timescaledb_internal;

DO $$
DECLARE
    gateway int;
    week int8;
    chunk text;
    part text;
BEGIN
    FOR gateway IN SELECT id FROM sqlth_drv ORDER BY 1 LOOP
        EXECUTE format('CREATE TABLE %I (
            tagid integer NOT NULL, intvalue bigint, floatvalue double precision, stringvalue varchar(255),
            datevalue timestamp, dataintegrity integer, t_stamp bigint NOT NULL, PRIMARY KEY (tagid, t_stamp))',
            'sqlth_' || gateway || '_data');
        EXECUTE format('CREATE INDEX ON %I (t_stamp DESC)', 'sqlth_' || gateway || '_data');
        INSERT INTO sqlth_partitions VALUES ('sqlth_' || gateway || '_data', gateway, 0, 9223372036854775807, 0, 0);
        FOR week IN SELECT DISTINCT t_stamp / 604800000 FROM plant_reading ORDER BY 1 LOOP
            chunk := '_hyper_' || gateway || '_' || week || '_chunk';
            EXECUTE format('CREATE TABLE _timescaledb_internal.%I (
                CHECK (t_stamp >= %s AND t_stamp < %s), LIKE %I INCLUDING INDEXES) INHERITS (%I)',
                chunk, week * 604800000, (week + 1) * 604800000, 'sqlth_' || gateway || '_data',
                'sqlth_' || gateway || '_data');
            FOR part IN
                SELECT relname FROM pg_class WHERE relkind = 'r' AND relnamespace = 'being_seeded'::regnamespace
                    AND relname ~ ('^sqlt_data_' || gateway || '_\d+_\d+$') ORDER BY 1
            LOOP
                EXECUTE format('INSERT INTO _timescaledb_internal.%I SELECT * FROM being_seeded.%I
                    WHERE t_stamp >= %s AND t_stamp < %s ORDER BY t_stamp, tagid',
                    chunk, part, week * 604800000, (week + 1) * 604800000);
            END LOOP;
        END LOOP;
    END LOOP;
END $$;
