/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/pci_rig.h"
#include "tests/unit/unit.h"

static void test_init_fills_the_header(void **state)
{
	struct rig_dev *d = rig_new("dev");

	assert_int_equal(get_le(d->fn.cfg, 4), 0x56781234);
	assert_int_equal(get_le(d->fn.cfg + PCI_CLASS_REVISION, 4), 0xff000001);
	assert_int_equal(get_le(d->fn.cfg + PCI_SUBSYSTEM_VENDOR_ID, 4), 0xdef09abc);
	assert_int_equal(d->fn.cfg[PCI_HEADER_TYPE], 0);
	rig_destroy(&d->fn);
}

/* Walks the list as a guest does; returns the number of capabilities, the first one of kind id in *at. */
static unsigned walk(const struct pci_fn *fn, u8 id, unsigned *at)
{
	unsigned n = 0;

	*at = 0;
	for (unsigned p = fn->cfg[PCI_CAPABILITY_LIST]; p && n < 48; p = fn->cfg[p + 1], n++) {
		if (fn->cfg[p] == id && !*at)
			*at = p;
	}
	return n;
}

static void test_caps_are_linked_and_do_not_overlap(void **state)
{
	struct rig_dev *d = rig_new("dev");
	unsigned at;

	assert_int_equal(walk(&d->fn, PCI_CAP_ID_EXP, &at), 2);
	assert_int_equal(at, PCI_EXP_CAP);
	assert_int_equal(pci_cfg16(&d->fn, at + PCI_EXP_FLAGS), 0x92);
	assert_int_equal(pci_add_cap_at(&d->fn, PCI_CAP_ID_VNDR, 0x42, 8), -EINVAL);
	assert_int_equal(pci_add_cap_at(&d->fn, PCI_CAP_ID_VNDR, 0x3c, 8), -EINVAL);
	assert_int_equal(pci_add_cap_at(&d->fn, PCI_CAP_ID_VNDR, 0xbc, 8), -EINVAL);
	assert_int_equal(pci_add_cap_at(&d->fn, PCI_CAP_ID_VNDR, 0x40, 8), 0x40);
	assert_int_equal(pci_add_cap_at(&d->fn, PCI_CAP_ID_VNDR, 0x44, 8), -EINVAL);
	assert_int_equal(pci_add_cap(&d->fn, PCI_CAP_ID_VNDR, 13), 0x48);
	assert_int_equal(pci_add_cap(&d->fn, PCI_CAP_ID_VNDR, 0x65), -ENOSPC);
	assert_int_equal(pci_add_cap(&d->fn, PCI_CAP_ID_VNDR, 0xffffffff), -ENOSPC);
	assert_int_equal(pci_add_cap(&d->fn, PCI_CAP_ID_VNDR, 0x64), 0x58);
	assert_int_equal(pci_add_cap(&d->fn, PCI_CAP_ID_VNDR, 2), -ENOSPC);
	assert_int_equal(walk(&d->fn, PCI_CAP_ID_VNDR, &at), 5);
	assert_int_equal(at, 0x40);
	rig_destroy(&d->fn);
}

static void test_ext_caps_are_linked(void **state)
{
	struct rig_dev *d = rig_new("dev");

	assert_int_equal(pci_add_ext_cap(&d->fn, 0x000d, 1, 8), 0x100);
	assert_int_equal(pci_add_ext_cap(&d->fn, 0x0003, 2, 13), 0x108);
	assert_int_equal(pci_add_ext_cap(&d->fn, 0x000b, 1, 4096 - 0x118), 0x118);
	assert_int_equal(get_le(d->fn.cfg + 0x100, 4), 0x1081000d);
	assert_int_equal(get_le(d->fn.cfg + 0x108, 4), 0x11820003);
	assert_int_equal(get_le(d->fn.cfg + 0x118, 4), 0x0001000b);
	assert_int_equal(pci_add_ext_cap(&d->fn, 0x000b, 1, 4), -ENOSPC);
	assert_int_equal(pci_add_ext_cap(&d->fn, 0x000b, 1, 0xfffffffe), -ENOSPC);
	rig_destroy(&d->fn);
}

