//! Random queries over three tables of equal shape.

use rand::RngExt;
use rand::rngs::StdRng;

/// The tables.
pub const TABLES: [&str; 3] = ["r", "s", "t"];

/// A column and how its values are made: small domains, so that keys meet and rows repeat.
pub struct Column {
    /// Its name.
    pub name: &'static str,
    /// Its type.
    pub sql_type: &'static str,
    /// A random literal.
    pub value: fn(&mut StdRng) -> String,
}

/// The columns besides `id`.
pub const COLUMNS: [Column; 6] = [
    Column {
        name: "a",
        sql_type: "int",
        value: |random| nullable(random, 0.15, |r| r.random_range(-2..4).to_string()),
    },
    Column {
        name: "b",
        sql_type: "bigint",
        value: |random| nullable(random, 0.15, |r| r.random_range(0..6).to_string()),
    },
    Column {
        name: "c",
        sql_type: "numeric(10,2)",
        value: |random| {
            nullable(random, 0.2, |r| {
                format!("{}.{:02}", r.random_range(-3..9), r.random_range(0..100))
            })
        },
    },
    Column {
        name: "f",
        sql_type: "double precision",
        value: |random| {
            nullable(random, 0.2, |r| format!("{}", f64::from(r.random_range(-400..400)) / 16.0))
        },
    },
    Column {
        name: "s",
        sql_type: "text",
        value: |random| {
            nullable(random, 0.2, |r| {
                format!("'{}'", ["x", "y", "zz", "", "Xy"][r.random_range(0..5)])
            })
        },
    },
    Column {
        name: "ts",
        sql_type: "timestamp",
        value: |random| {
            nullable(random, 0.1, |r| {
                format!(
                    "timestamp '2026-01-01 00:{:02}:{:02}'",
                    r.random_range(0..3),
                    r.random_range(0..60)
                )
            })
        },
    },
];

fn nullable(random: &mut StdRng, share: f64, value: impl Fn(&mut StdRng) -> String) -> String {
    if random.random_bool(share) { "NULL".to_owned() } else { value(random) }
}

fn pick<'a, T>(random: &mut StdRng, items: &'a [T]) -> &'a T {
    &items[random.random_range(0..items.len())]
}

/// A predicate over one table's columns, unqualified.
pub fn simple_predicate(random: &mut StdRng) -> String {
    predicate(random, "")
}

fn predicate(random: &mut StdRng, of: &str) -> String {
    match random.random_range(0..9) {
        0 => format!("{of}a = {}", random.random_range(-2..4)),
        1 => format!("{of}b < {}", random.random_range(0..6)),
        2 => format!("{of}c >= {}.5", random.random_range(-3..9)),
        3 => format!("{of}s IN ('x', 'zz')"),
        4 => format!("{of}a IS NULL"),
        5 => format!("NOT ({of}b = {} OR {of}s = 'y')", random.random_range(0..6)),
        6 => format!("{of}f > {} AND {of}a IS NOT NULL", random.random_range(-20..20)),
        7 => format!("{of}s LIKE 'x%'"),
        _ => format!("{of}a BETWEEN {} AND 3", random.random_range(-2..3)),
    }
}

fn aggregate(random: &mut StdRng, of: &str) -> String {
    let call = match random.random_range(0..14) {
        0 => "count(*)".to_owned(),
        1 => format!("count({of}a)"),
        2 => format!("sum({of}a)"),
        3 => format!("sum({of}b)"),
        4 => format!("sum({of}c)"),
        5 => format!("sum({of}f)"),
        6 => format!("avg({of}{})", pick(random, &["a", "b", "c", "f"])),
        7 => format!("min({of}{})", pick(random, &["a", "c", "f", "s", "ts"])),
        8 => format!("max({of}{})", pick(random, &["b", "c", "s", "ts"])),
        9 => format!("count(DISTINCT {of}{})", pick(random, &["a", "s"])),
        10 => format!("sum(DISTINCT {of}b)"),
        11 => format!("bool_and({of}a > 0)"),
        12 => format!("bool_or({of}b > 3)"),
        _ => format!("{}({of}{})", pick(random, &["stddev", "var_pop"]), pick(random, &["a", "b"])),
    };
    if random.random_bool(0.2) {
        format!("{call} FILTER (WHERE {})", predicate(random, of))
    } else {
        call
    }
}

