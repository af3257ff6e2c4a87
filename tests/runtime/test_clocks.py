import time

from daemon.runtime.clocks import MarketClock, WallClock, monotonic_ns, wall_us


def test_wall_clock_advances_by_the_monotonic_clock_and_ignores_steps_of_the_wall() -> None:
    wall = [1_000_000]
    advance = [0]
    clock = WallClock(wall=lambda: wall[0], advance_ns=lambda: advance[0])
    wall[0] = 9_999_999_999
    advance[0] = 2_500_000
    assert clock.now_us() == 1_002_500
    clock.market_stamp(5)
    assert clock.now_us() == 1_002_500


def test_wall_clock_agrees_with_the_machine() -> None:
    assert abs(WallClock().now_us() - time.time() * 1e6) < 1e6  # noqa: TID251 the test's own reading
    assert abs(wall_us() - time.time() * 1e6) < 1e6  # noqa: TID251 likewise
    assert monotonic_ns() <= monotonic_ns()


def test_market_clock_is_the_newest_stamp_never_goes_back_and_tells_of_every_stamp() -> None:
    clock = MarketClock(start_us=100)
    told: list[int] = []
    clock.on_stamp = lambda: told.append(clock.now_us())
    assert clock.now_us() == 100
    for stamp in (200, 200, 150):
        clock.market_stamp(stamp)
    assert clock.now_us() == 200
    assert clock.stamps == 3
    assert told == [200, 200, 200]


def test_a_restarted_desk_does_not_go_back_in_time() -> None:
    clock = MarketClock()
    clock.start_at(500)
    clock.market_stamp(400)
    assert clock.now_us() == 500


def test_the_live_clock_knows_how_far_the_wall_clock_was_set() -> None:
    wall_us, elapsed_ns = [5_000_000], [0]
    clock = WallClock(wall=lambda: wall_us[0], advance_ns=lambda: elapsed_ns[0])
    elapsed_ns[0], wall_us[0] = 1_000_000_000, 6_000_000
    assert clock.wall_offset_ms() == 0
    wall_us[0] -= 3_600_000_000
    assert clock.wall_offset_ms() == -3_600_000
    assert clock.now_us() == 6_000_000
    assert clock.elapsed_ns() == 1_000_000_000
