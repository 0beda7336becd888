/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/pci_rig.h"
#include "tests/unit/unit.h"

#define PORT 0x0080

static struct rig_dev *start(struct rig *r)
{
	struct pci_fn *port;
	struct rig_dev *d;

	rig_init(r);
	assert_int_equal(pci_root_port_create(r->host, 0x10, &port), 0);
	d = rig_plug(r, port, 0);
	assert_int_equal(pci_assign(r->host), 0);
	return d;
}

static void test_root_port_has_what_linux_wants(void **state)
{
	struct rig r;

	start(&r);
	assert_int_equal(rig_rd(&r, PORT, PCI_VENDOR_ID, 4), 0x000c1b36);
	assert_int_equal(rig_rd(&r, PORT, PCI_CLASS_DEVICE, 2), 0x0604);
	assert_int_equal(rig_rd(&r, PORT, PCI_HEADER_TYPE, 1), 1);
	assert_int_equal(rig_rd(&r, PORT, PCI_EXP_CAP + PCI_EXP_FLAGS, 2), 0x42);
	assert_int_equal(rig_rd(&r, PORT, PCI_PREF_MEMORY_BASE, 1) & 0xf, PCI_PREF_RANGE_TYPE_64);
	assert_int_equal(rig_rd(&r, PORT, PCI_EXP_CAP + PCI_EXP_LNKSTA, 2) & PCI_EXP_LNKSTA_DLLLA, PCI_EXP_LNKSTA_DLLLA);
	/* No I/O window: its registers do not keep anything. */
	rig_wr(&r, PORT, PCI_IO_BASE, 2, 0xe0f0);
	assert_int_equal(rig_rd(&r, PORT, PCI_IO_BASE, 2), 0);
	assert_int_equal(rig_rd(&r, 0x0100, PCI_EXP_CAP + PCI_EXP_FLAGS, 2), 0x02);
	rig_fini(&r);
}

static void test_acs_controls_are_writable(void **state)
{
	const unsigned want = PCI_ACS_SV | PCI_ACS_RR | PCI_ACS_CR | PCI_ACS_UF;
	struct rig r;

	start(&r);
	assert_int_equal(rig_rd(&r, PORT, 0x100, 4), 0x0001000d);
	assert_int_equal(rig_rd(&r, PORT, 0x100 + PCI_ACS_CAP, 2), want);
	rig_wr(&r, PORT, 0x100 + PCI_ACS_CTRL, 2, 0xffff);
	assert_int_equal(rig_rd(&r, PORT, 0x100 + PCI_ACS_CTRL, 2), want);
	rig_fini(&r);
}

static void test_renumbering_moves_what_is_below(void **state)
{
	struct rig r;
	struct rig_dev *d = start(&r);

	assert_int_equal(rig_rd(&r, 0x0100, 0, 4), 0x56781234);
	rig_wr(&r, PORT, PCI_PRIMARY_BUS, 4, 0x00070700);
	assert_int_equal(rig_rd(&r, 0x0100, 0, 4), 0xffffffff);
	assert_int_equal(rig_rd(&r, 0x0700, 0, 4), 0x56781234);
	assert_int_equal(pci_fn_sid(&d->fn), 0x0700);
	assert_ptr_equal(pci_fn_by_sid(r.host, 0x0700), &d->fn);
	/* Bus 0 below a port hides it; it must not shadow bus 0. */
	rig_wr(&r, PORT, PCI_PRIMARY_BUS, 4, 0);
	assert_int_equal(rig_rd(&r, 0x0000, 0, 4), 0x00081b36);
	rig_wr(&r, PORT, PCI_SECONDARY_BUS, 1, 0xff);
	assert_int_equal(rig_rd(&r, 0xff00, 0, 4), 0x56781234);
	pci_host_reset(r.host);
	assert_int_equal(rig_rd(&r, 0x0100, 0, 4), 0x56781234);
	rig_fini(&r);
}

static void test_two_ports_with_one_bus_number_are_harmless(void **state)
{
	struct pci_fn *port;
	struct rig_dev *d;
	struct rig r;

	rig_init(&r);
	d = NULL;
	for (unsigned dev = 0x10; dev < 0x12; dev++) {
		assert_int_equal(pci_root_port_create(r.host, dev, &port), 0);
		d = rig_plug(&r, port, 0);
	}
	assert_int_equal(pci_assign(r.host), 0);
	rig_wr(&r, 0x88, PCI_SECONDARY_BUS, 1, 1);
	rig_wr(&r, 0x0100, PCI_INTERRUPT_LINE, 1, 0x77);
	assert_int_equal(d->fn.cfg[PCI_INTERRUPT_LINE], 0);
	assert_int_equal(rig_rd(&r, 0x0200, 0, 4), 0xffffffff);
	rig_fini(&r);
}

static void test_windows_and_memory_enable_gate_bars_below(void **state)
{
	struct rig r;
	struct rig_dev *d = start(&r);
	u64 mem;

	rig_enable(&r, 0x0100);
	assert_int_equal(d->n_map, 0);
	rig_enable(&r, PORT);
	assert_true(d->mapped[0] && d->mapped[2] && d->mapped[4]);
	mem = rig_rd(&r, PORT, PCI_MEMORY_BASE, 4);
	rig_wr(&r, PORT, PCI_MEMORY_BASE, 4, 0x0000fff0);
	assert_true(!d->mapped[0] && d->mapped[2] && !d->mapped[4]);
	rig_wr(&r, PORT, PCI_MEMORY_BASE, 4, mem);
	assert_true(d->mapped[0] && d->mapped[2] && d->mapped[4]);
	rig_wr(&r, PORT, PCI_PREF_LIMIT_UPPER32, 4, 0);
	assert_true(d->mapped[0] && !d->mapped[2] && d->mapped[4]);
	/* A window over everything adds nothing to what the host bridge forwards. */
	rig_wr(&r, PORT, PCI_PREF_MEMORY_BASE, 4, 0xfff00000);
	rig_wr(&r, PORT, PCI_PREF_BASE_UPPER32, 8, 0xffffffff00000000ULL);
	assert_true(d->mapped[2]);
	rig_wr(&r, 0x0100, PCI_BASE_ADDRESS_0, 4, 0xb0000000);
	assert_false(d->mapped[0]);
	rig_wr(&r, PORT, PCI_COMMAND, 2, 0);
	assert_true(!d->mapped[0] && !d->mapped[2] && !d->mapped[4]);
	rig_fini(&r);
}

static void test_create_refuses_what_cannot_be(void **state)
{
	struct pci_fn *port;
	struct rig r;

	rig_init(&r);
	assert_int_equal(pci_root_port_create(r.host, 0, &port), -EEXIST);
	assert_int_equal(pci_root_port_create(r.host, 0x1f, &port), -EINVAL);
	assert_int_equal(pci_root_port_create(r.host, 32, &port), -EINVAL);
	rig_fini(&r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_root_port_has_what_linux_wants),
		cmocka_unit_test(test_acs_controls_are_writable),
		cmocka_unit_test(test_renumbering_moves_what_is_below),
		cmocka_unit_test(test_two_ports_with_one_bus_number_are_harmless),
		cmocka_unit_test(test_windows_and_memory_enable_gate_bars_below),
		cmocka_unit_test(test_create_refuses_what_cannot_be),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
