/* SPDX-License-Identifier: Apache-2.0 */
// wrap: open64 ioctl pread64 pwrite64 mmap64 close nanosleep
#include "tests/unit/unit.h"

#include "devices/viommu/backend_iommufd.h"
#include "tests/unit/vfio_fake.h"

static struct vfio_rig r;
static struct s1_backend b;
static struct s1_dev *dev;

static const struct s1_config pass = { .kind = S1_BYPASS }, blocked = { .kind = S1_BLOCK };
static const struct s1_config first = { .kind = S1_TABLE, .tag = 5, .table = { .root = 0x7000, .levels = 4, .supervisor = true } };
static const struct s1_config second = { .kind = S1_TABLE, .tag = 6, .table = { .root = 0x8000, .levels = 4 } };

static int setup(void **state)
{
	vfio_rig_init(&r);
	r.c.viommu = VIOMMU_VTD;
	assert_int_equal(vfio_rig_start(&r), 0);
	assert_int_equal(backend_iommufd_create(r.v->dev[0], &b), 0);
	assert_int_equal(b.ops->dev_add(b.be, vfio_rig_fn(&r), &dev), 0);
	assert_int_equal(fake.attached, 0);
	return 0;
}

static int teardown(void **state)
{
	fake.fail_at = 0;
	b.ops->dev_del(b.be, dev);
	b.ops->destroy(b.be);
	vfio_rig_fini(&r);
	assert_int_equal(fake.n_live, 0);
	return 0;
}

static int set(const struct s1_config *cfg)
{
	return b.ops->set(b.be, dev, DMA_NO_PASID, cfg);
}

static void test_nested_probe_offers_what_the_host_has(void **state)
{
	struct s1_caps caps;

	b.ops->probe(b.be, &caps);
	assert_false(caps.software);
	assert_true(caps.page_1g && caps.snoop && caps.coherent_walk);
	assert_int_equal(caps.pasid_bits, 0);
	assert_int_equal(caps.max_configs, 1);
	assert_int_equal(caps.iova_bits, 48);
}

/* What hardware walks is as wide as the hardware, and a bit that it lacks is not offered. */
static void test_nested_probe_masks_what_the_host_lacks(void **state)
{
	static const struct { u64 cap, ecap; struct s1_caps want; } rows[] = {
		{ FIELD_PREP(GENMASK(21, 16), 38), 0, { .iova_bits = 39 } },
		{ FIELD_PREP(GENMASK(21, 16), 56) | BIT(56) | BIT(60), 0, { .iova_bits = 48, .page_1g = true } },
		{ FIELD_PREP(GENMASK(21, 16), 47), BIT(7), { .iova_bits = 48, .snoop = true } },
		{ FIELD_PREP(GENMASK(21, 16), 47), BIT(31), { .iova_bits = 48, .supervisor = true } },
		{ FIELD_PREP(GENMASK(21, 16), 47), BIT(48), { .iova_bits = 48, .coherent_walk = true } },
	};

	for (unsigned i = 0; i < ARRAY_SIZE(rows); i++) {
		struct s1_backend other;
		struct s1_caps caps;

		r.v->dev[0]->hw.vtd = (struct iommufd_hw_vtd){ .cap = rows[i].cap, .ecap = rows[i].ecap };
		assert_int_equal(backend_iommufd_create(r.v->dev[0], &other), 0);
		other.ops->probe(other.be, &caps);
		assert_int_equal(caps.iova_bits, rows[i].want.iova_bits);
		assert_int_equal(caps.page_1g, rows[i].want.page_1g);
		assert_int_equal(caps.snoop, rows[i].want.snoop);
		assert_int_equal(caps.supervisor, rows[i].want.supervisor);
		assert_int_equal(caps.coherent_walk, rows[i].want.coherent_walk);
		assert_false(caps.levels_5 || caps.software);
		other.ops->destroy(other.be);
	}
}

/* A unit that promised what the hardware in front of this device lacks does not take it. */
static void test_nested_lesser_device_is_refused(void **state)
{
	static const u64 missing[] = { BIT(7), BIT(31), BIT(48) };
	struct s1_dev *other;

	for (unsigned i = 0; i < ARRAY_SIZE(missing); i++) {
		r.v->dev[0]->hw.vtd.ecap = ~missing[i];
		assert_int_equal(b.ops->dev_add(b.be, vfio_rig_fn(&r), &other), -EOPNOTSUPP);
	}
	r.v->dev[0]->hw.vtd = (struct iommufd_hw_vtd){ .cap = ~FIELD_PREP(GENMASK(21, 16), 32), .ecap = ~0ULL };
	assert_int_equal(b.ops->dev_add(b.be, vfio_rig_fn(&r), &other), -EOPNOTSUPP);
	r.v->dev[0]->hw.vtd.cap = ~BIT(56);
	assert_int_equal(b.ops->dev_add(b.be, vfio_rig_fn(&r), &other), -EOPNOTSUPP);
}

