/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/unit.h"

#include <sys/eventfd.h>

#include "vmm/bus.h"

struct dev {
	u64 off, val;
	unsigned size, calls;
	struct bus *bus;
};

static void dev_read(void *p, u64 off, unsigned size, u64 *val)
{
	struct dev *d = p;

	d->off = off;
	d->size = size;
	d->calls++;
	*val = 0x1122334455667788;
}

static void dev_write(void *p, u64 off, unsigned size, u64 val)
{
	struct dev *d = p;

	d->off = off;
	d->size = size;
	d->val = val;
	d->calls++;
}

static const struct region_ops ops = { .read = dev_read, .write = dev_write };

static void test_bus_add_overlap_is_refused(void **state)
{
	struct bus b;
	struct dev d = { 0 };
	struct region r = { 0x1000, 0x100, &ops, &d, "a" };
	static const struct {
		u64 base, len;
		int err;
	} rows[] = {
		{ 0x0fff, 2, -EEXIST },	  { 0x10ff, 1, -EEXIST }, { 0x0, ~0ULL, -EEXIST }, { 0x1100, 1, 0 }, { 0x0fff, 1, 0 },
		{ ~0ULL, 2, -EINVAL },	  { 0x2000, 0, -EINVAL }, { ~0ULL, 1, 0 },
	};

	assert_int_equal(bus_init(&b, "test"), 0);
	assert_int_equal(bus_add(&b, &r), 0);
	for (unsigned i = 0; i < ARRAY_SIZE(rows); i++) {
		r.base = rows[i].base;
		r.len = rows[i].len;
		assert_int_equal(bus_add(&b, &r), rows[i].err);
	}
	bus_fini(&b);
}

static void test_bus_access_not_wholly_inside_reaches_nobody(void **state)
{
	struct bus b;
	struct dev d = { 0 };
	struct region r = { 0x1000, 0x10, &ops, &d, "a" };
	u64 v;
	static const struct {
		u64 addr;
		unsigned size;
	} out[] = { { 0xfff, 1 }, { 0xfff, 2 }, { 0x100f, 2 }, { 0x1010, 1 }, { 0x100c, 8 }, { ~0ULL, 8 }, { 0x1000, 0 }, { 0x1000, 9 } };

	assert_int_equal(bus_init(&b, "test"), 0);
	assert_int_equal(bus_add(&b, &r), 0);
	for (unsigned i = 0; i < ARRAY_SIZE(out); i++) {
		v = 5;
		bus_read(&b, out[i].addr, out[i].size, &v);
		assert_int_equal(v, size_mask(out[i].size));
		bus_write(&b, out[i].addr, out[i].size, 0);
	}
	assert_int_equal(d.calls, 0);
	bus_read(&b, 0x100e, 2, &v);
	assert_int_equal(v, 0x7788);
	assert_int_equal(d.off, 0xe);
	bus_write(&b, 0x1008, 8, 42);
	assert_int_equal(d.val, 42);
	bus_write(&b, 0x1008, 1, 0x1ff);
	assert_int_equal(d.val, 0xff);
	bus_fini(&b);
}

static void moving_write(void *p, u64 off, unsigned size, u64 val)
{
	struct dev *d = p;
	struct region r = { 0x9000, 0x10, &ops, d, "moved" };

	bus_remove(d->bus, 0x1000);
	assert_int_equal(bus_add(d->bus, &r), 0);
}

static void test_bus_region_moved_from_its_own_handler_works(void **state)
{
	static const struct region_ops moving = { .read = dev_read, .write = moving_write };
	struct bus b;
	struct dev d = { .bus = &b };
	struct region r = { 0x1000, 0x10, &moving, &d, "a" };
	u64 v;

	assert_int_equal(bus_init(&b, "test"), 0);
	assert_int_equal(bus_add(&b, &r), 0);
	bus_write(&b, 0x1000, 4, 0);
	bus_read(&b, 0x1000, 4, &v);
	assert_int_equal(v, 0xffffffff);
	bus_read(&b, 0x9000, 4, &v);
	assert_int_equal(v, 0x55667788);
	bus_fini(&b);
}

static void test_bus_doorbell_without_kernel_signals_fd(void **state)
{
	struct bus b;
	struct dev d = { 0 };
	struct region r = { 0x1000, 0x10, &ops, &d, "a" };
	int fd = eventfd(0, EFD_NONBLOCK);
	u64 n;

	assert_int_equal(bus_init(&b, "test"), 0);
	assert_int_equal(bus_add(&b, &r), 0);
	assert_int_equal(bus_doorbell_add(&b, 0x1004, 0, fd), 0);
	bus_write(&b, 0x1004, 2, 1);
	bus_write(&b, 0x1004, 4, 1);
	bus_write(&b, 0x1008, 4, 1);
	assert_int_equal(read(fd, &n, 8), 8);
	assert_int_equal(n, 2);
	assert_int_equal(d.calls, 1);
	bus_doorbell_del(&b, 0x1004, 0, fd);
	bus_write(&b, 0x1004, 2, 1);
	assert_int_equal(d.calls, 2);
	close(fd);
	bus_fini(&b);
}

static void test_bus_random_regions_stay_sorted_and_found(void **state)
{
	struct bus b;
	static struct dev d[64];
	u64 seed = 1, v;

	assert_int_equal(bus_init(&b, "test"), 0);
	for (int round = 0; round < 2000; round++) {
		unsigned i = (unsigned)(rnd(&seed) % 64);
		struct region r = { 0x1000 * (u64)i, 0x1000, &ops, &d[i], "r" };

		if (rnd(&seed) & 1)
			(void)!bus_add(&b, &r);
		else
			bus_remove(&b, r.base);
		for (unsigned j = 1; j < b.n; j++)
			assert_true(b.regions[j - 1].base < b.regions[j].base);
		d[i].calls = 0;
		bus_read(&b, r.base + 0xff8, 8, &v);
		assert_int_equal(d[i].calls, v != ~0ULL);
	}
	bus_fini(&b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_bus_add_overlap_is_refused),
		cmocka_unit_test(test_bus_access_not_wholly_inside_reaches_nobody),
		cmocka_unit_test(test_bus_region_moved_from_its_own_handler_works),
		cmocka_unit_test(test_bus_doorbell_without_kernel_signals_fd),
		cmocka_unit_test(test_bus_random_regions_stay_sorted_and_found),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
