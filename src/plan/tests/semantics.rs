//! Postgres' answers, each as PostgreSQL prints it.

use super::fixture::{columns, run};

#[test]
fn show_semantics() {
    for sql in [
        "SELECT i + 2147483647 FROM numbers",
        "SELECT b + 9223372036854775807 FROM numbers",
        "SELECT -2147483648 - i FROM numbers WHERE i = 1",
        "SELECT 7 / 2, -7 / 2, 7 % 3, 7.0 / 2, 1 / 3.0",
        "SELECT i / 0 FROM numbers",
        "SELECT f / 0 FROM numbers",
        "SELECT 1.5 * 2, 0.908 * b FROM numbers",
        "SELECT 'abc'::int",
        "SELECT '42'::int + 1, '2024-01-31'::date + 1, DATE '2024-03-01' - DATE '2024-02-01'",
        "SELECT 2.5::int, 3.5::int, (-2.5)::int, 2.5::float8::int, 3.5::float8::int",
        "SELECT 3000000000::int",
        "SELECT 1e10::float8::int",
        "SELECT true::text, 1.50::text, 1.0::float8::text, TIMESTAMP '2024-01-01 10:00:00'::text",
        "SELECT 'abcdef'::varchar(3)",
        "SELECT 'a' || 1, 1 || 'a', 'a' || NULL",
        "SELECT sum(i), sum(b), avg(i), avg(n), sum(n), avg(f), sum(f) FROM numbers",
        "SELECT TIMESTAMP '2024-01-03 10:00:00' - TIMESTAMP '2024-01-01', TIMESTAMP '2024-01-31' + INTERVAL '1 month'",
        "SELECT DATE '2024-01-31' + INTERVAL '1 day', INTERVAL '1 day' * 2.5, INTERVAL '1 hour' / 2",
        "SELECT t FROM numbers WHERE i IN ('1', '2')",
        "SELECT t FROM numbers WHERE i = '2' AND d = '2024-02-29'",
        "SELECT t FROM numbers WHERE i = 'x'",
        "SELECT t FROM numbers WHERE t = i",
        "SELECT i FROM numbers WHERE i BETWEEN 2 AND 4",
        "SELECT i FROM numbers WHERE i",
        "SELECT i AND true FROM numbers",
        "SELECT count(*), count(b), count(DISTINCT t), max(t), bool_and(i > 0) FROM numbers",
        "SELECT coalesce(b, 0) + 1, nullif(i, 1), greatest(i, 3, NULL), least(b, 15) FROM numbers",
        "SELECT sum(CASE WHEN i > 1 THEN 1 ELSE 0 END) FROM numbers",
        "SELECT (SELECT i FROM numbers)",
        "SELECT name, (SELECT price FROM bid WHERE bidder = id) FROM person",
        "SELECT name, (SELECT max(price) FROM bid WHERE bidder = id) FROM person",
        "SELECT name FROM person WHERE id NOT IN (SELECT bidder FROM bid)",
        "SELECT price FROM bid WHERE bidder NOT IN (SELECT id FROM person WHERE id > 10)",
        "SELECT auction, window_start, window_end FROM TUMBLE(bid, ts, INTERVAL '10 s')",
        "SELECT price, window_start FROM HOP(bid, ts, INTERVAL '5 s', INTERVAL '10 s')",
        "SELECT DISTINCT ON (auction) auction, price FROM bid ORDER BY auction, price DESC",
        "SELECT auction, row_number() OVER (ORDER BY price) FROM bid ORDER BY 2",
        "SELECT * FROM (VALUES (1, 'a'), (2, 'b')) v (x, y) ORDER BY 1",
        "SELECT x + 1 FROM generate_series(1, 3) AS g(x)",
        "SELECT now(), current_date",
        "SELECT length('héllo'), upper('a'), split_part('a,b,c', ',', 2), position('b' in 'abc'), substring('hello' from 2 for 3), replace('aXb', 'X', '-')",
        "SELECT round(2.567, 2), round(2.5), round(-2.5), round(2.5::float8), trunc(2.7), ceil(2.1), floor(-2.1), abs(-3), mod(7, 3), power(2, 10)",
        "SELECT extract(year FROM ts), extract(second FROM ts), date_trunc('minute', ts), hour(ts) FROM bid WHERE price = 100",
        "SELECT to_char(ts, 'YYYY-MM-DD') FROM bid WHERE price = 100",
        "SELECT sum(price) OVER (ORDER BY price ROWS 1 PRECEDING) FROM bid ORDER BY price",
        "SELECT channel, count(*) FROM bid GROUP BY 1 ORDER BY 2 DESC, 1",
        "SELECT i FROM numbers ORDER BY i DESC LIMIT 1",
        "SELECT tumble_start(ts, INTERVAL '10 s'), count(*) FROM bid GROUP BY tumble(ts, INTERVAL '10 s')",
        "SELECT i FROM numbers INTERSECT ALL SELECT i FROM numbers",
        "SELECT 'a' LIKE 'A', 'a' ILIKE 'A', 'abc' ~ '^a', 'abc' !~* 'B'",
        "SELECT i::numeric(5,2), n::numeric(4,1), n::float8, f::numeric(5,1) FROM numbers WHERE i = 1",
        "SELECT n::numeric(2,1) * 1000 FROM numbers WHERE i = 1",
        "SELECT 12345.6::numeric(4,1)",
        "SELECT x FROM (SELECT i AS x FROM numbers UNION SELECT b FROM numbers) u ORDER BY x",
    ] {
        println!("{sql}\n  [{}]\n{}\n", columns(sql), run(sql));
    }
}

