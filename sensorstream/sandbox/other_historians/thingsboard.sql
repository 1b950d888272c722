-- ThingsBoard 4: telemetry in native partitions of a month (UTC), devices and assets of two tenants, and one entity of
-- another kind. It knows no quality: what is bad is not stored.
CREATE TABLE tenant (id uuid PRIMARY KEY, title varchar(255));
CREATE TABLE device (
    id uuid PRIMARY KEY, tenant_id uuid, name varchar(255), label varchar(255), UNIQUE (tenant_id, name));
CREATE TABLE asset (
    id uuid PRIMARY KEY, tenant_id uuid, name varchar(255), label varchar(255), UNIQUE (tenant_id, name));
CREATE TABLE key_dictionary (key varchar(255) PRIMARY KEY, key_id serial UNIQUE);
CREATE TABLE ts_kv (
    entity_id uuid NOT NULL, key int NOT NULL, ts bigint NOT NULL, bool_v boolean, str_v varchar(10000000),
    long_v bigint, dbl_v double precision, json_v json, PRIMARY KEY (entity_id, key, ts)) PARTITION BY RANGE (ts);
CREATE TABLE ts_kv_latest (
    entity_id uuid NOT NULL, key int NOT NULL, ts bigint NOT NULL, bool_v boolean, str_v varchar(10000000),
    long_v bigint, dbl_v double precision, json_v json, version bigint DEFAULT 0, PRIMARY KEY (entity_id, key));

DO $$
DECLARE
    month timestamp;
BEGIN
    FOR month IN SELECT DISTINCT date_trunc('month', to_timestamp(t_stamp / 1000) AT TIME ZONE 'UTC') FROM plant_reading
    LOOP
        EXECUTE format('CREATE TABLE %I PARTITION OF ts_kv FOR VALUES FROM (%s) TO (%s)',
            'ts_kv_' || to_char(month, 'YYYY_MM'), extract(epoch FROM month)::int8 * 1000,
            extract(epoch FROM month + interval '1 month')::int8 * 1000);
    END LOOP;
END $$;
CREATE TABLE ts_kv_indefinite PARTITION OF ts_kv DEFAULT;

CREATE TEMPORARY TABLE entity ON COMMIT DROP AS
SELECT id, kind, md5(place)::uuid AS entity_id, place, md5(site)::uuid AS tenant_id, site
FROM (SELECT *, regexp_replace(path, '/[^/]*$', '') AS place, substring(path FROM 'plant\d') AS site FROM plant_tag) t;
INSERT INTO tenant SELECT DISTINCT tenant_id, initcap(site) FROM entity;
INSERT INTO asset SELECT DISTINCT entity_id, tenant_id, place, 'furnace' FROM entity WHERE place LIKE '%furnace%';
INSERT INTO device SELECT DISTINCT entity_id, tenant_id, place, NULL FROM entity
WHERE place NOT LIKE '%furnace%' AND id < (SELECT max(id) FROM plant_tag);
INSERT INTO key_dictionary (key) SELECT DISTINCT kind FROM entity ORDER BY 1;
INSERT INTO ts_kv
SELECT entity_id, key_id, t_stamp, CASE kind WHEN 'running' THEN intvalue <> 0 END, stringvalue,
    CASE kind WHEN 'valve' THEN intvalue END, floatvalue,
    CASE WHEN datevalue IS NOT NULL THEN json_build_object('serviced', datevalue) END
FROM plant_reading JOIN entity USING (id) JOIN key_dictionary ON key = kind
WHERE dataintegrity = 192 ORDER BY t_stamp, id;
INSERT INTO ts_kv_latest
SELECT DISTINCT ON (entity_id, key) entity_id, key, ts, bool_v, str_v, long_v, dbl_v, json_v FROM ts_kv
ORDER BY entity_id, key, ts DESC;
