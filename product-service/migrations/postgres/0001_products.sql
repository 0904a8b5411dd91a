-- The lengths are those of the rules in product.rs, repeated as the last line of defence.
-- An identity: the id of a deleted product is never given to another, for carts and orders remember it.
CREATE TABLE products (
    id          BIGINT      GENERATED ALWAYS AS IDENTITY PRIMARY KEY CHECK (id > 0),
    name        TEXT        NOT NULL CHECK (char_length(name) BETWEEN 1 AND 200),
    description TEXT        NOT NULL CHECK (char_length(description) <= 4000),
    category    TEXT        NOT NULL CHECK (char_length(category) BETWEEN 1 AND 100),
    price_minor BIGINT      NOT NULL CHECK (price_minor BETWEEN 1 AND 1000000000000),
    currency    CHAR(3)     NOT NULL CHECK (char_length(currency) = 3),
    image_url   TEXT        NOT NULL CHECK (char_length(image_url) <= 2000),
    version     BIGINT      NOT NULL CHECK (version > 0),
    created_at  TIMESTAMPTZ NOT NULL,
    updated_at  TIMESTAMPTZ NOT NULL CHECK (updated_at >= created_at)
);

-- Counts the changes, in the transaction of each: instances look here for changes that others made. One row.
CREATE TABLE catalogue (
    one      BOOLEAN PRIMARY KEY DEFAULT TRUE CHECK (one),
    revision BIGINT  NOT NULL CHECK (revision >= 0)
);

INSERT INTO catalogue (revision) VALUES (0);

-- What a new shop sells, since 2025-01-01T00:00:00Z.
INSERT INTO products
    (id, name, description, category, price_minor, currency, image_url, version, created_at, updated_at)
OVERRIDING SYSTEM VALUE
VALUES
    (1, 'Laptop',
     'A light 14-inch laptop with 16 GB of memory, a 1 TB drive and a battery that lasts the day.',
     'Computers', 129999, 'USD', '/images/laptop.jpg', 1, '2025-01-01T00:00:00Z', '2025-01-01T00:00:00Z'),
    (2, 'Mouse',
     'A wireless mouse that fits either hand, with quiet buttons and a precise optical sensor.',
     'Accessories', 2999, 'USD', '/images/mouse.jpg', 1, '2025-01-01T00:00:00Z', '2025-01-01T00:00:00Z'),
    (3, 'Keyboard',
     'A compact mechanical keyboard with backlit keys and a cable that comes off.',
     'Accessories', 8999, 'USD', '/images/keyboard.jpg', 1, '2025-01-01T00:00:00Z', '2025-01-01T00:00:00Z'),
    (4, 'Monitor',
     'A 27-inch 4K monitor with true colours and one cable for picture and power.',
     'Computers', 39999, 'USD', '/images/monitor.jpg', 1, '2025-01-01T00:00:00Z', '2025-01-01T00:00:00Z'),
    (5, 'Headphones',
     'Over-ear headphones that keep noise out, with 30 hours of music on one charge.',
     'Audio', 24999, 'USD', '/images/headphones.jpg', 1, '2025-01-01T00:00:00Z', '2025-01-01T00:00:00Z');

ALTER TABLE products ALTER COLUMN id RESTART WITH 6;
