//! A set like Pagila's, made by SQL.

/// 109 countries, 600 cities and 600 addresses. Names have accents, blanks and the characters that paths and URLs treat specially.
/// Addresses have 60 timestamps, 10 rows each, so that a commit ends between equal ones.
pub const PAGILA: &str = "
CREATE TABLE country (country_id serial PRIMARY KEY, country text NOT NULL, last_update timestamp NOT NULL);
CREATE TABLE city (city_id serial PRIMARY KEY, city text NOT NULL, country_id int NOT NULL REFERENCES country,
    last_update timestamp NOT NULL);
CREATE TABLE address (address_id serial PRIMARY KEY, address text NOT NULL, district text, city_id int NOT NULL
    REFERENCES city, phone text NOT NULL, rent numeric(7, 2), last_update timestamp NOT NULL);
INSERT INTO country (country, last_update)
    SELECT (ARRAY['Côte d''Ivoire', 'a/b', '50%', '~x', 'a=b#c', 'Åland', '日本'])[1 + n % 7]
        || CASE WHEN n < 7 THEN '' ELSE ' ' || n END, timestamp '2021-01-01' + n * interval '1 hour'
    FROM generate_series(0, 108) n;
INSERT INTO city (city, country_id, last_update)
    SELECT 'City ' || n, 1 + n % 109, timestamp '2021-02-01' FROM generate_series(0, 599) n;
INSERT INTO address (address, city_id, phone, rent, last_update)
    SELECT n || ' Rue de l''Été', 1 + n, '+33' || n, n + 0.25,
        timestamp '2021-03-01 10:00:00.123456' + (n / 10) * interval '12 hours'
    FROM generate_series(0, 599) n;
";