fn aggregates(random: &mut StdRng, of: &str) -> String {
    let calls: Vec<String> = (0..random.random_range(1..4))
        .map(|number| format!("{} AS x{number}", aggregate(random, of)))
        .collect();
    calls.join(", ")
}

fn maybe_where(random: &mut StdRng, of: &str) -> String {
    if random.random_bool(0.4) {
        format!(" WHERE {}", predicate(random, of))
    } else {
        String::new()
    }
}

/// A query.
pub fn generate(random: &mut StdRng) -> String {
    match random.random_range(0..19) {
        0 => project(random),
        1 | 2 => group(random),
        3 | 4 => join(random),
        5 => join_group(random),
        6 => exists(random),
        7 => membership(random),
        8 => set(random),
        9 => top(random),
        10 => top_per_group(random),
        11 => scalar_subquery(random),
        12 => window(random),
        13 => group_of_group(random),
        14 => cte(random),
        15 => grouping_sets(random),
        16 => unnest(random),
        17 => windows_joined(random),
        _ => three_way(random),
    }
}

fn project(random: &mut StdRng) -> String {
    let table = pick(random, &TABLES);
    let exprs = [
        "a, b",
        "a + 1 AS a1, s",
        "b * 2 AS b2, c",
        "upper(s) AS u, length(s) AS l",
        "coalesce(a, 0) AS a0, s",
        "CASE WHEN a > 0 THEN s ELSE 'neg' END AS k, b",
        "c * 2 AS c2, f",
        "id, a, b, c, f, s, ts",
        "a = b AS e, s || '!' AS sx",
        "date_trunc('minute', ts) AS m, a",
    ];
    let distinct = if random.random_bool(0.3) { "DISTINCT " } else { "" };
    let exprs = pick(random, &exprs);
    format!("SELECT {distinct}{exprs} FROM {table}{}", maybe_where(random, ""))
}

fn group(random: &mut StdRng) -> String {
    let table = pick(random, &TABLES);
    let filter = maybe_where(random, "");
    let calls = aggregates(random, "");
    match random.random_range(0..5) {
        0 => format!("SELECT {calls} FROM {table}{filter}"),
        1 => format!("SELECT a, s, {calls} FROM {table}{filter} GROUP BY a, s"),
        2 => format!("SELECT b % 2 AS g, {calls} FROM {table}{filter} GROUP BY b % 2"),
        3 => format!("SELECT s, {calls} FROM {table}{filter} GROUP BY s HAVING count(*) > 1"),
        _ => format!("SELECT a, {calls} FROM {table}{filter} GROUP BY a"),
    }
}

fn join_kind(random: &mut StdRng) -> &'static str {
    pick::<&str>(random, &["JOIN", "LEFT JOIN", "RIGHT JOIN", "FULL JOIN"])
}

fn condition(random: &mut StdRng) -> String {
    let equal = pick(
        random,
        &["l.a = r.a", "l.b = r.b", "l.s = r.s", "l.a = r.a AND l.s = r.s", "l.a = r.b"],
    );
    match random.random_range(0..4) {
        0 => format!("{equal} AND l.b < r.b"),
        1 => format!("{equal} AND l.c > 1"),
        _ => (*equal).to_owned(),
    }
}

fn join(random: &mut StdRng) -> String {
    let (left, right) = (pick(random, &TABLES), pick(random, &TABLES));
    let kind = join_kind(random);
    let condition = condition(random);
    let exprs = pick(
        random,
        &["l.id, r.id AS rid", "l.a, r.s", "l.a, l.b, r.c, r.f", "l.s, r.s AS rs, l.ts"],
    );
    let filter = if random.random_bool(0.3) { maybe_where(random, "l.") } else { String::new() };
    format!("SELECT {exprs} FROM {left} AS l {kind} {right} AS r ON {condition}{filter}")
}