static void test_plain_access_applies_masks_and_w1c(void **state)
{
	struct rig_dev *d = rig_new("dev");

	pci_cfg_set(&d->fn, 0x40, 4, 0x11223344);
	put_le(d->fn.wmask + 0x40, 4, 0x00ff00f0);
	put_le(d->fn.w1c + 0x40, 4, 0xff000000);
	pci_cfg_write_plain(&d->fn, 0x40, 4, 0x01aabbcc);
	assert_int_equal(pci_cfg_read_plain(&d->fn, 0x40, 4), 0x10aa33c4);
	pci_cfg_write_plain(&d->fn, 0x41, 2, 0xffff);
	assert_int_equal(pci_cfg_read_plain(&d->fn, 0x40, 4), 0x10ff33c4);
	pci_cfg_write_plain(&d->fn, 0x43, 1, 0x10);
	assert_int_equal(pci_cfg_read_plain(&d->fn, 0x42, 2), 0x00ff);
	rig_destroy(&d->fn);
}

static void test_plain_access_outside_is_total(void **state)
{
	static const struct {
		unsigned off, size;
	} rows[] = { { 4096, 1 }, { 4095, 2 }, { 4093, 4 }, { 0, 8 }, { ~0U, 4 }, { ~0U - 3, 4 } };
	struct rig_dev *d = rig_new("dev");

	for (unsigned i = 0; i < ARRAY_SIZE(rows); i++) {
		pci_cfg_write_plain(&d->fn, rows[i].off, rows[i].size, 0);
		assert_int_equal(pci_cfg_read_plain(&d->fn, rows[i].off, rows[i].size), ~0U);
	}
	rig_destroy(&d->fn);
}

static void test_bus_master_callback_on_change_only(void **state)
{
	struct rig_dev *d;
	struct rig r;

	rig_init(&r);
	d = rig_plug(&r, NULL, 1);
	rig_wr(&r, 8, PCI_COMMAND, 2, PCI_COMMAND_MASTER);
	rig_wr(&r, 8, PCI_COMMAND, 2, PCI_COMMAND_MASTER | PCI_COMMAND_SERR);
	assert_true(d->master && pci_bus_master_on(&d->fn));
	assert_int_equal(d->n_master, 1);
	rig_wr(&r, 8, PCI_COMMAND, 1, 0);
	assert_false(d->master || pci_bus_master_on(&d->fn));
	assert_int_equal(d->n_master, 2);
	rig_fini(&r);
}

static u32 ones_read(struct pci_fn *fn, unsigned off, unsigned size)
{
	return 0x5a5a5a5a;
}

static void swallow_write(struct pci_fn *fn, unsigned off, unsigned size, u32 val)
{
	if (off == PCI_COMMAND)
		pci_cfg_write_plain(fn, off, size, val);
}

static void test_override_sees_accesses_and_effects_follow(void **state)
{
	struct pci_fn_ops ops = rig_ops;
	struct rig_dev *d;
	struct rig r;

	ops.cfg_read = ones_read;
	ops.cfg_write = swallow_write;
	rig_init(&r);
	d = rig_plug(&r, NULL, 1);
	assert_int_equal(pci_assign(r.host), 0);
	d->fn.ops = &ops;
	assert_int_equal(rig_rd(&r, 8, 0, 4), 0x5a5a5a5a);
	rig_wr(&r, 8, PCI_BASE_ADDRESS_0, 4, 0);
	rig_enable(&r, 8);
	assert_true(d->master && d->mapped[0]);
	rig_fini(&r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_init_fills_the_header),
		cmocka_unit_test(test_caps_are_linked_and_do_not_overlap),
		cmocka_unit_test(test_ext_caps_are_linked),
		cmocka_unit_test(test_plain_access_applies_masks_and_w1c),
		cmocka_unit_test(test_plain_access_outside_is_total),
		cmocka_unit_test(test_bus_master_callback_on_change_only),
		cmocka_unit_test(test_override_sees_accesses_and_effects_follow),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
