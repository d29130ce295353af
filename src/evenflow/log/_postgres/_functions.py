"""What a log in PostgreSQL does on the server: the functions in its schema.

Rule 1: a change is one call of ``change()``: it looks at everything before it writes, so that what is refused has
        written nothing, and several changes may share a transaction.
Rule 2: whoever appends holds the row of ``counter`` until the commit: events become visible in the order of their
        numbers, and a reader never finds one behind another that it was given.
Rule 3: no transaction relies on what another has left in its session (no lock and no setting outlives its transaction,
        and a prepared statement only saves time, see ``_prepared``): so it works behind a pooler that gives each
        transaction another session.
"""

from __future__ import annotations

from typing import Any, Final

PARTITION: Final = 2**20
"""How many numbers lie in one partition of the events: it is dropped as a whole once nobody can read any of them."""

# The events are parallel arrays, as long as `datas`. An array of one subject, type or version is of all events; where
# no event has an id, a digest, headers or a key, the array is NULL.
# What is returned: 'ok', or 'outdated' with the keys, or 'taken' with subject, id, and 'true' where that is scheduled,
# 'same' where it was to be reserved and the same event is stored. The numbers of the events are
# `seqs`; or, where all of them are new, those that follow `base`.
# What most settlements are, one record that is known and stored again, is checked and stored by one statement.
# A number of the writer (see _changes) is given with the first change of each transaction: it is left in the writer's
# row, last of all, with what is returned.
_CHANGE: Final = """
CREATE OR REPLACE FUNCTION {s}.change(
    of_member text, number bigint, expect_keys text[], expect_versions bigint[], put_keys text[], put_values bytea[],
    put_dues double precision[], delete_keys text[], subjects text[], types text[], versions integer[], datas text[],
    headerses text[], ids text[], digests bytea[], keys text[], scheduleds boolean[], reserve_subjects text[],
    reserve_ids text[], reserve_digests bytea[], free_subjects text[], free_ids text[],
    keep_ids bigint, wait_for_disk boolean,
    OUT outcome text, OUT detail text[], OUT base bigint, OUT seqs bigint[], OUT put_version bigint
) LANGUAGE plpgsql SET search_path FROM CURRENT AS $change$
DECLARE
    at bigint; made integer := 0; n integer := coalesce(cardinality(datas), 0); parts bigint;
    taken record; place integer; knowns bigint[]; firsts bigint[]; are_new boolean;
BEGIN
    outcome := 'ok';
    PERFORM set_config('synchronous_commit', CASE WHEN wait_for_disk THEN 'on' ELSE 'off' END, true);
    <<work>>
    BEGIN
        IF cardinality(expect_keys) = 1 AND expect_versions[1] > 0 AND put_keys = expect_keys AND delete_keys IS NULL
            AND n = 0 AND reserve_ids IS NULL AND free_ids IS NULL
        THEN
            put_version := {s}.next_version(wait_for_disk);
            UPDATE {s}.record SET version = put_version, due = put_dues[1], value = put_values[1]
                WHERE key = expect_keys[1] AND version = expect_versions[1];
            IF NOT FOUND THEN outcome := 'outdated'; detail := expect_keys; put_version := NULL; END IF;
            EXIT work;
        END IF;
        IF cardinality(expect_keys) > 0 THEN
            PERFORM pg_advisory_xact_lock(hashtextextended('{s}/' || k, 0))
                FROM (SELECT k FROM unnest(expect_keys, expect_versions) AS e(k, v) WHERE v = 0 ORDER BY k) AS absent;
            PERFORM 1 FROM {s}.record WHERE key = ANY(expect_keys) ORDER BY key FOR UPDATE;
            SELECT array_agg(k) INTO detail FROM unnest(expect_keys, expect_versions) AS e(k, v)
                LEFT JOIN {s}.record r ON r.key = k WHERE coalesce(r.version, 0) <> v;
            IF detail IS NOT NULL THEN outcome := 'outdated'; EXIT work; END IF;
        END IF;
        IF n > 0 OR cardinality(reserve_ids) > 0 OR cardinality(free_ids) > 0 THEN
            IF ids IS NULL AND reserve_ids IS NULL THEN
                UPDATE {s}.counter c SET seq = c.seq + n,
                    time = greatest(c.time, (extract(epoch FROM clock_timestamp()) * 1e6)::bigint)
                    RETURNING c.seq - n, c.time, c.partitions INTO base, at, parts;
                made := n;
            ELSE
                IF cardinality(subjects) = 1 THEN subjects := array_fill(subjects[1], ARRAY[n]); END IF;
                SELECT c.seq, greatest(c.time, (extract(epoch FROM clock_timestamp()) * 1e6)::bigint), c.partitions
                    INTO base, at, parts FROM {s}.counter c FOR UPDATE;
                SELECT array_agg(known ORDER BY o), array_agg(first ORDER BY o), min(o) FILTER (WHERE wrong),
                        bool_and(known IS NULL AND first = o)
                    INTO knowns, firsts, place, are_new
                FROM (
                    SELECT o, first, CASE WHEN is_own THEN NULL ELSE d_seq END AS known,
                        coalesce(d_seq IS NOT NULL AND NOT is_own AND (d_seq = 0 OR d_digest <> di), false)
                            OR (first <> o AND first_di <> di) AS wrong
                    FROM (
                        SELECT o, di, d.seq AS d_seq, d.digest AS d_digest, coalesce(sc AND d.seq = 0, false) AS is_own,
                            CASE WHEN nm IS NULL THEN o ELSE min(o) OVER w END AS first,
                            CASE WHEN nm IS NULL THEN di ELSE first_value(di) OVER w END AS first_di
                        FROM unnest(subjects, ids, digests, scheduleds) WITH ORDINALITY AS e(su, nm, di, sc, o)
                        LEFT JOIN {s}.dedup d ON d.subject = su AND d.id = nm AND (d.until IS NULL OR d.until > at)
                        WINDOW w AS (PARTITION BY su, nm ORDER BY o)
                    ) AS looked
                ) AS decided;
                IF place IS NOT NULL THEN
                    outcome := 'taken';
                    detail := ARRAY[subjects[place], ids[place], coalesce((SELECT d.seq = 0 FROM {s}.dedup d
                        WHERE d.subject = subjects[place] AND d.id = ids[place]), false)::text];
                    EXIT work;
                END IF;
                IF are_new THEN
                    made := n;
                ELSE
                    seqs := '{{}}';
                    FOR i IN 1..n LOOP
                        IF knowns[i] IS NOT NULL THEN
                            seqs := seqs || knowns[i];
                        ELSIF firsts[i] < i THEN
                            seqs := seqs || seqs[firsts[i]];
                        ELSE
                            made := made + 1; seqs := seqs || (base + made);
                        END IF;
                    END LOOP;
                END IF;
            END IF;
            FOR i IN 1..coalesce(cardinality(reserve_ids), 0) LOOP
                SELECT d.seq, d.digest = reserve_digests[i] AS same INTO taken FROM {s}.dedup d
                    WHERE d.subject = reserve_subjects[i] AND d.id = reserve_ids[i]
                    AND (d.until IS NULL OR d.until > at);
                IF taken.seq IS NOT NULL THEN
                    outcome := 'taken';
                    detail := ARRAY[reserve_subjects[i], reserve_ids[i], CASE WHEN taken.seq = 0 THEN 'true'
                        WHEN taken.same THEN 'same' ELSE 'false' END];
                    EXIT work;
                END IF;
            END LOOP;
            -- nothing is refused from here on
            IF made > 0 THEN
                IF base + made >= parts * {size} THEN PERFORM {s}.make_partitions(base + made); END IF;
                IF seqs IS NULL THEN
                    INSERT INTO {s}.event (seq, subject, type, version, id, time, headers, data, key)
                        SELECT base + o, coalesce(su, subjects[1]), coalesce(ty, types[1]), coalesce(ve, versions[1]),
                            nm, at, he, da, ke
                        FROM unnest(datas, subjects, types, versions, ids, headerses, keys)
                            WITH ORDINALITY AS e(da, su, ty, ve, nm, he, ke, o);
                ELSE
                    INSERT INTO {s}.event (seq, subject, type, version, id, time, headers, data, key)
                        SELECT DISTINCT ON (q) q, coalesce(su, subjects[1]), coalesce(ty, types[1]),
                            coalesce(ve, versions[1]), nm, at, he, da, ke
                        FROM unnest(seqs, datas, subjects, types, versions, ids, headerses, keys)
                            WITH ORDINALITY AS e(q, da, su, ty, ve, nm, he, ke, o) WHERE q > base ORDER BY q, o;
                END IF;
                IF ids IS NOT NULL OR reserve_ids IS NOT NULL THEN
                    UPDATE {s}.counter SET seq = base + made, time = at;
                END IF;
                INSERT INTO {s}.subject AS s (name, last)
                    SELECT subjects[1], base + made WHERE cardinality(subjects) = 1
                    UNION ALL (SELECT su, max(coalesce(q, base + o))
                        FROM unnest(subjects, seqs) WITH ORDINALITY AS e(su, q, o)
                        WHERE cardinality(subjects) > 1 AND coalesce(q, base + o) > base GROUP BY su ORDER BY su)
                    ON CONFLICT (name) DO UPDATE SET last = excluded.last;
            END IF;
            IF ids IS NOT NULL THEN
                INSERT INTO {s}.dedup (subject, id, seq, digest, until)
                    SELECT DISTINCT ON (su, nm) su, nm, coalesce(q, base + o), di, at + keep_ids
                    FROM unnest(seqs, ids, digests, subjects) WITH ORDINALITY AS e(q, nm, di, su, o)
                    WHERE coalesce(q, base + o) > base AND nm IS NOT NULL
                    ON CONFLICT (subject, id) DO UPDATE
                        SET seq = excluded.seq, digest = excluded.digest, until = excluded.until;
            END IF;
            IF reserve_ids IS NOT NULL THEN
                INSERT INTO {s}.dedup (subject, id, seq, digest, until)
                    SELECT su, nm, 0, di, NULL
                    FROM unnest(reserve_subjects, reserve_ids, reserve_digests) AS e(su, nm, di)
                    ON CONFLICT (subject, id) DO UPDATE SET seq = 0, digest = excluded.digest, until = NULL;
            END IF;
            IF free_ids IS NOT NULL THEN
                DELETE FROM {s}.dedup d USING unnest(free_subjects, free_ids) AS f(su, nm)
                    WHERE d.subject = su AND d.id = nm AND d.seq = 0;
            END IF;
        END IF;
        IF put_keys IS NOT NULL OR delete_keys IS NOT NULL OR reserve_ids IS NOT NULL OR free_ids IS NOT NULL THEN
            put_version := {s}.next_version(wait_for_disk);
        END IF;
        IF cardinality(delete_keys) > 0 THEN DELETE FROM {s}.record WHERE key = ANY(delete_keys); END IF;
        IF cardinality(put_keys) > 0 THEN
            INSERT INTO {s}.record (key, version, due, value)
                SELECT k, put_version, d, v FROM unnest(put_keys, put_dues, put_values) AS p(k, d, v) ORDER BY k
                ON CONFLICT (key) DO UPDATE SET version = put_version, due = excluded.due, value = excluded.value;
        END IF;
    END work;
    IF made = n THEN seqs := NULL; END IF;
    IF number IS NOT NULL THEN
        INSERT INTO {s}.writer AS w (member, made, outcome, detail, base, seqs, put_version)
            VALUES (of_member, number, outcome, detail, base, seqs, put_version)
            ON CONFLICT (member) DO UPDATE SET made = excluded.made, at = now(), outcome = excluded.outcome,
                detail = excluded.detail, base = excluded.base, seqs = excluded.seqs,
                put_version = excluded.put_version
            WHERE w.made < excluded.made;
        IF NOT FOUND THEN
            RAISE EXCEPTION 'this transaction was given up, and may have been made again';
        END IF;
    END IF;
END $change$;
"""

