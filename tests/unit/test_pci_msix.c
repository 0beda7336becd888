/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/pci_rig.h"
#include "tests/unit/unit.h"

#define PBA 8192

static struct rig_dev *start(struct rig *r)
{
	struct rig_dev *d;

	rig_init(r);
	d = rig_plug(r, NULL, 1);
	assert_int_equal(pci_assign(r->host), 0);
	rig_enable(r, 8);
	return d;
}

static void control(struct rig *r, const struct rig_dev *d, u16 v)
{
	rig_wr(r, 8, d->fn.msix.cap + PCI_MSIX_FLAGS, 2, v);
}

static void program(struct rig *r, const struct rig_dev *d, unsigned vec, u64 addr, u32 data, u32 ctrl)
{
	gpa_t at = pci_bar_addr(&d->fn, 4) + vec * PCI_MSIX_ENTRY;

	bus_write(&r->bus, at, 8, addr);
	bus_write(&r->bus, at + 8, 4, data);
	bus_write(&r->bus, at + 12, 4, ctrl);
}

static void test_add_msix_checks_its_place(void **state)
{
	static const struct {
		unsigned bar, n;
		u32 table, pba;
		int want;
	} rows[] = {
		{ 0, 0, 0, 2048, -EINVAL },     { 0, 2049, 0, 2048, -EINVAL },   { 1, 1, 0, 2048, -EINVAL },      { 6, 1, 0, 2048, -EINVAL },
		{ 0, 1, 4, 2048, -EINVAL },     { 0, 1, 0, 2052, -EINVAL },      { 0, 1, 4088, 0, -EINVAL },      { 0, 129, 0, 2048, -EINVAL },
		{ 0, 2, 0, 24, -EINVAL },       { 0, 1, 0, 4096, -EINVAL },      { 0, 1, 0xfffffff8, 0, -EINVAL }, { 0, 128, 0, 2048, 0 },
		{ 0, 1, 0, 2048, -EINVAL },
	};
	struct rig_dev *d = rig_new("dev");

	assert_int_equal(pci_add_bar(&d->fn, 0, 4096, false, false), 0);
	for (unsigned i = 0; i < ARRAY_SIZE(rows); i++)
		assert_int_equal(pci_add_msix(&d->fn, rows[i].bar, rows[i].n, rows[i].table, rows[i].pba), rows[i].want);
	assert_int_equal(pci_cfg16(&d->fn, d->fn.msix.cap + PCI_MSIX_FLAGS), 127);
	rig_destroy(&d->fn);
}

static void test_raise_delivers_the_raw_message(void **state)
{
	struct rig r;
	struct rig_dev *d = start(&r);

	program(&r, d, 3, 0x1fee01234ULL, 0xdeadbeef, 0);
	pci_msix_raise(&d->fn, 3);
	assert_int_equal(r.msi.n, 0); /* MSI-X is still off */
	control(&r, d, PCI_MSIX_FLAGS_ENABLE);
	pci_msix_raise(&d->fn, 3);
	assert_int_equal(r.msi.n, 1);
	assert_int_equal(r.msi.addr, 0x1fee01234ULL);
	assert_int_equal(r.msi.data, 0xdeadbeef);
	pci_msix_raise(&d->fn, 4);
	pci_msix_raise(&d->fn, ~0U);
	assert_int_equal(r.msi.n, 1);
	rig_fini(&r);
}

static void test_masked_vector_pends_once(void **state)
{
	struct rig r;
	struct rig_dev *d = start(&r);
	gpa_t at = pci_bar_addr(&d->fn, 4);

	control(&r, d, PCI_MSIX_FLAGS_ENABLE);
	program(&r, d, 1, 0xfee00000, 0x41, 1);
	pci_msix_raise(&d->fn, 1);
	pci_msix_raise(&d->fn, 1);
	assert_int_equal(r.msi.n, 0);
	assert_int_equal(rig_mmio(&r, at + PBA, 8), 2);
	bus_write(&r.bus, at + PBA, 8, 0);
	assert_int_equal(rig_mmio(&r, at + PBA, 1), 2);
	bus_write(&r.bus, at + 16 + 12, 4, 0);
	assert_int_equal(r.msi.n, 1);
	assert_int_equal(r.msi.data, 0x41);
	assert_int_equal(rig_mmio(&r, at + PBA, 8), 0);
	rig_fini(&r);
}

