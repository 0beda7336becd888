/* SPDX-License-Identifier: Apache-2.0 */
// wrap: open64 ioctl access close socket if_nametoindex
#include "tests/unit/unit.h"

#include <fcntl.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <sys/ioctl.h>

#include "devices/tap.h"
#include "vmm/config.h"
#include "vmm/log.h"

/* A host with one interface: what its tun driver says, and what was asked of it. */
static struct {
	int access_err, open_err, set_err, set_err_multi, hdr_err, ufo_err, get_err;
	short get_flags;
	bool exists, up, may_set_up;
	unsigned fds, opened, attached, detached, offload;
	int mtu;
} host;

int __real_open64(const char *path, int flags, ...);
int __real_close(int fd);
int __wrap_open64(const char *path, int flags, ...);
int __wrap_ioctl(int fd, unsigned long req, ...);
int __wrap_access(const char *path, int mode);
int __wrap_close(int fd);
int __wrap_socket(int domain, int type, int proto);
unsigned __wrap_if_nametoindex(const char *name);

static int refuse(int err)
{
	errno = err;
	return -1;
}

int __wrap_open64(const char *path, int flags, ...)
{
	if (strcmp(path, "/dev/net/tun") != 0)
		return __real_open64(path, flags, 0);
	if (host.open_err)
		return refuse(host.open_err);
	host.fds++;
	return 1000 + (int)host.opened++;
}

int __wrap_socket(int domain, int type, int proto)
{
	host.fds++;
	return 900;
}

int __wrap_close(int fd)
{
	if (fd < 900)
		return __real_close(fd);
	host.fds--;
	return 0;
}

int __wrap_access(const char *path, int mode)
{
	return host.access_err ? refuse(host.access_err) : 0;
}

unsigned __wrap_if_nametoindex(const char *name)
{
	return host.exists;
}

static int set_iff(const struct ifreq *r)
{
	bool multi = r->ifr_flags & IFF_MULTI_QUEUE;
	int err = multi ? host.set_err_multi : host.set_err;

	assert_int_equal(r->ifr_flags & ~IFF_MULTI_QUEUE, IFF_TAP | IFF_NO_PI | IFF_VNET_HDR);
	return err ? refuse(err) : 0;
}

static int set_offload(unsigned long flags)
{
	if ((flags & TUN_F_UFO) && host.ufo_err)
		return refuse(host.ufo_err);
	host.offload = (unsigned)flags;
	return 0;
}

int __wrap_ioctl(int fd, unsigned long req, ...)
{
	struct ifreq *r;
	void *arg = IOCTL_ARG(req);

	r = arg;
	switch (req) {
	case TUNSETIFF:
		return set_iff(r);
	case TUNGETIFF:
		snprintf(r->ifr_name, IFNAMSIZ, "given");
		r->ifr_flags = host.get_flags;
		return host.get_err ? refuse(host.get_err) : 0;
	case TUNSETVNETHDRSZ:
		assert_int_equal(*(int *)arg, TAP_HDR_LEN);
		return host.hdr_err ? refuse(host.hdr_err) : 0;
	case TUNSETOFFLOAD:
		return set_offload((unsigned long)(uintptr_t)arg);
	case TUNSETQUEUE:
		*(r->ifr_flags & IFF_ATTACH_QUEUE ? &host.attached : &host.detached) += 1;
		return 0;
	case SIOCGIFMTU:
		r->ifr_mtu = host.mtu;
		return 0;
	case SIOCGIFFLAGS:
		r->ifr_flags = host.up ? IFF_UP : 0;
		return 0;
	case SIOCSIFFLAGS:
		if (!host.may_set_up)
			return refuse(EPERM);
		host.up = r->ifr_flags & IFF_UP;
		return 0;
	}
	return refuse(ENOTTY);
}

static int setup(void **state)
{
	log_set_level(LOG_ERROR);
	memset(&host, 0, sizeof(host));
	host.mtu = 1500;
	host.may_set_up = true;
	return 0;
}

static int teardown(void **state)
{
	assert_int_equal(host.fds, 0);
	return 0;
}

static int open_tap(const char *name, unsigned queues, struct tap *t)
{
	struct net_cfg cfg = { .tap = { (char *)(uintptr_t)name, -1 } };

	return tap_open(&cfg, queues, t);
}

static void test_tap_open_sets_it_up_and_close_down_again(void **state)
{
	struct tap t;

	assert_int_equal(open_tap("tap0", 1, &t), 0);
	assert_string_equal(t.name, "tap0");
	assert_int_equal(t.n, 1);
	assert_false(t.multi);
	assert_true(t.ufo);
	assert_int_equal(t.mtu, 1500);
	assert_int_equal(host.offload, 0);
	assert_true(host.up);
	assert_int_equal(tap_set_queue(&t, 0, false), 0);
	assert_int_equal(host.detached, 0);
	tap_close(&t);
	assert_false(host.up);
	tap_close(&t);
}

static void test_tap_open_leaves_an_interface_that_is_up(void **state)
{
	struct tap t;

	host.up = true;
	assert_int_equal(open_tap("tap0", 1, &t), 0);
	tap_close(&t);
	assert_true(host.up);
}

