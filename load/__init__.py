"""The load-test kit: what an operator's browsers and a service's programs do, many at once, against a started Spillway."""
