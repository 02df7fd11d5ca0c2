-- A month of flights out of New York, played back as a stream, and what can be asked of it while it runs.
--
--     cargo run --release -- serve --init examples/flights.sql
--     psql -h 127.0.0.1 -p 6875 -U millstream
--
-- Every statement here may be run again. Paths start at the server's working directory.
-- The data: US Bureau of Transportation Statistics, January 2013, public domain.

-- 1. Tables: small things that are looked up, and that can be changed at any time.

CREATE TABLE IF NOT EXISTS airlines (
    carrier text PRIMARY KEY,
    name    text NOT NULL
);

CREATE TABLE IF NOT EXISTS planes (
    tailnum      text PRIMARY KEY,
    year         integer,
    type         text,
    manufacturer text,
    model        text,
    engines      integer,
    seats        integer,
    speed        integer,
    engine       text
);

-- Files are read through sources. These end with their files, so they can be poured into the tables.

CREATE SOURCE IF NOT EXISTS airlines_file (carrier text, name text)
    WITH (connector = 'file', path = 'examples/data/airlines.csv')
    FORMAT PLAIN ENCODE CSV;

CREATE SOURCE IF NOT EXISTS planes_file (
    tailnum text, year integer, type text, manufacturer text, model text,
    engines integer, seats integer, speed integer, engine text
)
    WITH (connector = 'file', path = 'examples/data/planes.csv')
    FORMAT PLAIN ENCODE CSV (null = 'NA');

INSERT INTO airlines SELECT carrier, name FROM airlines_file ON CONFLICT DO NOTHING;

INSERT INTO planes
SELECT tailnum, year, type, manufacturer, model, engines, seats, speed, engine FROM planes_file
ON CONFLICT DO NOTHING;

-- 2. Streams: flights in the order of their schedule, 2,000 a second, and the weather beside them.

CREATE SOURCE IF NOT EXISTS flights (
    year           integer,
    month          integer,
    day            integer,
    dep_time       integer,       -- local time as hhmm; null: cancelled
    sched_dep_time integer,
    dep_delay      integer,       -- minutes; negative: early
    arr_time       integer,
    sched_arr_time integer,
    arr_delay      integer,
    carrier        text,
    flight         integer,
    tailnum        text,
    origin         text,
    dest           text,
    air_time       integer,       -- minutes
    distance       integer,       -- miles
    hour           integer,
    minute         integer,
    time_hour      timestamp      -- scheduled hour of departure, UTC
)
    WITH (connector = 'file', path = 'examples/data/flights.csv', rate = '2000')
    FORMAT PLAIN ENCODE CSV (null = 'NA')
    ON ERROR SKIP;

CREATE SOURCE IF NOT EXISTS weather (
    origin     text,
    time_hour  timestamp,
    temp       double precision,  -- degrees Fahrenheit
    wind_speed double precision,  -- miles per hour
    wind_gust  double precision,
    precip     double precision,  -- inches
    visib      double precision   -- miles
)
    WITH (connector = 'file', path = 'examples/data/weather.csv', rate = '165')
    FORMAT PLAIN ENCODE CSV (null = 'NA')
    ON ERROR SKIP;

-- 3. Views: kept up to date row by row as the streams run and the tables change.

-- How late is each airline? Rename one (UPDATE airlines SET name = … WHERE carrier = 'UA') and look again.
CREATE MATERIALIZED VIEW IF NOT EXISTS delays_by_airline AS
SELECT a.name                                        AS airline,
       count(*)                                      AS flights,
       count(*) FILTER (WHERE f.dep_time IS NULL)    AS cancelled,
       avg(f.dep_delay)::numeric(6, 1)               AS avg_departure_delay,
       avg(f.arr_delay)::numeric(6, 1)               AS avg_arrival_delay,
       max(f.dep_delay)                              AS worst_delay
FROM flights f
JOIN airlines a ON f.carrier = a.carrier
GROUP BY a.name;

-- The pulse of the airports: a window per hour.
CREATE MATERIALIZED VIEW IF NOT EXISTS departures_per_hour AS
SELECT window_start                AS hour,
       origin,
       count(*)                    AS scheduled,
       count(dep_time)             AS departed,
       max(dep_delay)              AS worst_delay
FROM TUMBLE(flights, time_hour, INTERVAL '1 hour')
GROUP BY window_start, origin;

-- Two streams joined: the weather of the hour and the flights of the hour, whichever comes first.
CREATE MATERIALIZED VIEW IF NOT EXISTS delays_by_weather AS
SELECT CASE WHEN w.precip > 0 THEN 'rain or snow'
            WHEN w.visib < 5 THEN 'fog'
            WHEN w.wind_speed >= 20 THEN 'wind'
            ELSE 'fair' END                          AS weather,
       count(*)                                      AS flights,
       count(*) FILTER (WHERE f.dep_delay > 30)      AS over_half_an_hour_late,
       avg(f.dep_delay)::numeric(6, 1)               AS avg_departure_delay
FROM flights f
JOIN weather w ON f.origin = w.origin AND f.time_hour = w.time_hour
GROUP BY 1;

-- A view over a view: the five busiest routes of each airport.
CREATE MATERIALIZED VIEW IF NOT EXISTS routes AS
SELECT origin, dest, count(*) AS flights, avg(air_time)::numeric(6, 1) AS avg_air_time
FROM flights
GROUP BY origin, dest;

CREATE MATERIALIZED VIEW IF NOT EXISTS top_routes AS
SELECT origin, place, dest, flights
FROM (
    SELECT origin, dest, flights,
           row_number() OVER (PARTITION BY origin ORDER BY flights DESC, dest) AS place
    FROM routes
) ranked
WHERE place <= 5;

-- Flights whose plane is not on record. INSERT INTO planes (tailnum) VALUES ('N730MQ') takes one away.
CREATE MATERIALIZED VIEW IF NOT EXISTS unknown_planes AS
SELECT f.tailnum, f.carrier, count(*) AS flights
FROM flights f
LEFT JOIN planes p ON f.tailnum = p.tailnum
WHERE f.tailnum IS NOT NULL AND p.tailnum IS NULL
GROUP BY f.tailnum, f.carrier;

-- Distinct counts: what each airline flies with.
CREATE MATERIALIZED VIEW IF NOT EXISTS fleets AS
SELECT f.carrier,
       count(DISTINCT f.tailnum)      AS planes,
       count(DISTINCT p.manufacturer) AS manufacturers,
       min(p.year)                    AS oldest,
       max(p.seats)                   AS most_seats
FROM flights f
JOIN planes p ON f.tailnum = p.tailnum
GROUP BY f.carrier;

-- The ten worst delays so far: rows come and go as worse ones arrive.
CREATE MATERIALIZED VIEW IF NOT EXISTS worst_delays AS
SELECT time_hour, carrier, flight, origin, dest, dep_delay
FROM flights
WHERE dep_delay IS NOT NULL
ORDER BY dep_delay DESC, time_hour, carrier, flight
LIMIT 10;

-- What to type next:
--     SELECT * FROM delays_by_airline ORDER BY avg_departure_delay DESC;
--     SELECT * FROM departures_per_hour ORDER BY hour DESC, origin LIMIT 9;  \watch 1
--     UPDATE airlines SET name = 'United' WHERE carrier = 'UA';
