/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/unit.h"
#include "tests/unit/vhost_fake.h"
#include "tests/unit/virtio_drv.h"

#include "devices/vsock.h"
#include "vmm/config.h"
#include "vmm/log.h"

/* The kernel's side, as far as the device tells it something. */
static struct {
	int cid_err, run_err;
	bool running;
	u64 cid;
	const char *uds;
} host;

int vhost_net_backend(struct vhost *vh, unsigned index, int fd)
{
	return -ENOTTY;
}

int vhost_vsock_set_cid(struct vhost *vh, u64 cid)
{
	host.cid = cid;
	return host.cid_err;
}

int vhost_vsock_run(struct vhost *vh, bool on)
{
	if (on && host.run_err)
		return host.run_err;
	host.running = on;
	return 0;
}

int vsock_uds_create(const struct dev_ctx *ctx, u32 cid, const char *path)
{
	host.uds = path;
	return EXIT_NOINPUT;
}

static struct drv d;

static int setup(void **state)
{
	log_set_level(LOG_ERROR);
	memset(&host, 0, sizeof(host));
	memset(&vhost_fake, 0, sizeof(vhost_fake));
	drv_open(&d);
	return 0;
}

static int teardown(void **state)
{
	drv_close(&d);
	assert_int_equal(vhost_fake.vhosts, 0);
	assert_int_equal(vhost_fake.rings, 0);
	assert_false(host.running);
	return 0;
}

static int create(const char *uds)
{
	struct vm_config c = { .vsock = true, .vsock_cid = 42, .vsock_uds = (char *)(uintptr_t)uds };

	return virtio_vsock_create(&d.ctx, &c);
}

static void test_config_space_is_the_cid(void **state)
{
	assert_int_equal(create(NULL), 0);
	drv_attach(&d);
	assert_int_equal(host.cid, 42);
	assert_int_equal(drv_read(&d, drv_cfg(&d, 0), 4), 0x10531af4);
	assert_int_equal(drv_read(&d, d.bar + VIRTIO_BAR_DEVICE, 8), 42);
	assert_int_equal(drv_read(&d, d.bar + VIRTIO_BAR_DEVICE + 1, 8), 0);
	assert_int_equal(drv_read(&d, d.bar + VIRTIO_BAR_DEVICE + 8, 4), 0);
}

static void test_rings_run_while_the_driver_and_bus_mastering_are_on(void **state)
{
	assert_int_equal(create(NULL), 0);
	drv_attach(&d);
	drv_start(&d, 3, 64);
	assert_int_equal(vhost_fake.rings, 2);
	assert_true(host.running);
	drv_write(&d, drv_cfg(&d, 4), 2, 2);
	assert_false(host.running);
	drv_write(&d, drv_cfg(&d, 4), 2, 6);
	assert_true(host.running);
	drv_kick(&d, 2);
	drv_pump(&d);
	drv_set_status(&d, 0);
	assert_int_equal(vhost_fake.rings, 0);
	assert_false(host.running);
}

static void test_refused_rings_break_the_device(void **state)
{
	static const struct {
		unsigned queues;
		int ring_err, run_err;
	} rows[] = { { 1, 0, 0 }, { 3, -EFAULT, 0 }, { 3, 0, -EFAULT } };

	assert_int_equal(create(NULL), 0);
	drv_attach(&d);
	for (unsigned i = 0; i < ARRAY_SIZE(rows); i++) {
		vhost_fake.ring_err = rows[i].ring_err;
		host.run_err = rows[i].run_err;
		drv_start(&d, rows[i].queues, 64);
		assert_true(drv_status(&d) & VIRTIO_STATUS_NEEDS_RESET);
		assert_int_equal(vhost_fake.rings, 0);
	}
}

static void test_create_failures_have_their_status(void **state)
{
	static const struct {
		int open_err, cid_err, status;
	} rows[] = {
		{ -ENOENT, 0, EXIT_HOST }, { -EACCES, 0, EXIT_HOST }, { -EMFILE, 0, EXIT_HOST }, { 0, -EADDRINUSE, EXIT_NOINPUT }, { 0, -EINVAL, EXIT_HOST },
	};

	for (unsigned i = 0; i < ARRAY_SIZE(rows); i++) {
		vhost_fake.open_err = rows[i].open_err;
		host.cid_err = rows[i].cid_err;
		assert_int_equal(create(NULL), rows[i].status);
	}
}

static void test_uds_is_the_other_way(void **state)
{
	assert_int_equal(create("/x"), EXIT_NOINPUT);
	assert_string_equal(host.uds, "/x");
	/* Offline neither is opened. */
	d.ctx.offline = true;
	vhost_fake.open_err = -ENOENT;
	assert_int_equal(create("/x"), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_config_space_is_the_cid, setup, teardown),
		cmocka_unit_test_setup_teardown(test_rings_run_while_the_driver_and_bus_mastering_are_on, setup, teardown),
		cmocka_unit_test_setup_teardown(test_refused_rings_break_the_device, setup, teardown),
		cmocka_unit_test_setup_teardown(test_create_failures_have_their_status, setup, teardown),
		cmocka_unit_test_setup_teardown(test_uds_is_the_other_way, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