# Whoever waits is told of records by the sequence; of events the counter tells.
# A power cut may take back the sequence together with a transaction that did not wait for the disk: the numbers that it
# took are given again. So the versions of such a one are others, which nobody is ever given again.
_VERSION: Final = """
CREATE OR REPLACE FUNCTION {s}.next_version(wait_for_disk boolean) RETURNS bigint
LANGUAGE plpgsql AS $version$
DECLARE number bigint;
BEGIN
    PERFORM pg_current_xact_id();  -- first: whoever hears of the version must see that it is under way
    number := nextval('{s}.version');
    IF wait_for_disk THEN RETURN number; END IF;
    RETURN (hashtextextended(gen_random_uuid()::text, 0) & (4611686018427387904 - 1)) | 4611686018427387904;  -- 2^62
END $version$;
"""

_PARTITIONS: Final = """
CREATE OR REPLACE FUNCTION {s}.make_partitions(last bigint) RETURNS void
LANGUAGE plpgsql SET search_path FROM CURRENT AS $make$
DECLARE number bigint;
BEGIN
    SELECT partitions INTO number FROM {s}.counter;
    WHILE number * {size} <= last LOOP
        EXECUTE format('CREATE TABLE IF NOT EXISTS {s}.event_%s PARTITION OF {s}.event FOR VALUES FROM (%s) TO (%s)',
            number, number * {size}, (number + 1) * {size});
        number := number + 1;
        UPDATE {s}.counter SET partitions = number;
    END LOOP;
END $make$;
"""

