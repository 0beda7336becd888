/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/pci_rig.h"
#include "tests/unit/unit.h"

static void test_add_bar_checks_size_and_place(void **state)
{
	static const struct {
		unsigned bar;
		u64 size;
		bool is64;
		int want;
	} rows[] = {
		{ 0, 0, false, -EINVAL },       { 0, 8, false, -EINVAL },           { 0, 24, false, -EINVAL },      { 0, BIT(32), false, -EINVAL },
		{ 0, BIT(63), true, -EINVAL },  { 7, 4096, false, -EINVAL },        { 5, 4096, true, -EINVAL },     { ~0U, 4096, true, -EINVAL },
		{ 1, 16, false, 0 },            { 1, 16, false, -EINVAL },          { 0, 4096, true, -EINVAL },     { 2, GiB(512), true, 0 },
		{ 3, 4096, false, -EINVAL },    { 4, BIT(31), false, 0 },
		{ PCI_ROM, 1024, false, -EINVAL }, { PCI_ROM, 4096, true, -EINVAL }, { PCI_ROM, 2048, false, 0 },      { PCI_ROM, 2048, false, -EINVAL },
	};
	struct rig_dev *d = rig_new("dev");

	for (unsigned i = 0; i < ARRAY_SIZE(rows); i++)
		assert_int_equal(pci_add_bar(&d->fn, rows[i].bar, rows[i].size, rows[i].is64, false), rows[i].want);
	rig_destroy(&d->fn);
}

static void test_sizing_reads_back_the_size(void **state)
{
	struct rig_dev *d = rig_new("dev");
	struct rig r;

	rig_init(&r);
	assert_int_equal(pci_add_bar(&d->fn, 0, 16, false, false), 0);
	assert_int_equal(pci_add_bar(&d->fn, 1, MiB(1), false, true), 0);
	assert_int_equal(pci_add_bar(&d->fn, 2, GiB(512), true, true), 0);
	assert_int_equal(pci_plug(r.host, NULL, 8, &d->fn), 0);
	for (unsigned off = PCI_BASE_ADDRESS_0; off < PCI_CARDBUS_CIS; off += 4)
		rig_wr(&r, 8, off, 4, 0xffffffff);
	assert_int_equal(rig_rd(&r, 8, PCI_BASE_ADDRESS_0, 4), 0xfffffff0);
	assert_int_equal(rig_rd(&r, 8, PCI_BASE_ADDRESS_1, 4), 0xfff00008);
	assert_int_equal(rig_rd(&r, 8, PCI_BASE_ADDRESS_2, 8), 0xffffff800000000cULL);
	assert_int_equal(rig_rd(&r, 8, PCI_BASE_ADDRESS_4, 8), 0);
	rig_fini(&r);
}

/* PCI Local Bus 3.0 section 6.2.5.2: bit 0 of the ROM's register switches it, beside memory space. */
static void test_rom_has_a_switch_of_its_own(void **state)
{
	struct rig_dev *d = rig_new("dev");
	struct rig r;
	gpa_t at;

	rig_init(&r);
	assert_int_equal(pci_add_bar(&d->fn, PCI_ROM, KiB(64), false, false), 0);
	assert_int_equal(pci_plug(r.host, NULL, 8, &d->fn), 0);
	assert_int_equal(pci_assign(r.host), 0);
	at = pci_bar_addr(&d->fn, PCI_ROM);
	assert_true(IS_ALIGNED(at, KiB(64)) && at);
	rig_enable(&r, 8);
	assert_false(d->mapped[PCI_ROM]);
	rig_wr(&r, 8, PCI_ROM_ADDRESS, 4, 0xfffffffe);
	assert_int_equal(rig_rd(&r, 8, PCI_ROM_ADDRESS, 4), 0xffff0000);
	rig_wr(&r, 8, PCI_ROM_ADDRESS, 4, (u32)at | PCI_ROM_ADDRESS_ENABLE);
	assert_true(d->mapped[PCI_ROM]);
	assert_int_equal(rig_mmio(&r, at + 0x10, 4), 0xa5a5a5a5);
	assert_int_equal(d->last_bar, PCI_ROM);
	rig_wr(&r, 8, PCI_ROM_ADDRESS, 4, (u32)at);
	assert_false(d->mapped[PCI_ROM]);
	assert_int_equal(rig_mmio(&r, at, 4), 0xffffffff);
	rig_fini(&r);
}

static void test_memory_enable_gates_the_bus(void **state)
{
	struct rig_dev *d;
	struct rig r;
	gpa_t at;

	rig_init(&r);
	d = rig_plug(&r, NULL, 1);
	assert_int_equal(pci_assign(r.host), 0);
	at = pci_bar_addr(&d->fn, 0);
	assert_int_equal(rig_mmio(&r, at, 4), 0xffffffff);
	rig_enable(&r, 8);
	assert_int_equal(rig_mmio(&r, at + 4, 4), 0xa5a5a5a5);
	assert_int_equal(d->last_off, 4);
	bus_write(&r.bus, pci_bar_addr(&d->fn, 2) + 0x123, 2, 0xfffff);
	assert_int_equal(d->last_bar, 2);
	assert_int_equal(d->last_off, 0x123);
	assert_int_equal(d->last_val, 0xffff);
	assert_int_equal(d->n_map, 3);
	rig_wr(&r, 8, PCI_COMMAND, 2, 0);
	assert_int_equal(d->n_unmap, 3);
	assert_int_equal(rig_mmio(&r, at, 4), 0xffffffff);
	rig_fini(&r);
}