static void test_nested_table_is_attached_and_replaced(void **state)
{
	u32 parent = vfio_parent(r.v->dev[0]), one;

	assert_int_equal(set(&pass), 0);
	assert_int_equal(fake.attached, parent);
	assert_int_equal(set(&first), 0);
	one = fake.attached;
	assert_int_not_equal(one, parent);
	assert_int_equal(fake.s1.pgtbl_addr, 0x7000);
	assert_int_equal(fake.s1.addr_width, 48);
	assert_int_equal(fake.s1.flags, IOMMUFD_VTD_S1_SRE);
	assert_int_equal(set(&second), 0);
	assert_int_not_equal(fake.attached, one);
	assert_false(fake_alive(one));
	one = fake.attached;
	assert_int_equal(set(&blocked), 0);
	assert_int_equal(fake.attached, 0);
	assert_false(fake_alive(one));
	assert_int_equal(set(&pass), 0);
	assert_int_equal(fake.attached, parent);
}

static void test_nested_other_pasids_are_not_offered(void **state)
{
	assert_int_equal(b.ops->set(b.be, dev, 3, &first), -EINVAL);
	assert_int_equal(b.ops->set(b.be, dev, 3, &blocked), 0);
}

/* Every host call of every change failing: blocked afterwards, or cut off the bus; never the old table. */
static void test_nested_failure_blocks(void **state)
{
	static const struct s1_config *const to[] = { &pass, &second, &blocked };

	for (unsigned i = 0; i < ARRAY_SIZE(to); i++) {
		for (unsigned n = 1; n < 10; n++) {
			u32 before;
			int err;

			r.v->dev[0]->cut = false; /* a new device */
			assert_int_equal(set(&first), 0);
			before = fake.attached;
			put_le(fake.cfg + PCI_COMMAND, 2, PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER);
			fake.fail_at = fake.calls + n;
			err = set(to[i]);
			fake.fail_at = 0;
			if (err && fake.attached)
				assert_int_equal(get_le(fake.cfg + PCI_COMMAND, 2) & PCI_COMMAND_MASTER, 0);
			else
				assert_int_not_equal(fake.attached, before);
		}
	}
}

static void test_nested_busy_host_leaves_it_blocked(void **state)
{
	assert_int_equal(set(&first), 0);
	fake.attach_errno = EBUSY;
	assert_int_equal(set(&second), -EBUSY);
	assert_int_equal(fake.attached, 0);
	fake.attach_errno = 0;
	assert_int_equal(set(&second), 0);
}

/* Somebody on the host resets the device for a while: the change is made afterwards, and nothing is detached meanwhile. */
static void test_nested_busy_host_is_waited_for(void **state)
{
	unsigned detaches;

	assert_int_equal(set(&first), 0);
	detaches = fake.n_detach;
	fake.busy_for = 20;
	fake.n_sleeps = 0;
	assert_int_equal(set(&second), 0);
	assert_int_equal(fake.n_sleeps, 20);
	assert_int_equal(fake.n_detach, detaches);
	assert_int_equal(fake.root_of[fake.attached % 64], second.table.root);
}

static void test_nested_cut_device_is_attached_to_nothing(void **state)
{
	assert_int_equal(set(&first), 0);
	vfio_cut(r.v->dev[0]);
	assert_int_equal(set(&second), -EIO);
	assert_int_equal(fake.attached, 0);
	assert_int_equal(set(&pass), -EIO);
	assert_int_equal(fake.attached, 0);
}

/* The host may say busy to an attach while it resets the device, and keeps it blocked then. To a detach it has no such answer. */
static void test_nested_busy_detach_is_no_blocking(void **state)
{
	assert_int_equal(set(&first), 0);
	put_le(fake.cfg + PCI_COMMAND, 2, PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER);
	fake.attach_errno = fake.detach_errno = EBUSY;
	assert_int_equal(set(&second), -EIO);
	assert_int_equal(set(&blocked), -EIO);
	assert_int_equal(get_le(fake.cfg + PCI_COMMAND, 2) & PCI_COMMAND_MASTER, 0);
	fake.attach_errno = fake.detach_errno = 0;
}