static void test_function_mask_holds_everything(void **state)
{
	struct rig r;
	struct rig_dev *d = start(&r);

	control(&r, d, PCI_MSIX_FLAGS_ENABLE | PCI_MSIX_FLAGS_MASKALL);
	program(&r, d, 0, 0xfee00000, 0x40, 0);
	program(&r, d, 1, 0xfee00000, 0x41, 1);
	pci_msix_raise(&d->fn, 0);
	pci_msix_raise(&d->fn, 1);
	assert_int_equal(r.msi.n, 0);
	assert_int_equal(rig_mmio(&r, pci_bar_addr(&d->fn, 4) + PBA, 4), 3);
	control(&r, d, PCI_MSIX_FLAGS_ENABLE);
	assert_int_equal(r.msi.n, 1);
	assert_int_equal(r.msi.data, 0x40);
	assert_int_equal(rig_mmio(&r, pci_bar_addr(&d->fn, 4) + PBA, 4), 2);
	rig_fini(&r);
}

static void test_device_hears_of_changes_only(void **state)
{
	struct rig r;
	struct rig_dev *d = start(&r);
	gpa_t at = pci_bar_addr(&d->fn, 4);

	control(&r, d, PCI_MSIX_FLAGS_ENABLE);
	assert_int_equal(d->n_msix, 1);
	assert_int_equal(d->last_vec, -1);
	control(&r, d, PCI_MSIX_FLAGS_ENABLE);
	assert_int_equal(d->n_msix, 1);
	bus_write(&r.bus, at + 2 * 16, 4, 0xfee00000);
	assert_int_equal(d->n_msix, 2);
	assert_int_equal(d->last_vec, 2);
	bus_write(&r.bus, at + 2 * 16, 4, 0xfee00003);
	bus_write(&r.bus, at + 2 * 16 + 4, 4, 0);
	assert_int_equal(d->n_msix, 2);
	bus_write(&r.bus, at + 2 * 16 + 12, 4, 0);
	assert_int_equal(d->n_msix, 3);
	rig_fini(&r);
}

/* The device never sees what belongs to the table or the PBA, wholly or in part. */
static void test_table_sweep_is_total(void **state)
{
	struct rig r;
	struct rig_dev *d = start(&r);
	gpa_t at = pci_bar_addr(&d->fn, 4);

	control(&r, d, PCI_MSIX_FLAGS_ENABLE);
	for (unsigned size = 1; size <= 8; size++) {
		for (unsigned off = 0; off < 64; off++) {
			for (unsigned bit = 0; bit < 8 * size; bit++)
				bus_write(&r.bus, at + off, size, BIT(bit));
			bus_write(&r.bus, at + off, size, 0);
			bus_write(&r.bus, at + off, size, ~0ULL);
			rig_mmio(&r, at + off, size);
		}
		for (unsigned off = 1; off < 8 + size; off++) {
			bus_write(&r.bus, at + PBA - size + off, size, ~0ULL);
			rig_mmio(&r, at + PBA - size + off, size);
		}
	}
	assert_int_equal(d->n_read + d->n_write, 0);
	for (unsigned vec = 0; vec < 4; vec++) {
		assert_int_equal(rig_mmio(&r, at + vec * 16, 8), 0xfffffffffffffffcULL);
		assert_int_equal(rig_mmio(&r, at + vec * 16 + 8, 8), 0x1ffffffffULL);
	}
	assert_int_equal(rig_mmio(&r, at + 5, 6), 0xffffffffffffULL);
	rig_mmio(&r, at + 64, 4);
	assert_int_equal(d->n_read, 1);
	rig_fini(&r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_add_msix_checks_its_place),
		cmocka_unit_test(test_raise_delivers_the_raw_message),
		cmocka_unit_test(test_masked_vector_pends_once),
		cmocka_unit_test(test_function_mask_holds_everything),
		cmocka_unit_test(test_device_hears_of_changes_only),
		cmocka_unit_test(test_table_sweep_is_total),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
