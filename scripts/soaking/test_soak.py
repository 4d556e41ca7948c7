#!/usr/bin/env python3
"""A soak finds what it looks for: items that are lost, doubled or invented, and growth. Run by tests/deployment.rs."""
import sys
import unittest

sys.dont_write_bytecode = True
import checks  # noqa: E402
import figures  # noqa: E402
from load import Ledger, Write, number_of, pixel, png  # noqa: E402
from pair import KEPT, Fault  # noqa: E402


def ledger_of(app, *writes):
    ledger = Ledger()
    ledger.writes[app] = list(writes)
    return ledger


def acknowledged(number, at, count=1):
    return Write(number, count, at, at + 0.1, True)


class Lists(unittest.TestCase):
    writes = [acknowledged(0, 1), acknowledged(1, 2, 3), Write(4, 1, 3, 3.5), acknowledged(5, 4)]

    def compare(self, listed, app="toy", writes=None):
        return checks.compare("a list", listed, ledger_of(app, *(writes or self.writes)), app, 100)

    def test_an_open_write_may_be_there_or_not(self):
        self.assertEqual(self.compare([0, 1, 2, 3, 5]), 5)
        self.assertEqual(self.compare([0, 1, 2, 3, 4, 5]), 5)

    def test_a_lost_item_is_found_also_of_a_batch(self):
        for lost in (0, 2, 5):
            with self.assertRaisesRegex(Fault, "1 acknowledged are not listed"):
                self.compare([n for n in range(6) if n != lost])

    def test_an_item_that_is_there_twice_is_found(self):
        with self.assertRaisesRegex(Fault, "listed twice"):
            self.compare([0, 1, 2, 3, 5, 5])

    def test_an_item_that_nobody_wrote_is_found(self):
        with self.assertRaisesRegex(Fault, "nobody wrote"):
            self.compare([0, 1, 2, 3, 5, 6])

    def test_what_was_acknowledged_after_the_moment_need_not_be_listed(self):
        self.assertEqual(self.compare([0], writes=[acknowledged(0, 1), acknowledged(1, 99.95)]), 1)

    def test_a_limit_lets_the_oldest_go_and_nothing_else(self):
        kept = KEPT["board"]
        # One after the other, so that there is no doubt about the order; the open write may be one of those that are kept.
        writes = [acknowledged(n, n / 10) for n in range(kept + 10)] + [Write(kept + 10, 1, 90, 90.5)]
        newest = list(range(11, kept + 10))
        self.compare(newest, "message", writes)
        with self.assertRaisesRegex(Fault, "1 acknowledged are not listed"):
            self.compare(newest[:5] + newest[6:], "message", writes)

    def test_what_is_written_while_a_list_is_read_may_put_older_items_out(self):
        kept = KEPT["board"]
        writes = [acknowledged(n, n / 10) for n in range(kept)] + [acknowledged(kept, 130)]
        self.compare(list(range(1, kept + 1)), "message", writes)


class Numbers(unittest.TestCase):
    def test_each_number_is_a_pixel_and_a_picture_of_its_own(self):
        for number in (0, 1, 1023, 1024, (1 << 20) - 1, 1 << 20, (1 << 28) + 5):
            self.assertEqual(number_of(pixel(number)), number)
        self.assertEqual(png(7), png(7))
        self.assertNotEqual(png(7), png(8))

    def test_a_quantile_is_that_of_the_new_values(self):
        before, after = {"0.001": 10, "0.01": 10, "+Inf": 10}, {"0.001": 10, "0.01": 109, "+Inf": 110}
        self.assertEqual(figures.quantile(before, after, 0.5), 0.01)
        self.assertEqual(figures.quantile(before, after, 1), float("inf"))
        self.assertEqual(figures.quantile(after, after, 0.5), "")


class Growth(unittest.TestCase):
    def grown(self, **columns):
        """What of a process grew that has these columns over 20 minutes, each a function of the minute."""
        still = {"rss_bytes": lambda _: 50 << 20, "descriptors": lambda _: 30, "threads": lambda _: 16, "disk_bytes": lambda _: 60 << 20}
        rows = [
            {"second": second, "a_pid": 1} | {f"a_{name}": value(second / 60) for name, value in (still | columns).items()}
            for second in range(0, 1200, 10)
        ]
        return [what.split()[0] for _, what, _, _, grew in figures.growth(rows) if grew]

    def test_what_stays_the_same_holds(self):
        self.assertEqual(self.grown(), [])

    def test_each_leak_is_found(self):
        self.assertEqual(self.grown(rss_bytes=lambda minute: (50 + 5 * minute) * (1 << 20)), ["rss_bytes"])
        self.assertEqual(self.grown(descriptors=lambda minute: 30 + 3 * minute), ["descriptors"])
        self.assertEqual(self.grown(threads=lambda minute: 16 + minute), ["threads"])
        self.assertEqual(self.grown(disk_bytes=lambda minute: (60 + 10 * minute) * (1 << 20)), ["disk_bytes"])


if __name__ == "__main__":
    unittest.main()
