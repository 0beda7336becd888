/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/unit.h"
#include "tests/unit/virtio_drv.h"

#include "vmm/config.h"
#include "vmm/log.h"

#define VICTIM (DRV_DATA + 0x100000)
#define PFNS DRV_DATA

static struct drv d;

static int setup(void **state)
{
	const struct vm_config c = { .balloon = true, .balloon_bytes = MiB(4) };

	log_set_level(LOG_ERROR);
	drv_open(&d);
	assert_int_equal(virtio_balloon_create(&d.ctx, &c), 0);
	drv_attach(&d);
	drv_start(&d, 5, 64);
	return 0;
}

static int teardown(void **state)
{
	assert_int_equal(d.live_spans, 0);
	drv_close(&d);
	return 0;
}

static void request(unsigned q, u64 at, u32 len, u16 flags)
{
	u16 n = drv_used_idx(&d, q);

	drv_desc(&d, q, 0, at, len, flags, 0);
	drv_avail(&d, q, 0);
	drv_kick(&d, q);
	drv_wait(&d, q, (u16)(n + 1));
}

static void fill(unsigned pages)
{
	for (unsigned i = 0; i < pages; i++)
		drv_set_ram(&d, VICTIM + 4096ULL * i, 8, 0x1111);
}

static bool gone(unsigned page)
{
	return drv_ram(&d, VICTIM + 4096ULL * page, 8) == 0;
}

static void test_config_tells_the_target_and_takes_the_actual(void **state)
{
	assert_int_equal(drv_read(&d, drv_cfg(&d, 0), 4), 0x10451af4);
	assert_int_equal(drv_read(&d, d.bar + VIRTIO_BAR_DEVICE, 4), 1024);
	drv_write(&d, d.bar + VIRTIO_BAR_DEVICE + 4, 4, 77);
	drv_write(&d, d.bar + VIRTIO_BAR_DEVICE, 4, 5);
	assert_int_equal(drv_read(&d, d.bar + VIRTIO_BAR_DEVICE, 8), 77ULL << 32 | 1024);
	assert_int_equal(drv_read(&d, d.bar + VIRTIO_BAR_DEVICE + 7, 8), 0);
	drv_set_status(&d, 0);
	assert_int_equal(drv_read(&d, d.bar + VIRTIO_BAR_DEVICE + 4, 4), 0);
}

static void test_inflated_pages_are_given_back(void **state)
{
	/* Up, down, alone, twice; the last is no RAM. */
	static const u32 pages[] = { 0, 1, 2, 7, 6, 5, 9, 9, 100000 };

	fill(12);
	for (unsigned i = 0; i < ARRAY_SIZE(pages); i++)
		drv_set_ram(&d, PFNS + 4 * i, 4, VICTIM / 4096 + pages[i]);
	request(0, PFNS, 4 * ARRAY_SIZE(pages) + 3, 0);
	for (unsigned i = 0; i < 12; i++)
		assert_int_equal(gone(i), i <= 2 || (i >= 5 && i <= 7) || i == 9);
	assert_int_equal(drv_used_len(&d, 0, 0), 0);
}

static void test_deflate_changes_nothing(void **state)
{
	fill(1);
	drv_set_ram(&d, PFNS, 4, VICTIM / 4096);
	request(1, PFNS, 4, 0);
	assert_false(gone(0));
}

static void test_reported_pages_are_given_back_on_either_queue(void **state)
{
	for (unsigned q = 2; q <= 4; q++) {
		fill(8);
		request(q, VICTIM + 4096, 3 * 4096, F_WRITE);
		for (unsigned i = 0; i < 8; i++)
			assert_int_equal(gone(i), i >= 1 && i <= 3);
	}
}

static void test_partly_covered_pages_stay(void **state)
{
	fill(3);
	request(4, VICTIM + 100, 2 * 4096, F_WRITE);
	assert_false(gone(0));
	assert_true(gone(1));
	assert_false(gone(2));
}

static void test_hostile_requests_come_back(void **state)
{
	static const struct {
		u64 at;
		u32 len;
		u16 flags;
	} rows[] = {
		{ DRV_RAM, 4096, F_WRITE }, { ~0ULL - 100, 4096, F_WRITE }, { DRV_RAM - 4096, 8192, F_WRITE }, { PFNS, 0xffffffff, 0 }, { DRV_RAM, 64, 0 },
		{ PFNS, 1, 0 }, { PFNS, 3, F_WRITE },
	};

	for (unsigned q = 0; q < 5; q++) {
		for (unsigned i = 0; i < ARRAY_SIZE(rows); i++)
			request(q, rows[i].at, rows[i].len, rows[i].flags);
	}
	assert_false(drv_status(&d) & VIRTIO_STATUS_NEEDS_RESET);
}

static void test_many_requests_are_all_served(void **state)
{
	drv_desc(&d, 4, 0, VICTIM, 4096, F_WRITE, 0);
	for (unsigned i = 0; i < 64; i++)
		drv_avail(&d, 4, 0);
	drv_kick(&d, 4);
	drv_wait(&d, 4, 64);
}

/* More pieces than one turn takes. */
static void test_scattered_pages_take_several_turns(void **state)
{
	for (unsigned i = 0; i < 512; i++)
		drv_set_ram(&d, DRV_DATA + 4 * i, 4, (VICTIM >> 12) + 2 * (i % 64));
	drv_desc(&d, 0, 0, DRV_DATA, 2048, 0, 0);
	for (unsigned i = 0; i < 16; i++)
		drv_avail(&d, 0, 0);
	drv_kick(&d, 0);
	drv_wait(&d, 0, 16);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_config_tells_the_target_and_takes_the_actual, setup, teardown),
		cmocka_unit_test_setup_teardown(test_inflated_pages_are_given_back, setup, teardown),
		cmocka_unit_test_setup_teardown(test_deflate_changes_nothing, setup, teardown),
		cmocka_unit_test_setup_teardown(test_reported_pages_are_given_back_on_either_queue, setup, teardown),
		cmocka_unit_test_setup_teardown(test_partly_covered_pages_stay, setup, teardown),
		cmocka_unit_test_setup_teardown(test_hostile_requests_come_back, setup, teardown),
		cmocka_unit_test_setup_teardown(test_many_requests_are_all_served, setup, teardown),
		cmocka_unit_test_setup_teardown(test_scattered_pages_take_several_turns, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
