//! What plans become.

use super::fixture::plan;

#[test]
fn show() {
    for sql in [
        "SELECT auction, price * 2 AS p FROM bid WHERE price > 100",
        "SELECT auction, count(*) AS n, max(price) AS m, avg(price) AS a FROM bid GROUP BY auction HAVING count(*) > 1",
        "SELECT b.price, p.name FROM bid b JOIN person p ON b.bidder = p.id WHERE p.city = 'Oslo' AND b.price > 5",
        "SELECT b.price, p.name FROM bid b LEFT JOIN person p ON b.bidder = p.id + 1 AND b.price > 5",
        "SELECT DISTINCT channel FROM bid",
        "SELECT auction FROM bid UNION SELECT id FROM person",
        "SELECT auction FROM bid INTERSECT SELECT id FROM person",
        "SELECT auction FROM bid EXCEPT SELECT id FROM person",
        "SELECT auction, price FROM bid ORDER BY price DESC LIMIT 3",
        "SELECT auction FROM bid ORDER BY price DESC LIMIT 3",
        "SELECT auction, price FROM (SELECT *, row_number() OVER (PARTITION BY auction ORDER BY price DESC) AS rn FROM bid) x WHERE rn <= 2",
        "SELECT auction, price, rn FROM (SELECT *, rank() OVER (PARTITION BY auction ORDER BY price DESC) AS rn FROM bid) x WHERE rn < 3 AND price > 3",
        "SELECT DISTINCT ON (auction) auction, price FROM bid ORDER BY auction, ts DESC",
        "SELECT price FROM bid WHERE price > (SELECT avg(price) FROM bid)",
        "SELECT price FROM bid WHERE price > (SELECT id FROM person)",
        "SELECT price, (SELECT name FROM person WHERE id = bidder) AS name FROM bid",
        "SELECT price FROM bid b WHERE EXISTS (SELECT 1 FROM person p WHERE p.id = b.bidder)",
        "SELECT price FROM bid b WHERE b.bidder IN (SELECT id FROM person) OR price > 5",
        "SELECT price FROM bid b WHERE b.bidder NOT IN (SELECT id FROM person)",
        "SELECT name FROM person WHERE id NOT IN (SELECT bidder FROM bid)",
        "SELECT window_start, count(*) AS n FROM TUMBLE(bid, ts, INTERVAL '10 s') GROUP BY window_start",
        "SELECT auction, window_end FROM HOP(bid, ts, INTERVAL '2 s', INTERVAL '10 s') h WHERE h.price > 5",
        "SELECT 1 AS a, 'x' AS b",
        "SELECT * FROM (VALUES (1, 'a'), (2, 'b')) v (x, y)",
        "SELECT count(*) AS n FROM bid",
        "WITH a AS (SELECT auction, max(price) AS m FROM bid GROUP BY auction) SELECT b.bidder FROM bid b JOIN a ON b.auction = a.auction AND b.price = a.m",
        "SELECT count(DISTINCT bidder) AS n, sum(price) FILTER (WHERE channel = 'web') AS s FROM bid",
    ] {
        println!("{sql}{}", plan(sql));
    }
}
