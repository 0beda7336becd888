/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/unit.h"

#include "devices/rate.h"

#define S 1000000000ULL

/* Operations of a size for some seconds, waiting as told, each wait late by some nanoseconds; returns how many went. */
static u64 run(struct rate *r, u64 size, u64 seconds, u64 late)
{
	u64 now = 0, n = 0;

	while (now < seconds * S && n < 10000000) {
		u64 ns = rate_wait_ns(r, now);

		if (ns) {
			now += ns + late;
			continue;
		}
		rate_charge(r, size);
		n++;
	}
	return n;
}

static void test_rate_holds_within_five_percent(void **state)
{
	static const struct {
		u64 bps, ops, size, late, want_ops;
	} rows[] = {
		{ MiB(10), 0, 4096, 0, 25600 },
		{ MiB(10), 0, 4096, 5000000, 25600 },
		{ MiB(10), 0, 1514, 40000000, 69258 },
		{ KiB(1), 0, 65536, 0, 0 },
		{ 0, 1000, 1, 0, 10000 },
		{ 0, 1000, MiB(1), 20000000, 10000 },
		{ 0, 1, 1, 0, 10 },
		{ MiB(100), 500, 4096, 0, 5000 },
		{ MiB(1), 500, 4096, 0, 2560 },
	};

	for (unsigned i = 0; i < ARRAY_SIZE(rows); i++) {
		struct rate r;
		u64 n, slack = MAX(rows[i].want_ops / 20, 1);

		rate_init(&r, rows[i].bps, rows[i].ops, 0);
		n = run(&r, rows[i].size, 10, rows[i].late);
		if (n > rows[i].want_ops + slack || n + slack < rows[i].want_ops)
			fail_msg("row %u: %llu operations, wanted %llu", i, (unsigned long long)n, (unsigned long long)rows[i].want_ops);
	}
}

static void test_rate_without_limit_never_waits(void **state)
{
	struct rate r;

	rate_init(&r, 0, 0, 5);
	for (unsigned i = 0; i < 100; i++) {
		rate_charge(&r, UINT64_MAX);
		assert_int_equal(rate_wait_ns(&r, 5), 0);
	}
}

static void test_rate_idle_time_earns_one_burst_only(void **state)
{
	struct rate r;
	unsigned n = 0;

	rate_init(&r, 0, 1000, 0);
	while (!rate_wait_ns(&r, 3600 * S) && n < 10000) {
		rate_charge(&r, 1);
		n++;
	}
	assert_int_equal(n, 1000 * RATE_BURST_MS / 1000);
}

static void test_rate_extremes_do_not_overflow(void **state)
{
	static const u64 v[] = { 0, 1, 1000, RATE_MAX, RATE_MAX + 1, INT64_MAX, UINT64_MAX };

	for (unsigned i = 0; i < ARRAY_SIZE(v); i++) {
		for (unsigned j = 0; j < ARRAY_SIZE(v); j++) {
			struct rate r;

			rate_init(&r, v[i], v[j], 0);
			for (unsigned k = 0; k < ARRAY_SIZE(v); k++) {
				rate_charge(&r, v[k]);
				(void)rate_wait_ns(&r, v[k]);
			}
			/* A clock that goes back earns nothing. */
			(void)rate_wait_ns(&r, 0);
		}
	}
	assert_true(rate_now_ns() > 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_rate_holds_within_five_percent),
		cmocka_unit_test(test_rate_without_limit_never_waits),
		cmocka_unit_test(test_rate_idle_time_earns_one_burst_only),
		cmocka_unit_test(test_rate_extremes_do_not_overflow),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