# Retention: what is below a subject's floor is not read any more; a partition goes once nothing in it is read.
_TRIM: Final = """
CREATE OR REPLACE FUNCTION {s}.trim(of text, through bigint, most integer, keep_newest boolean) RETURNS integer
LANGUAGE plpgsql SET search_path FROM CURRENT AS $trim$
DECLARE gone integer; highest bigint; old bigint;
BEGIN
    PERFORM 1 FROM {s}.subject WHERE name = of FOR UPDATE;
    SELECT hidden INTO old FROM {s}.subject WHERE name = of;
    IF old IS NULL THEN RETURN 0; END IF;
    IF keep_newest THEN
        WITH going AS (
            SELECT e.seq FROM {s}.event e WHERE e.subject = of AND e.seq > old AND e.seq <= through
                AND (e.key IS NULL OR EXISTS (
                    SELECT 1 FROM {s}.event n WHERE n.subject = of AND n.key = e.key AND n.seq > e.seq))
            ORDER BY e.seq LIMIT most
        ), deleted AS (
            DELETE FROM {s}.event e USING going g WHERE e.subject = of AND e.seq = g.seq RETURNING e.seq
        )
        SELECT count(*), max(seq) INTO gone, highest FROM deleted;
        UPDATE {s}.subject SET floor = greatest(floor, coalesce(highest, floor)), removed = removed + gone
            WHERE name = of;
        RETURN gone;
    END IF;
    SELECT count(*), max(seq) INTO gone, highest FROM (
        SELECT seq FROM {s}.event WHERE subject = of AND seq > old AND seq <= through ORDER BY seq LIMIT most) AS g;
    IF gone = 0 THEN RETURN 0; END IF;
    UPDATE {s}.subject SET hidden = highest, floor = greatest(floor, highest), removed = removed + gone
        WHERE name = of;
    PERFORM {s}.drop_partitions(most);
    RETURN gone;
END $trim$;

CREATE OR REPLACE FUNCTION {s}.drop_partitions(most integer) RETURNS void
LANGUAGE plpgsql SET search_path FROM CURRENT AS $drop$
DECLARE last bigint; part record; hidden boolean; seen boolean;
BEGIN
    SELECT seq INTO last FROM {s}.counter;
    FOR part IN SELECT c.relname, substring(c.relname FROM '[0-9]+$')::bigint AS number
        FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid WHERE i.inhparent = '{s}.event'::regclass
        ORDER BY 2 LIMIT 4
    LOOP
        EXIT WHEN (part.number + 1) * {size} > last;
        EXECUTE format('SELECT EXISTS (SELECT 1 FROM {s}.subject s WHERE EXISTS ('
            'SELECT 1 FROM {s}.%I e WHERE e.subject = s.name AND e.seq > s.hidden))', part.relname) INTO seen;
        IF NOT seen THEN
            EXECUTE format('DROP TABLE {s}.%I', part.relname);
        ELSE
            EXECUTE format('DELETE FROM {s}.%1$I WHERE ctid = ANY (ARRAY(SELECT e.ctid FROM {s}.%1$I e'
                ' JOIN {s}.subject s ON s.name = e.subject WHERE e.seq <= s.hidden LIMIT %2$s))', part.relname, most);
        END IF;
    END LOOP;
END $drop$;
"""