fn join_group(random: &mut StdRng) -> String {
    let (left, right) = (pick(random, &TABLES), pick(random, &TABLES));
    let kind = join_kind(random);
    let condition = condition(random);
    let calls = aggregates(random, "r.");
    format!("SELECT l.a, {calls} FROM {left} AS l {kind} {right} AS r ON {condition} GROUP BY l.a")
}

fn exists(random: &mut StdRng) -> String {
    let (left, right) = (pick(random, &TABLES), pick(random, &TABLES));
    let not = pick(random, &["", "NOT "]);
    let further = pick(random, &["", " AND r.b > l.b", " AND r.c > 2"]);
    format!(
        "SELECT l.id, l.a FROM {left} AS l WHERE {not}EXISTS (SELECT 1 FROM {right} AS r WHERE r.a = l.a{further})"
    )
}

fn membership(random: &mut StdRng) -> String {
    let (left, right) = (pick(random, &TABLES), pick(random, &TABLES));
    let not = pick(random, &["", "NOT "]);
    let column = pick(random, &["a", "b"]);
    let filter = maybe_where(random, "");
    format!(
        "SELECT id, s FROM {left} WHERE {column} {not}IN (SELECT {column} FROM {right}{filter})"
    )
}

fn set(random: &mut StdRng) -> String {
    let (left, right) = (pick(random, &TABLES), pick(random, &TABLES));
    let operator =
        pick(random, &["UNION ALL", "UNION", "INTERSECT", "EXCEPT", "INTERSECT ALL", "EXCEPT ALL"]);
    let columns = pick(random, &["a", "a, s", "s, b"]);
    let (first, second) = (maybe_where(random, ""), maybe_where(random, ""));
    format!("SELECT {columns} FROM {left}{first} {operator} SELECT {columns} FROM {right}{second}")
}

fn top(random: &mut StdRng) -> String {
    let table = pick(random, &TABLES);
    let order = pick(random, &["b, id", "a DESC, id", "c NULLS FIRST, id DESC", "s, ts DESC, id"]);
    let offset = pick(random, &["", " OFFSET 1"]);
    format!(
        "SELECT id, a, b, s FROM {table} ORDER BY {order} LIMIT {}{offset}",
        random.random_range(1..6)
    )
}

fn top_per_group(random: &mut StdRng) -> String {
    let table = pick(random, &TABLES);
    let group = pick(random, &["a", "s", "b"]);
    let order = pick(random, &["c DESC, id", "ts, id", "f NULLS FIRST, id"]);
    let limit = random.random_range(1..4);
    let output = pick(random, &["id, a, s", "id, s, n"]);
    format!(
        "SELECT {output} FROM (SELECT *, row_number() OVER (PARTITION BY {group} ORDER BY {order}) AS n FROM {table}) AS q WHERE n <= {limit}"
    )
}

fn scalar_subquery(random: &mut StdRng) -> String {
    let (left, right) = (pick(random, &TABLES), pick(random, &TABLES));
    match random.random_range(0..3) {
        0 => format!("SELECT id, b FROM {left} WHERE b >= (SELECT avg(b) FROM {right})"),
        1 => format!(
            "SELECT id, a, (SELECT max(r.c) FROM {right} AS r WHERE r.a = l.a) AS m FROM {left} AS l"
        ),
        _ => format!(
            "SELECT id FROM {left} AS l WHERE c > (SELECT min(r.c) FROM {right} AS r WHERE r.b = l.b)"
        ),
    }
}

fn window(random: &mut StdRng) -> String {
    let table = pick(random, &TABLES);
    let calls = aggregates(random, "");
    let relation = if random.random_bool(0.5) {
        format!("TUMBLE({table}, ts, INTERVAL '30 seconds')")
    } else {
        format!("HOP({table}, ts, INTERVAL '20 seconds', INTERVAL '1 minute')")
    };
    format!(
        "SELECT window_start, window_end, {calls} FROM {relation} GROUP BY window_start, window_end"
    )
}