static void test_tap_open_without_permission_to_set_up_works(void **state)
{
	struct tap t;

	host.may_set_up = false;
	host.ufo_err = EINVAL;
	host.mtu = 9000;
	assert_int_equal(open_tap("tap0", 1, &t), 0);
	assert_false(t.was_down);
	assert_false(t.ufo);
	assert_int_equal(t.mtu, 9000);
	tap_close(&t);
}

static void test_tap_open_many_queues_switches_one_on(void **state)
{
	struct tap t;

	assert_int_equal(open_tap("tap0", 4, &t), 0);
	assert_int_equal(t.n, 4);
	assert_int_equal(host.opened, 4);
	assert_int_equal(host.detached, 3);
	assert_int_equal(tap_set_queue(&t, 2, true), 0);
	assert_int_equal(host.attached, 1);
	tap_close(&t);
}

static void test_tap_open_one_queue_of_a_multi_queue_tap_works(void **state)
{
	struct tap t;

	host.set_err = EINVAL;
	assert_int_equal(open_tap("tap0", 1, &t), 0);
	assert_int_equal(t.n, 1);
	tap_close(&t);
}

static void test_tap_open_failures_name_the_reason(void **state)
{
	static const struct {
		const char *name;
		unsigned queues;
		int access_err, open_err, set_err, hdr_err;
		bool exists;
		int status;
	} rows[] = {
		{ "", 1, 0, 0, 0, 0, false, EXIT_USAGE },
		{ "a/b", 1, 0, 0, 0, 0, false, EXIT_USAGE },
		{ "tap%d", 1, 0, 0, 0, 0, false, EXIT_USAGE },
		{ "sixteen-letters-", 1, 0, 0, 0, 0, false, EXIT_USAGE },
		{ "tap0", 1, ENOENT, 0, 0, 0, false, EXIT_HOST },
		{ "tap0", 1, 0, EACCES, 0, 0, false, EXIT_NOINPUT },
		{ "tap0", 1, 0, 0, EPERM, 0, true, EXIT_HOST },
		{ "tap0", 1, 0, 0, EPERM, 0, false, EXIT_NOINPUT },
		{ "tap0", 1, 0, 0, EBUSY, 0, true, EXIT_NOINPUT },
		{ "tap0", 1, 0, 0, EINVAL, 0, true, EXIT_NOINPUT },
		{ "tap0", 4, 0, 0, EINVAL, 0, true, EXIT_NOINPUT },
		{ "tap0", 1, 0, 0, ENOMEM, 0, true, EXIT_HOST },
		{ "tap0", 1, 0, 0, 0, EINVAL, true, EXIT_HOST },
	};

	for (unsigned i = 0; i < ARRAY_SIZE(rows); i++) {
		struct tap t;

		setup(state);
		host.access_err = rows[i].access_err;
		host.open_err = rows[i].open_err;
		host.set_err = host.set_err_multi = rows[i].set_err;
		host.hdr_err = rows[i].hdr_err;
		host.exists = rows[i].exists;
		assert_int_equal(open_tap(rows[i].name, rows[i].queues, &t), rows[i].status);
		assert_int_equal(host.fds, 0);
		assert_int_equal(t.n, 0);
	}
}

static void test_tap_open_inherited_descriptor(void **state)
{
	struct net_cfg cfg = { .tap = { (char *)(uintptr_t)"fd:9", -1 } };
	struct tap t;

	cfg.tap.fd = __real_open64("/dev/null", O_RDWR);
	assert_int_equal(tap_open(&cfg, 2, &t), EXIT_USAGE);
	host.get_err = EBADFD;
	assert_int_equal(tap_open(&cfg, 1, &t), EXIT_NOINPUT);
	host.get_err = 0;
	host.get_flags = IFF_TAP | IFF_NO_PI;
	assert_int_equal(tap_open(&cfg, 1, &t), EXIT_NOINPUT);
	host.get_flags |= IFF_VNET_HDR;
	assert_int_equal(tap_open(&cfg, 1, &t), 0);
	assert_string_equal(t.name, "given");
	assert_true(fcntl(cfg.tap.fd, F_GETFL) & O_NONBLOCK);
	assert_true(fcntl(cfg.tap.fd, F_GETFD) & FD_CLOEXEC);
	tap_close(&t);
	assert_int_equal(fcntl(cfg.tap.fd, F_GETFD), -1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_tap_open_sets_it_up_and_close_down_again, setup, teardown),
		cmocka_unit_test_setup_teardown(test_tap_open_leaves_an_interface_that_is_up, setup, teardown),
		cmocka_unit_test_setup_teardown(test_tap_open_without_permission_to_set_up_works, setup, teardown),
		cmocka_unit_test_setup_teardown(test_tap_open_many_queues_switches_one_on, setup, teardown),
		cmocka_unit_test_setup_teardown(test_tap_open_one_queue_of_a_multi_queue_tap_works, setup, teardown),
		cmocka_unit_test_setup_teardown(test_tap_open_failures_name_the_reason, setup, teardown),
		cmocka_unit_test_setup_teardown(test_tap_open_inherited_descriptor, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
