/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/unit.h"
#include "tests/unit/virtio_drv.h"

#include "vmm/log.h"

static struct drv d;

static int setup(void **state)
{
	log_set_level(LOG_ERROR);
	drv_open(&d);
	assert_int_equal(virtio_rng_create(&d.ctx), 0);
	drv_attach(&d);
	return 0;
}

static int teardown(void **state)
{
	assert_int_equal(d.live_spans, 0);
	drv_close(&d);
	return 0;
}

static unsigned zero_bytes(u64 at, unsigned len)
{
	unsigned n = 0;

	for (unsigned i = 0; i < len; i++)
		n += !drv_ram(&d, at + i, 1);
	return n;
}

static void test_rng_identity_is_entropy_without_config(void **state)
{
	assert_int_equal(drv_read(&d, drv_cfg(&d, 0), 4), 0x10441af4);
	assert_int_equal(d.cap[VIRTIO_PCI_CAP_DEVICE_CFG], 0);
}

static void test_rng_fills_the_buffers(void **state)
{
	drv_start(&d, 1, 64);
	assert_int_equal(mem_zero(d.mem, DRV_DATA, 0x4000), 0);
	drv_desc(&d, 0, 0, DRV_DATA, 3000, F_WRITE | F_NEXT, 1);
	drv_desc(&d, 0, 1, DRV_DATA + 0x2000, 3000, F_WRITE, 0);
	drv_avail(&d, 0, 0);
	drv_kick(&d, 0);
	drv_wait(&d, 0, 1);
	assert_int_equal(drv_used_len(&d, 0, 0), 6000);
	assert_true(zero_bytes(DRV_DATA, 3000) < 100);
	assert_true(zero_bytes(DRV_DATA + 0x2000, 3000) < 100);
	assert_int_equal(zero_bytes(DRV_DATA + 3000, 16), 16);
}

static void test_rng_huge_request_is_answered_short(void **state)
{
	drv_start(&d, 1, 64);
	drv_desc(&d, 0, 0, DRV_DATA, MiB(4), F_WRITE, 0);
	drv_avail(&d, 0, 0);
	drv_kick(&d, 0);
	drv_wait(&d, 0, 1);
	assert_int_equal(drv_used_len(&d, 0, 0), KiB(64));
}

static void test_rng_many_large_requests_are_all_served(void **state)
{
	drv_start(&d, 1, 64);
	drv_desc(&d, 0, 0, DRV_DATA, MiB(1), F_WRITE, 0);
	for (unsigned i = 0; i < 64; i++)
		drv_avail(&d, 0, 0);
	drv_kick(&d, 0);
	drv_wait(&d, 0, 64);
	assert_int_equal(drv_used_idx(&d, 0), 64);
}

static void test_rng_buffers_it_cannot_fill_are_returned_empty(void **state)
{
	drv_start(&d, 1, 64);
	drv_desc(&d, 0, 0, DRV_DATA, 64, 0, 0);
	drv_desc(&d, 0, 1, DRV_RAM, 64, F_WRITE, 0);
	drv_avail(&d, 0, 0);
	drv_avail(&d, 0, 1);
	drv_kick(&d, 0);
	drv_wait(&d, 0, 2);
	assert_int_equal(drv_used_len(&d, 0, 0), 0);
	assert_int_equal(drv_used_len(&d, 0, 1), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_rng_identity_is_entropy_without_config),
		cmocka_unit_test(test_rng_fills_the_buffers),
		cmocka_unit_test(test_rng_huge_request_is_answered_short),
		cmocka_unit_test(test_rng_many_large_requests_are_all_served),
		cmocka_unit_test(test_rng_buffers_it_cannot_fill_are_returned_empty),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
