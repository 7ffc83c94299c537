package postgres

import "fmt"

// schema gives what makes the table. Tables of the store are in it side by side; an expiry of 0 is
// none.
func (s *Store) schema(name string) []string {
	return []string{
		fmt.Sprintf(`CREATE TABLE IF NOT EXISTS %s (
			tbl text COLLATE "C" NOT NULL, key bytea NOT NULL, value bytea NOT NULL, version bigint NOT NULL, expires bigint NOT NULL,
			PRIMARY KEY (tbl, key))`, s.table),
		fmt.Sprintf(`CREATE INDEX IF NOT EXISTS %s ON %s (expires) WHERE expires > 0`, quoted(name+"_expires"), s.table),
		fmt.Sprintf(`CREATE SEQUENCE IF NOT EXISTS %s`, s.seq),
	}
}

// statements are what the store sends.
type statements struct {
	get, scan, scanFrom, all         string
	lock, version, insert, put, drop string
	sweep, any, clear, last, setLast string
}

func (s *Store) statements() statements {
	const columns = "key, value, version, expires"
	t := func(text string) string { return fmt.Sprintf(text, s.table) }
	return statements{
		get:      t("SELECT " + columns + " FROM %s WHERE tbl = $1 AND key = ANY($2) AND (expires = 0 OR expires > $3)"),
		scan:     t("SELECT " + columns + " FROM %s WHERE tbl = $1 AND key >= $2 AND (expires = 0 OR expires > $3) ORDER BY key"),
		scanFrom: t("SELECT " + columns + " FROM %s WHERE tbl = $1 AND key >= $2 AND (expires = 0 OR expires > $3) AND key < $4 ORDER BY key"),
		all:      t("SELECT tbl, " + columns + " FROM %s WHERE expires = 0 OR expires > $1"),

		// Rows are locked in the order of the keys, by all, so that no two wait for each other.
		lock: t(`SELECT tbl, key, version, expires FROM %s JOIN unnest($1::text[], $2::bytea[]) AS w (tbl, key) USING (tbl, key)
			ORDER BY tbl, key FOR UPDATE OF ` + s.table),
		version: fmt.Sprintf("SELECT nextval('%s')", s.seq),
		// What must be absent is inserted, and fails if another has inserted it since.
		insert: t(`INSERT INTO %s (tbl, key, value, version, expires)
			SELECT * FROM unnest($1::text[], $2::bytea[], $3::bytea[], $4::bigint[], $5::bigint[]) AS w (tbl, key, value, version, expires) ORDER BY w.tbl COLLATE "C", w.key`),
		put: t(`INSERT INTO %s (tbl, key, value, version, expires)
			SELECT * FROM unnest($1::text[], $2::bytea[], $3::bytea[], $4::bigint[], $5::bigint[]) AS w (tbl, key, value, version, expires) ORDER BY w.tbl COLLATE "C", w.key
			ON CONFLICT (tbl, key) DO UPDATE SET value = excluded.value, version = excluded.version, expires = excluded.expires`),
		drop: t("DELETE FROM %s AS t USING unnest($1::text[], $2::bytea[]) AS w (tbl, key) WHERE t.tbl = w.tbl AND t.key = w.key"),

		sweep:   fmt.Sprintf("DELETE FROM %s WHERE ctid IN (SELECT ctid FROM %s WHERE expires > 0 AND expires <= $1 LIMIT $2 FOR UPDATE SKIP LOCKED)", s.table, s.table),
		any:     t("SELECT EXISTS (SELECT FROM %s WHERE expires = 0 OR expires > $1)"),
		clear:   t("DELETE FROM %s"),
		last:    fmt.Sprintf("SELECT last_value FROM %s", s.seq),
		setLast: fmt.Sprintf("SELECT setval('%s', greatest($1, (SELECT last_value FROM %s)))", s.seq, s.seq),
	}
}
