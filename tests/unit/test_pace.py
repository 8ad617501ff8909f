"""How long a reader of the outbox rests: docs/adr/0030"""

from datetime import timedelta

from services.fhir.subscriptions.pace import rest_after

REST = timedelta(milliseconds=20)


def test_who_reads_little_looks_again_soon() -> None:
    assert rest_after(0, REST) == rest_after(10, REST) == REST


def test_where_much_comes_it_is_read_together() -> None:
    assert rest_after(20, REST) == 2 * REST
    assert rest_after(500, REST) == 5 * REST


def test_one_process_reads_and_the_others_look_seldom() -> None:
    assert rest_after(None, REST) == 5 * REST