# The first row that is returned is the newest number of the log and, as its time, the floor; the events follow. All are
# of one snapshot: an event that commits meanwhile is in neither. The events are found by a plan that is made for these
# numbers: one that was made when there were few would read all of them.
_READ: Final = """
CREATE OR REPLACE FUNCTION {s}.read(of text, after bigint, most bigint, many integer, OUT seq bigint, OUT type text,
    OUT version integer, OUT data text, OUT headers text, OUT id text, OUT "time" bigint) RETURNS SETOF record
LANGUAGE plpgsql STABLE SET search_path FROM CURRENT AS $read$
DECLARE low bigint;
BEGIN
    SELECT c.seq, coalesce(s.floor, 0), greatest(after, coalesce(s.hidden, 0)) INTO seq, time, low
        FROM {s}.counter c LEFT JOIN {s}.subject s ON s.name = of;
    RETURN NEXT;
    RETURN QUERY EXECUTE 'SELECT seq, type, version, data, headers, id, time FROM {s}.event'
        ' WHERE subject = $1 AND seq > $2 AND seq <= $3 ORDER BY seq LIMIT $4' USING of, low, least(most, seq), many;
END $read$;
"""

_PLACE: Final = """
CREATE OR REPLACE FUNCTION {s}.place(of text, moment bigint) RETURNS bigint
LANGUAGE plpgsql STABLE SET search_path FROM CURRENT AS $place$
DECLARE low bigint; high bigint; middle bigint; newest bigint; found record;
BEGIN
    SELECT hidden, last INTO low, newest FROM {s}.subject WHERE name = of;
    IF newest IS NULL THEN RETURN 0; END IF;
    SELECT seq INTO low FROM {s}.event WHERE subject = of AND seq > low ORDER BY seq LIMIT 1;
    IF low IS NULL THEN RETURN newest; END IF;
    high := newest + 1;
    WHILE low < high LOOP
        middle := (low + high) / 2;
        SELECT seq, time INTO found FROM {s}.event WHERE subject = of AND seq >= middle AND seq < high
            ORDER BY seq LIMIT 1;
        IF found.seq IS NULL OR found.time >= moment THEN high := middle; ELSE low := found.seq + 1; END IF;
    END LOOP;
    SELECT seq INTO found FROM {s}.event WHERE subject = of AND seq >= low ORDER BY seq LIMIT 1;
    RETURN coalesce(found.seq - 1, newest);
END $place$;
"""