static void test_move_follows_both_halves(void **state)
{
	struct rig_dev *d;
	struct rig r;
	gpa_t at, to;

	rig_init(&r);
	d = rig_new("big");
	assert_int_equal(pci_add_bar(&d->fn, 0, GiB(512), true, true), 0);
	assert_int_equal(pci_plug(r.host, NULL, PCI_DEVFN(2, 0), &d->fn), 0);
	d = rig_plug(&r, NULL, 1);
	assert_int_equal(pci_assign(r.host), 0);
	rig_enable(&r, 8);
	at = pci_bar_addr(&d->fn, 2);
	to = GiB(256);
	assert_true(at != to && to + 65536 < rig_map.mem64 + pci_host_mem64_len(r.host));
	rig_wr(&r, 8, PCI_BASE_ADDRESS_2, 4, (u32)to);
	rig_wr(&r, 8, PCI_BASE_ADDRESS_3, 4, to >> 32);
	assert_int_equal(rig_mmio(&r, to + 8, 1), 0xa5);
	assert_int_equal(rig_mmio(&r, at, 1), 0xff);
	assert_int_equal(d->gpa[2], to);
	rig_fini(&r);
}

/* Addresses where BAR 0 (4 KiB) must not appear. */
static void test_hostile_place_is_not_mapped(void **state)
{
	static const u32 rows[] = { 0, 0x1000, 0xbffff000, 0xe0000000, 0xfec00000, 0xfee00000, 0xfffff000, 0xffffffff };
	struct rig_dev *d;
	struct rig r;

	rig_init(&r);
	d = rig_plug(&r, NULL, 1);
	assert_int_equal(pci_assign(r.host), 0);
	rig_enable(&r, 8);
	for (unsigned i = 0; i < ARRAY_SIZE(rows); i++) {
		rig_wr(&r, 8, PCI_BASE_ADDRESS_0, 4, rows[i]);
		assert_false(d->mapped[0]);
		assert_true(d->mapped[2] && d->mapped[4]);
	}
	rig_wr(&r, 8, PCI_BASE_ADDRESS_0, 4, 0xdffff000);
	assert_true(d->mapped[0]);
	for (unsigned i = 0; i < ARRAY_SIZE(rows); i++) {
		rig_wr(&r, 8, PCI_BASE_ADDRESS_2, 8, (u64)rows[i] << 32 | 0x7fff0000);
		assert_false(d->mapped[2]);
	}
	rig_fini(&r);
}

static void test_overlap_waits_until_the_place_is_free(void **state)
{
	struct rig_dev *a, *b;
	struct rig r;
	gpa_t at;

	rig_init(&r);
	a = rig_plug(&r, NULL, 1);
	b = rig_plug(&r, NULL, 2);
	assert_int_equal(pci_assign(r.host), 0);
	rig_enable(&r, 0x08);
	rig_enable(&r, 0x10);
	at = pci_bar_addr(&a->fn, 0);
	rig_wr(&r, 0x10, PCI_BASE_ADDRESS_0, 4, at);
	assert_true(a->mapped[0] && !b->mapped[0]);
	rig_mmio(&r, at, 4);
	assert_int_equal(a->n_read, 1);
	assert_int_equal(b->n_read, 0);
	rig_wr(&r, 0x08, PCI_COMMAND, 2, 0);
	assert_true(!a->mapped[0] && b->mapped[0]);
	rig_mmio(&r, at, 4);
	assert_int_equal(b->n_read, 1);
	rig_fini(&r);
}

static void test_bar_without_callbacks_reads_zero(void **state)
{
	struct pci_fn_ops ops = { .destroy = rig_destroy };
	struct rig_dev *d;
	struct rig r;

	rig_init(&r);
	d = rig_plug(&r, NULL, 1);
	d->fn.ops = &ops;
	assert_int_equal(pci_assign(r.host), 0);
	rig_enable(&r, 8);
	bus_write(&r.bus, pci_bar_addr(&d->fn, 0), 8, ~0ULL);
	assert_int_equal(rig_mmio(&r, pci_bar_addr(&d->fn, 0), 8), 0);
	rig_fini(&r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_add_bar_checks_size_and_place),
		cmocka_unit_test(test_sizing_reads_back_the_size),
		cmocka_unit_test(test_rom_has_a_switch_of_its_own),
		cmocka_unit_test(test_memory_enable_gates_the_bus),
		cmocka_unit_test(test_move_follows_both_halves),
		cmocka_unit_test(test_hostile_place_is_not_mapped),
		cmocka_unit_test(test_overlap_waits_until_the_place_is_free),
		cmocka_unit_test(test_bar_without_callbacks_reads_zero),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
