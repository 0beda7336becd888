/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/unit.h"
#include "tests/unit/virtio_drv.h"

#include "vmm/config.h"
#include "vmm/console.h"
#include "vmm/log.h"

/* The host's side of the console. */
static struct {
	char out[KiB(256)];
	unsigned n, ready;
	int attach_err;
	unsigned (*in)(void *dev, const u8 *buf, unsigned len);
	void *dev;
} host;

void console_out(void *arg, const u8 *buf, unsigned len)
{
	assert_true(host.n + len <= sizeof(host.out));
	memcpy(host.out + host.n, buf, len);
	host.n += len;
}

void console_in_ready(void *arg)
{
	host.ready++;
}

int console_attach(struct console *c, unsigned (*in)(void *dev, const u8 *buf, unsigned len), void *dev)
{
	host.in = in;
	host.dev = dev;
	return host.attach_err;
}

static struct drv d;

static int setup(void **state)
{
	log_set_level(LOG_ERROR);
	memset(&host, 0, sizeof(host));
	drv_open(&d);
	assert_int_equal(virtio_console_create(&d.ctx), 0);
	drv_attach(&d);
	return 0;
}

static int teardown(void **state)
{
	assert_int_equal(d.live_spans, 0);
	drv_close(&d);
	return 0;
}

static void post(u64 at, u32 len, u16 flags)
{
	drv_desc(&d, 0, 0, at, len, flags, 0);
	drv_avail(&d, 0, 0);
	drv_kick(&d, 0);
	drv_pump(&d);
}

static unsigned type(const char *s)
{
	return host.in(host.dev, (const u8 *)s, (unsigned)strlen(s));
}

static void test_output_reaches_the_host(void **state)
{
	drv_start(&d, 2, 64);
	assert_int_equal(mem_write(d.mem, DRV_DATA, "hello world", 11), 0);
	drv_desc(&d, 1, 0, DRV_DATA, 6, F_NEXT, 1);
	drv_desc(&d, 1, 1, DRV_DATA + 6, 5, 0, 0);
	drv_avail(&d, 1, 0);
	drv_kick(&d, 1);
	drv_wait(&d, 1, 1);
	assert_int_equal(host.n, 11);
	assert_memory_equal(host.out, "hello world", 11);
}

static void test_output_beyond_reason_is_cut(void **state)
{
	drv_start(&d, 2, 64);
	drv_desc(&d, 1, 0, DRV_DATA, MiB(4), F_NEXT, 1);
	drv_desc(&d, 1, 1, DRV_RAM, 8, 0, 0);
	drv_desc(&d, 1, 2, DRV_RAM, 8, 0, 0);
	drv_avail(&d, 1, 0);
	drv_avail(&d, 1, 2);
	drv_kick(&d, 1);
	drv_wait(&d, 1, 2);
	assert_int_equal(host.n, KiB(64));
}

static void test_input_fills_the_drivers_buffers(void **state)
{
	u8 got[5];

	drv_start(&d, 2, 64);
	post(DRV_DATA, 3, F_WRITE);
	post(DRV_DATA + 3, 100, F_WRITE);
	drv_desc(&d, 0, 1, DRV_DATA, 3, F_WRITE, 0);
	assert_int_equal(type("ab"), 2);
	assert_int_equal(drv_used_len(&d, 0, 0), 2);
	assert_int_equal(type("cde"), 3);
	assert_int_equal(mem_read(d.mem, DRV_DATA + 3, got, 3), 0);
	assert_memory_equal(got, "cde", 3);
}

static void test_input_without_room_waits_for_buffers(void **state)
{
	assert_int_equal(type("early"), 0);
	drv_start(&d, 2, 64);
	drv_pump(&d);
	assert_int_equal(host.ready, 1);
	assert_int_equal(type("x"), 0);
	post(DRV_DATA, 1, F_WRITE);
	assert_int_equal(host.ready, 2);
	assert_int_equal(type("xyz"), 1);
	post(DRV_DATA, 8, F_WRITE);
	assert_int_equal(host.ready, 3);
	assert_int_equal(type("yz"), 2);
}

static void test_input_into_no_memory_is_not_lost(void **state)
{
	drv_start(&d, 2, 64);
	post(DRV_RAM, 8, F_WRITE);
	assert_int_equal(type("a"), 0);
	post(DRV_DATA, 8, 0);
	assert_int_equal(type("a"), 0);
	assert_int_equal(drv_used_len(&d, 0, 0), 0);
}

static void test_emergency_byte_needs_no_queue(void **state)
{
	drv_write(&d, d.bar + VIRTIO_BAR_DEVICE + 8, 4, 'E');
	drv_write(&d, d.bar + VIRTIO_BAR_DEVICE, 4, 'n');
	assert_int_equal(host.n, 1);
	assert_int_equal(host.out[0], 'E');
}

static void test_create_offline_leaves_the_host_alone(void **state)
{
	host.attach_err = -EIO;
	host.in = NULL;
	d.ctx.offline = true;
	assert_int_equal(virtio_console_create(&d.ctx), 0);
	assert_null(host.in);
	d.ctx.offline = false;
	assert_int_equal(virtio_console_create(&d.ctx), EXIT_HOST);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_output_reaches_the_host, setup, teardown),
		cmocka_unit_test_setup_teardown(test_output_beyond_reason_is_cut, setup, teardown),
		cmocka_unit_test_setup_teardown(test_input_fills_the_drivers_buffers, setup, teardown),
		cmocka_unit_test_setup_teardown(test_input_without_room_waits_for_buffers, setup, teardown),
		cmocka_unit_test_setup_teardown(test_input_into_no_memory_is_not_lost, setup, teardown),
		cmocka_unit_test_setup_teardown(test_emergency_byte_needs_no_queue, setup, teardown),
		cmocka_unit_test_setup_teardown(test_create_offline_leaves_the_host_alone, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