# The outbox: rows that committed go to the log, in the order of their numbers. One process at a time does that.
_RELAY: Final = """
CREATE OR REPLACE FUNCTION {s}.relay(most integer, keep_ids bigint, wait_for_disk boolean,
    OUT moved integer, OUT refused text)
LANGUAGE plpgsql SET search_path FROM CURRENT AS $relay$
DECLARE numbers bigint[]; made record; e record;
BEGIN
    moved := 0;
    IF NOT pg_try_advisory_xact_lock(hashtextextended('{s} relay', 0)) THEN RETURN; END IF;
    numbers := ARRAY(SELECT o.number FROM {s}.outbox o WHERE o.refused IS NULL ORDER BY o.number LIMIT most);
    IF cardinality(numbers) = 0 THEN RETURN; END IF;
    SELECT array_agg(subject ORDER BY number) AS subjects, array_agg(type ORDER BY number) AS types,
        array_agg(version ORDER BY number) AS versions, array_agg(data ORDER BY number) AS datas,
        array_agg(headers ORDER BY number) AS headerses,
        CASE WHEN count(id) > 0 THEN array_agg(id ORDER BY number) END AS ids,
        array_agg(digest ORDER BY number) AS digests, array_agg(key ORDER BY number) AS keys INTO e
        FROM {s}.outbox WHERE number = ANY(numbers);
    SELECT * INTO made FROM {s}.change(NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, e.subjects, e.types,
        e.versions, e.datas, e.headerses, e.ids, e.digests, e.keys, NULL, NULL, NULL, NULL, NULL, NULL,
        keep_ids, wait_for_disk);
    IF made.outcome = 'ok' THEN
        DELETE FROM {s}.outbox WHERE number = ANY(numbers);
        moved := cardinality(numbers);
    ELSE  -- one of them has an id that belongs to other data: it stays, marked, and the others go
        UPDATE {s}.outbox o SET refused = 'the id belongs to other data' WHERE o.number = (
            SELECT min(number) FROM {s}.outbox x WHERE x.number = ANY(numbers) AND x.subject = made.detail[1]
                AND x.id = made.detail[2] AND NOT EXISTS (SELECT 1 FROM {s}.dedup d WHERE d.subject = x.subject
                    AND d.id = x.id AND d.digest = x.digest AND d.seq > 0));
        refused := made.detail[2];
    END IF;
END $relay$;
"""


async def make_functions(connection: Any, s: str) -> None:
    """Make them, or bring them up to this version, in the schema of this (quoted) name."""
    for text in (_PARTITIONS, _VERSION, _CHANGE, _TRIM, _READ, _PLACE, _RELAY):
        await connection.execute(text.format(s=s, size=PARTITION))
