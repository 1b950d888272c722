-- Zabbix 7: a table for each kind of value, a template and an item prototype beside the hosts' own items. It knows no
-- quality: what is bad is not stored.
CREATE TABLE hosts (hostid bigint PRIMARY KEY, host varchar(128) NOT NULL, status integer NOT NULL, name varchar(128));
CREATE TABLE items (
    itemid bigint PRIMARY KEY, hostid bigint NOT NULL REFERENCES hosts, name varchar(255) NOT NULL,
    key_ varchar(2048) NOT NULL, value_type integer NOT NULL, units varchar(255) NOT NULL, flags integer NOT NULL,
    UNIQUE (hostid, key_));
CREATE TABLE history (
    itemid bigint NOT NULL, clock integer NOT NULL, value double precision NOT NULL, ns integer NOT NULL,
    PRIMARY KEY (itemid, clock, ns));
CREATE TABLE history_uint (
    itemid bigint NOT NULL, clock integer NOT NULL, value numeric(20) NOT NULL, ns integer NOT NULL,
    PRIMARY KEY (itemid, clock, ns));
CREATE TABLE history_str (
    itemid bigint NOT NULL, clock integer NOT NULL, value varchar(255) NOT NULL, ns integer NOT NULL,
    PRIMARY KEY (itemid, clock, ns));
CREATE TABLE history_text (
    itemid bigint NOT NULL, clock integer NOT NULL, value text NOT NULL, ns integer NOT NULL,
    PRIMARY KEY (itemid, clock, ns));

CREATE TEMPORARY VIEW item_of_tag AS
SELECT *, trim(regexp_replace(translate(regexp_replace(path, '/[^/]*$', ''), '/', '.'), '[^[:alnum:]._-]+', ' ', 'g')) AS host
FROM plant_tag;
INSERT INTO hosts VALUES (1, 'Template Plant', 3, 'Template Plant');
INSERT INTO hosts SELECT 10000 + row_number() OVER (ORDER BY host), host, 0, host FROM (
    SELECT DISTINCT host FROM item_of_tag) t;
INSERT INTO items SELECT id, 1, 'of a template', 'template[' || kind || ']', 0, '', 0 FROM plant_tag WHERE id = 1;
INSERT INTO items SELECT 2, 10001, 'of a rule', 'prototype[{#N}]', 0, '', 2;
INSERT INTO items SELECT 40000 + id, hostid, description, kind,
    CASE kind WHEN 'recipe' THEN 1 WHEN 'last_service' THEN 4 WHEN 'valve' THEN 3 WHEN 'running' THEN 3 ELSE 0 END, unit, 0
FROM item_of_tag JOIN hosts USING (host);

CREATE TEMPORARY VIEW stored AS
SELECT 40000 + id AS itemid, (t_stamp / 1000)::int AS clock,
    (t_stamp % 1000 * 1000000 + (t_stamp + id * 7919) % 1000000)::int AS ns,
    floatvalue, intvalue, stringvalue, datevalue
FROM plant_reading WHERE dataintegrity = 192 ORDER BY t_stamp, id;
INSERT INTO history SELECT itemid, clock, floatvalue, ns FROM stored WHERE floatvalue IS NOT NULL;
-- Counters of bytes reach beyond what a double tells apart.
INSERT INTO history_uint
SELECT itemid, clock, intvalue + CASE WHEN clock % 50 = 0 THEN 18446744073709551000 ELSE 0 END, ns
FROM stored WHERE intvalue IS NOT NULL;
INSERT INTO history_str SELECT itemid, clock, stringvalue, ns FROM stored WHERE stringvalue IS NOT NULL;
INSERT INTO history_text SELECT itemid, clock, datevalue::text, ns FROM stored WHERE datevalue IS NOT NULL;
DROP VIEW item_of_tag, stored;
