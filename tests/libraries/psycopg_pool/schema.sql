CREATE TABLE orders (id serial PRIMARY KEY, number int NOT NULL, worker int NOT NULL);