/// Groups of windows above which both ends of the windows are keys once more.
fn windows_joined(random: &mut StdRng) -> String {
    let windowed = |random: &mut StdRng| {
        let table = pick(random, &TABLES);
        match random.random_range(0..4) {
            0 => format!("HOP({table}, ts, INTERVAL '30 seconds', INTERVAL '1 minute')"),
            _ => format!("TUMBLE({table}, ts, INTERVAL '30 seconds')"),
        }
    };
    let (left, right, kind) = (windowed(random), windowed(random), join_kind(random));
    if random.random_bool(0.25) {
        return format!(
            "SELECT window_end, id, n FROM (SELECT *, row_number() OVER (PARTITION BY window_start, window_end ORDER BY b, id) AS n FROM {left}) AS q WHERE n <= 2"
        );
    }
    let calls = pick(random, &["", ", count(*) AS n"]);
    let keys = pick(random, &["a, s", "a", "a, b, s"]);
    let on = pick(
        random,
        &[
            "l.a = r.a AND l.window_start = r.window_start AND l.window_end = r.window_end",
            "l.window_start = r.window_start AND l.window_end = r.window_end",
            "l.a = r.a AND l.window_end = r.window_end",
        ],
    );
    let columns = pick(random, &["l.a, l.window_end, m", "l.window_start, r.window_end, r.a"]);
    format!(
        "SELECT {columns} FROM (SELECT {keys}, window_start, window_end{calls} FROM {left} GROUP BY {keys}, window_start, window_end) AS l {kind} (SELECT a, window_start, window_end, max(c) AS m FROM {right} GROUP BY a, window_start, window_end) AS r ON {on}"
    )
}

fn group_of_group(random: &mut StdRng) -> String {
    let table = pick(random, &TABLES);
    let inner = pick(random, &["count(*)", "sum(b)", "max(a)"]);
    let outer = pick(random, &["sum(n)", "max(n)", "min(n)", "count(DISTINCT n)", "avg(n)"]);
    format!(
        "SELECT g, {outer} AS x FROM (SELECT a AS g, s, {inner} AS n FROM {table} GROUP BY a, s) AS q GROUP BY g"
    )
}

fn grouping_sets(random: &mut StdRng) -> String {
    let table = pick(random, &TABLES);
    let sets = pick(random, &["ROLLUP (a, s)", "CUBE (a, s)", "GROUPING SETS ((a), (s), ())"]);
    let call = pick(random, &["count(*)", "sum(b)", "max(c)"]);
    let filter = maybe_where(random, "");
    format!("SELECT a, s, {call} AS x, grouping(a, s) AS g FROM {table}{filter} GROUP BY {sets}")
}

fn unnest(random: &mut StdRng) -> String {
    let table = pick(random, &TABLES);
    let filter = maybe_where(random, "");
    let array = pick(random, &["ARRAY[a, b]", "CASE WHEN a > 0 THEN ARRAY[a, b, 7] END"]);
    match random.random_range(0..3) {
        0 => format!("SELECT id, unnest({array}) AS x FROM {table}{filter}"),
        1 => format!("SELECT unnest({array}) AS x, unnest(ARRAY[s]) AS y FROM {table}{filter}"),
        _ => format!(
            "SELECT x, count(*) AS n FROM (SELECT unnest({array}) AS x FROM {table}{filter}) AS q GROUP BY x"
        ),
    }
}

fn cte(random: &mut StdRng) -> String {
    let table = pick(random, &TABLES);
    let call = pick(random, &["count(*)", "max(b)", "sum(a)"]);
    format!(
        "WITH w AS (SELECT a, {call} AS n FROM {table} GROUP BY a) SELECT x.a, x.n FROM w AS x JOIN (SELECT max(n) AS m FROM w) AS y ON x.n >= y.m"
    )
}

fn three_way(random: &mut StdRng) -> String {
    let kinds = (join_kind(random), join_kind(random));
    let filter = maybe_where(random, "r.");
    format!(
        "SELECT r.id, s.id AS sid, t.id AS tid FROM r {} s ON r.a = s.a {} t ON s.b = t.b{filter}",
        kinds.0, kinds.1
    )
}
