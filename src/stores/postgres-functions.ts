/**
 * Version 2 of the schema: what one statement cannot say without another round trip. Parameters end in `_`, so that none is
 * taken for a column. Each statement of a function sees what was committed before it (READ COMMITTED).
 */
export const functions = `
  -- The store's clock.
  CREATE FUNCTION pawl.now_ms() RETURNS bigint LANGUAGE sql VOLATILE
  AS $$ SELECT (extract(epoch FROM clock_timestamp()) * 1000)::bigint $$;

  -- Batches of a run from a first seq on, until bytes_max_ is passed; at least one.
  CREATE FUNCTION pawl.lines(run_ bigint, from_ integer, bytes_max_ bigint) RETURNS SETOF text LANGUAGE plpgsql STABLE
  AS $$
  DECLARE
    one text;
    bytes bigint := 0;
    is_first boolean := true;
  BEGIN
    FOR one IN SELECT line FROM pawl.batch WHERE run = run_ AND first_seq >= from_ ORDER BY first_seq LOOP
      bytes := bytes + octet_length(one);
      EXIT WHEN bytes > bytes_max_ AND NOT is_first;
      is_first := false;
      RETURN NEXT one;
    END LOOP;
  END $$;

  -- The account of a window, locked and made where its kind has a cap; room is null where nothing caps it.
  CREATE FUNCTION pawl.locked_account(tenant_ text, scope_ text, period_ text, kind_ text, unit_ text,
    OUT account bigint, OUT room bigint) LANGUAGE plpgsql
  AS $$
  DECLARE
    kind_cap bigint;
  BEGIN
    SELECT cap INTO kind_cap FROM pawl.account
      WHERE tenant = tenant_ AND scope = scope_ AND period = kind_ AND unit = unit_;
    LOOP
      SELECT id, coalesce(cap, kind_cap) - spent - reserved INTO account, room FROM pawl.account
        WHERE tenant = tenant_ AND scope = scope_ AND period = period_ AND unit = unit_ FOR UPDATE;
      EXIT WHEN FOUND OR kind_cap IS NULL;
      INSERT INTO pawl.account (tenant, scope, period, unit) VALUES (tenant_, scope_, period_, unit_)
        ON CONFLICT DO NOTHING;
    END LOOP;
  END $$;

  -- Takes all amounts or none. Callers give them in one order, so that nobody waits in a circle.
  -- refused: place (from 1) of one that does not fit, with the room it has; null = granted, now or before.
  CREATE FUNCTION pawl.reserve(tenant_ text, key_ text, run_id_ text, shown_ text, scopes_ text[], periods_ text[],
    kinds_ text[], units_ text[], amounts_ bigint[], OUT refused integer, OUT room bigint) LANGUAGE plpgsql
  AS $$
  DECLARE
    one record;
    ids bigint[] := '{}';
    held bigint[] := '{}';
  BEGIN
    FOR i IN 1 .. cardinality(scopes_) LOOP
      one := pawl.locked_account(tenant_, scopes_[i], periods_[i], kinds_[i], units_[i]);
      CONTINUE WHEN one.room IS NULL;
      ids := ids || one.account;
      held := held || amounts_[i];
      IF amounts_[i] > one.room AND refused IS NULL THEN
        refused := i;
        room := one.room;
      END IF;
    END LOOP;
    IF EXISTS (SELECT FROM pawl.reservation WHERE tenant = tenant_ AND key = key_) THEN
      refused := NULL;
      RETURN;
    END IF;
    IF refused IS NOT NULL OR cardinality(ids) = 0 THEN RETURN; END IF;
    INSERT INTO pawl.reservation (tenant, key, run_id, at, amounts, held_ids, held_amounts)
      VALUES (tenant_, key_, run_id_, pawl.now_ms(), shown_, ids, held) ON CONFLICT DO NOTHING;
    IF NOT FOUND THEN RETURN; END IF;
    UPDATE pawl.account SET reserved = reserved + h.amount FROM unnest(ids, held) AS h(account, amount)
      WHERE id = h.account;
  END $$;

  -- Replaces a reservation by what was used. Remembered for kept_ms_, since a late repeat of its reserve must hold nothing.
  CREATE FUNCTION pawl.settle(tenant_ text, key_ text, scopes_ text[], periods_ text[], kinds_ text[], units_ text[],
    amounts_ bigint[], kept_ms_ bigint) RETURNS void LANGUAGE plpgsql
  AS $$
  DECLARE
    open pawl.reservation;
    one record;
  BEGIN
    SELECT * INTO open FROM pawl.reservation
      WHERE tenant = tenant_ AND key = key_ AND settled_at IS NULL FOR UPDATE;
    IF NOT FOUND THEN RETURN; END IF;
    FOR i IN 1 .. cardinality(open.held_ids) LOOP
      UPDATE pawl.account SET reserved = reserved - open.held_amounts[i] WHERE id = open.held_ids[i];
    END LOOP;
    FOR i IN 1 .. cardinality(scopes_) LOOP
      one := pawl.locked_account(tenant_, scopes_[i], periods_[i], kinds_[i], units_[i]);
      IF one.room IS NOT NULL OR one.account = ANY (open.held_ids) THEN
        UPDATE pawl.account SET spent = spent + amounts_[i] WHERE id = one.account;
      END IF;
    END LOOP;
    IF cardinality(scopes_) = 0 THEN
      DELETE FROM pawl.reservation WHERE id = open.id;
    ELSE
      UPDATE pawl.reservation SET settled_at = pawl.now_ms() WHERE id = open.id;
    END IF;
    DELETE FROM pawl.reservation WHERE id IN (SELECT id FROM pawl.reservation
      WHERE settled_at <= pawl.now_ms() - kept_ms_ ORDER BY settled_at LIMIT 100 FOR UPDATE SKIP LOCKED);
  END $$;

  -- One bounded part of removing a scope: tombstones for all its runs, then events, blobs, last the tombstones.
  -- True when nothing is left.
  CREATE FUNCTION pawl.delete_step(tenant_ text, scope_ text) RETURNS boolean LANGUAGE plpgsql
  AS $$
  BEGIN
    PERFORM pg_advisory_xact_lock(hashtextextended(tenant_ || '/' || scope_, 0));
    UPDATE pawl.run SET deleted = true, due_at = NULL, session = NULL, asks = 0, dirty = false
      WHERE id IN (SELECT id FROM pawl.run WHERE tenant = tenant_ AND scope = scope_ AND NOT deleted LIMIT 200);
    IF FOUND THEN RETURN false; END IF;
    DELETE FROM pawl.batch WHERE (run, first_seq) IN (SELECT b.run, b.first_seq FROM pawl.run r
      JOIN pawl.batch b ON b.run = r.id WHERE r.tenant = tenant_ AND r.scope = scope_ AND r.deleted LIMIT 500);
    IF FOUND THEN RETURN false; END IF;
    DELETE FROM pawl.blob WHERE (tenant, scope, hash) IN (SELECT tenant, scope, hash FROM pawl.blob
      WHERE tenant = tenant_ AND scope = scope_ LIMIT 20);
    IF FOUND THEN RETURN false; END IF;
    UPDATE pawl.meta SET value = greatest(value::bigint, last.id)::text
      FROM (SELECT max(id) AS id FROM pawl.run WHERE tenant = tenant_ AND scope = scope_ AND deleted) last
      WHERE key = 'lastRunRemoved' AND value::bigint < last.id;
    DELETE FROM pawl.run WHERE id IN (SELECT id FROM pawl.run
      WHERE tenant = tenant_ AND scope = scope_ AND deleted LIMIT 200);
    RETURN NOT FOUND;
  END $$;
`;