/* Tables that come and go leave nothing in the host, and there is never more than one. */
static void test_nested_tables_do_not_pile_up(void **state)
{
	unsigned live = fake.n_live;

	for (unsigned i = 0; i < 1000; i++) {
		assert_int_equal(set(i % 3 == 0 ? &first : i % 3 == 1 ? &second : &pass), 0);
		assert_true(fake.n_live <= live + 1);
	}
	assert_int_equal(set(&blocked), 0);
	assert_int_equal(fake.n_live, live);
}

static unsigned invalidate(const struct s1_inv *v, unsigned n)
{
	unsigned done = 0, calls = 0;

	fake.n_inv = fake.n_inv_calls = 0;
	assert_int_equal(b.ops->inv(b.be, v, n, &done, &calls), 0);
	assert_int_equal(done, n);
	assert_int_equal(calls, fake.n_inv_calls);
	return calls;
}

static void test_nested_invalidations_of_a_batch_are_one_call(void **state)
{
	static const struct s1_inv batch[] = {
		{ .scope = S1_INV_RANGE, .tag = 5, .addr = 0x1000, .npages = 1, .leaf = true },
		{ .scope = S1_INV_RANGE, .tag = 9, .addr = 0x5000, .npages = 1 },
		{ .scope = S1_INV_RANGE, .tag = 5, .addr = 0x200000, .npages = 512 },
		{ .scope = S1_INV_RANGE, .tag = 5, .pasid = 7, .addr = 0, .npages = 1 },
	};
	static const struct s1_inv whole[] = { { .scope = S1_INV_RANGE, .tag = 5, .npages = 1 }, { .scope = S1_INV_TAG, .tag = 5 } };
	static const struct s1_inv all = { .scope = S1_INV_ALL }, other = { .scope = S1_INV_TAG, .tag = 4 };

	assert_int_equal(set(&first), 0);
	assert_int_equal(invalidate(batch, ARRAY_SIZE(batch)), 1);
	assert_int_equal(fake.n_inv, 2);
	assert_int_equal(fake.inv[0].addr, 0x1000);
	assert_int_equal(fake.inv[0].flags, IOMMUFD_VTD_S1_INV_LEAF);
	assert_int_equal(fake.inv[1].npages, 512);
	assert_int_equal(invalidate(whole, 2), 1);
	assert_int_equal(fake.n_inv, 1);
	assert_true(fake.inv[0].npages == ~0ULL && fake.inv[0].addr == 0);
	assert_int_equal(invalidate(&all, 1), 1);
	assert_int_equal(invalidate(&other, 1), 0);
	/* Nothing is cached for a device in pass-through. */
	assert_int_equal(set(&pass), 0);
	assert_int_equal(invalidate(&all, 1), 0);
}

static void test_nested_failed_invalidation_is_told(void **state)
{
	static const struct s1_inv all = { .scope = S1_INV_ALL };
	unsigned done = 9, calls = 0;

	assert_int_equal(set(&first), 0);
	fake.invalidate_errno = EIO;
	assert_int_equal(b.ops->inv(b.be, &all, 1, &done, &calls), -EIO);
	assert_int_equal(done, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_nested_probe_offers_what_the_host_has, setup, teardown),
		cmocka_unit_test_setup_teardown(test_nested_probe_masks_what_the_host_lacks, setup, teardown),
		cmocka_unit_test_setup_teardown(test_nested_lesser_device_is_refused, setup, teardown),
		cmocka_unit_test_setup_teardown(test_nested_busy_detach_is_no_blocking, setup, teardown),
		cmocka_unit_test_setup_teardown(test_nested_busy_host_is_waited_for, setup, teardown),
		cmocka_unit_test_setup_teardown(test_nested_cut_device_is_attached_to_nothing, setup, teardown),
		cmocka_unit_test_setup_teardown(test_nested_tables_do_not_pile_up, setup, teardown),
		cmocka_unit_test_setup_teardown(test_nested_table_is_attached_and_replaced, setup, teardown),
		cmocka_unit_test_setup_teardown(test_nested_other_pasids_are_not_offered, setup, teardown),
		cmocka_unit_test_setup_teardown(test_nested_failure_blocks, setup, teardown),
		cmocka_unit_test_setup_teardown(test_nested_busy_host_leaves_it_blocked, setup, teardown),
		cmocka_unit_test_setup_teardown(test_nested_invalidations_of_a_batch_are_one_call, setup, teardown),
		cmocka_unit_test_setup_teardown(test_nested_failed_invalidation_is_told, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