#[test]
fn show_errors() {
    for sql in [
        "SELECT pricee FROM bid",
        "SELECT b.pricee FROM bid b",
        "SELECT x.price FROM bid b",
        "SELECT price FROM bidd",
        "SELECT auction, count(*) FROM bid",
        "SELECT auction, price, count(*) FROM bid GROUP BY auction",
        "SELECT id FROM person a, person b",
        "SELECT a.id FROM person, person",
        "SELECT lenght(name) FROM person",
        "SELECT sum(name) FROM person",
        "SELECT name + 1 FROM person",
        "SELECT upper(1, 2)",
        "SELECT auction FROM bid UNION SELECT id, name FROM person",
        "SELECT auction FROM bid UNION SELECT name FROM person",
        "SELECT name FROM person WHERE name",
        "SELECT count(*) FROM bid WHERE count(*) > 1",
        "SELECT name::timestamp FROM person",
        "SELECT true::date",
        "SELECT id FROM person LIMIT -1",
        "SELECT (SELECT id, name FROM person)",
        "SELECT count(count(price)) FROM bid",
        "SELECT CASE WHEN 1 THEN 2 END",
        "SELECT NOT 1",
        "SELECT - name FROM person",
        "SELECT date_trunc('x', ts) FROM bid",
        "SELECT price FROM bid WHERE ts > 5",
        "SELECT name ~ '(' FROM person",
        "SELECT * FROM TUMBLE(bid, price, INTERVAL '10 s')",
        "SELECT * FROM HOP(bid, ts, INTERVAL '10 s', INTERVAL '5 s')",
        "SELECT * FROM TUMBLE(bid, ts)",
        "SELECT * FROM TUMBLE(bid, ts, INTERVAL '1 month')",
        "SELECT hop(ts, INTERVAL '1 s') FROM bid",
        "SELECT price FROM bid ORDER BY 7",
        "SELECT price FROM bid GROUP BY 7",
        "SELECT x.y.z.w FROM bid",
        "SELECT * FROM person p JOIN bid b USING (nope)",
        "SELECT name FROM person HAVING name > 'a'",
        "SELECT row_number() FROM bid",
        "SELECT price FROM bid WHERE row_number() OVER (ORDER BY price) = 1",
    ] {
        println!("{sql}\n  {}", run(sql));
    }
}

#[test]
fn show_refusals() {
    for sql in [
        "SELECT random() AS r FROM bid",
        "SELECT now() AS r FROM bid",
        "SELECT price FROM bid WHERE ts > now()",
        "SELECT price, sum(price) OVER (ORDER BY ts) AS s FROM bid",
        "SELECT price, lag(price) OVER (ORDER BY ts) AS s FROM bid",
        "SELECT array_agg(price) AS a FROM bid",
        "SELECT string_agg(name, ',') AS a FROM person",
        "SELECT auction, channel, count(*) FROM bid GROUP BY ROLLUP (auction, channel)",
        "WITH RECURSIVE t(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM t WHERE n < 5) SELECT n FROM t",
        "SELECT price, price FROM bid",
        "SELECT unnest(ARRAY[1,2]) AS x",
        "SELECT price FROM bid LIMIT 5 + 5",
        "SELECT p.name, x.price FROM person p, LATERAL (SELECT price FROM bid WHERE bidder = p.id ORDER BY price LIMIT 1) x",
        "SELECT p.name, x.m FROM person p, LATERAL (SELECT max(price) AS m FROM bid WHERE bidder = p.id) x",
        "SELECT price FROM bid WHERE bidder IN (SELECT id FROM person ORDER BY name LIMIT 2)",
        "SELECT bidder IN (SELECT id FROM person) AS known FROM bid",
        "SELECT price FROM bid b WHERE price > 5 OR b.bidder NOT IN (SELECT id FROM person)",
        "SELECT price FROM bid b WHERE price > 5 OR b.bidder NOT IN (SELECT bidder FROM bid)",
        "SELECT name FROM person p WHERE EXISTS (SELECT 1 FROM bid WHERE bidder = p.id AND price > 100)",
        "SELECT name FROM person p WHERE 100 < ALL (SELECT price FROM bid WHERE bidder = p.id)",
        "SELECT price FROM bid QUALIFY row_number() OVER (PARTITION BY auction ORDER BY ts) = 1",
        "SELECT stddev(price) AS s, variance(price) AS v, var_pop(price) AS w FROM bid",
    ] {
        let text = std::panic::catch_unwind(|| super::fixture::plan(sql));
        match text {
            Ok(text) => println!("{sql}{text}"),
            Err(panic) => println!("{sql}\n  {:?}", panic.downcast_ref::<String>()),
        }
    }
}
