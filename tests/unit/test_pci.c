/* SPDX-License-Identifier: Apache-2.0 */
#include <pthread.h>

#include "tests/unit/pci_rig.h"
#include "tests/unit/unit.h"

static void test_ecam_read_absent_is_all_ones(void **state)
{
	static const u16 sids[] = { 0x0010, 0x0001, 0x0100, 0x01ff, 0xff00, 0xffff };
	struct rig r;

	rig_init(&r);
	for (unsigned i = 0; i < ARRAY_SIZE(sids); i++) {
		for (unsigned size = 1; size <= 8; size++) {
			assert_int_equal(rig_rd(&r, sids[i], 0, size), size_mask(size));
			rig_wr(&r, sids[i], 0, size, 0);
		}
	}
	rig_fini(&r);
}

static void test_ecam_read_any_size_and_alignment_is_the_bytes(void **state)
{
	struct rig r;
	u8 want[32];

	rig_init(&r);
	rig_plug(&r, NULL, 1);
	for (unsigned i = 0; i < sizeof(want); i++)
		want[i] = (u8)rig_rd(&r, 0x0008, i, 1);
	assert_int_equal(get_le(want, 4), 0x56781234);
	for (unsigned off = 0; off < 24; off++) {
		for (unsigned size = 1; size <= 8; size++)
			assert_int_equal(rig_rd(&r, 0x0008, off, size), get_le(want + off, size));
	}
	rig_fini(&r);
}

static void test_ecam_access_across_two_functions_reaches_both(void **state)
{
	struct rig r;

	rig_init(&r);
	rig_plug(&r, NULL, 1);
	/* Last two bytes of 00:01.0, first two of the absent 00:01.1. */
	assert_int_equal(rig_rd(&r, 0x0008, 4094, 4), 0xffff0000);
	/* Last bytes of the absent 00:00.7, first of 00:01.0. */
	assert_int_equal(rig_rd(&r, 0x0007, 4092, 8), 0x56781234ffffffffULL);
	rig_fini(&r);
}

static void test_host_bridge_is_at_0(void **state)
{
	struct rig r;

	rig_init(&r);
	assert_int_equal(rig_rd(&r, 0, PCI_VENDOR_ID, 4), 0x00081b36);
	assert_int_equal(rig_rd(&r, 0, PCI_CLASS_DEVICE, 2), 0x0600);
	assert_int_equal(rig_rd(&r, 0, PCI_STATUS, 2) & PCI_STATUS_CAP_LIST, 0);
	rig_fini(&r);
}

static void test_plug_refuses_taken_and_reserved_places(void **state)
{
	struct rig_dev *d = rig_new("dev");
	struct pci_fn *port;
	struct rig r;

	rig_init(&r);
	assert_int_equal(pci_root_port_create(r.host, 0x10, &port), 0);
	rig_plug(&r, NULL, 1);
	rig_plug(&r, port, 0);
	assert_int_equal(pci_plug(r.host, NULL, PCI_DEVFN(1, 0), &d->fn), -EEXIST);
	assert_int_equal(pci_plug(r.host, port, 0, &d->fn), -EEXIST);
	assert_int_equal(pci_plug(r.host, port, 8, &d->fn), -EINVAL);
	assert_int_equal(pci_plug(r.host, NULL, PCI_DEVFN(0x1f, 0), &d->fn), -EINVAL);
	assert_int_equal(pci_plug(r.host, &d->fn, 0, &d->fn), -EINVAL);
	assert_int_equal(pci_plug(r.host, NULL, PCI_DEVFN(1, 3), &d->fn), 0);
	assert_int_equal(rig_rd(&r, 0x0008, PCI_HEADER_TYPE, 1), 0x80);
	assert_int_equal(rig_rd(&r, 0x000b, PCI_HEADER_TYPE, 1), 0x80);
	rig_fini(&r);
}

static void test_free_dev_skips_used_and_reserved(void **state)
{
	struct rig r;

	rig_init(&r);
	assert_int_equal(pci_free_dev(r.host, 0), 1);
	for (unsigned dev = 1; dev < 0x1f; dev++) {
		assert_int_equal(pci_free_dev(r.host, 1), dev);
		rig_plug(&r, NULL, dev);
	}
	assert_int_equal(pci_free_dev(r.host, 1), -ENOSPC);
	rig_fini(&r);
}

static void test_destroy_frees_every_function_once(void **state)
{
	unsigned destroyed = 0;
	struct pci_fn *port;
	struct rig_dev *d;
	struct rig r;

	rig_init(&r);
	assert_int_equal(pci_root_port_create(r.host, 0x10, &port), 0);
	d = rig_plug(&r, port, 0);
	d->destroyed = &destroyed;
	d = rig_plug(&r, NULL, 2);
	d->destroyed = &destroyed;
	rig_fini(&r);
	assert_int_equal(destroyed, 2);
}

static void note(struct pci_fn *fn, void *arg)
{
	u16 **p = arg;

	*(*p)++ = pci_fn_sid(fn);
}

static void test_for_each_visits_ports_before_children(void **state)
{
	static const u16 want[] = { 0x0000, 0x0080, 0x0088, 0x00f0, 0x0100, 0x0200 };
	u16 seen[8] = { 0 }, *p = seen;
	struct pci_fn *a, *b;
	struct rig r;

	rig_init(&r);
	rig_plug(&r, NULL, 0x1e);
	assert_int_equal(pci_root_port_create(r.host, 0x11, &b), 0);
	assert_int_equal(pci_root_port_create(r.host, 0x10, &a), 0);
	rig_plug(&r, b, 0);
	rig_plug(&r, a, 0);
	assert_int_equal(pci_assign(r.host), 0);
	pci_for_each(r.host, note, &p);
	assert_int_equal(p - seen, ARRAY_SIZE(want));
	assert_memory_equal(seen, want, sizeof(want));
	for (unsigned i = 0; i < ARRAY_SIZE(want); i++)
		assert_int_equal(pci_fn_sid(pci_fn_by_sid(r.host, want[i])), want[i]);
	assert_null(pci_fn_by_sid(r.host, 0x0300));
	assert_null(pci_fn_by_sid(r.host, 0x0101));
	rig_fini(&r);
}

static void test_reset_restores_the_assigned_state(void **state)
{
	struct rig_dev *d;
	struct rig r;
	u64 bar;

	rig_init(&r);
	d = rig_plug(&r, NULL, 1);
	assert_int_equal(pci_assign(r.host), 0);
	bar = rig_rd(&r, 8, PCI_BASE_ADDRESS_2, 8);
	rig_enable(&r, 8);
	rig_wr(&r, 8, PCI_BASE_ADDRESS_2, 8, bar + 0x10000);
	rig_wr(&r, 8, d->fn.msix.cap + PCI_MSIX_FLAGS, 2, PCI_MSIX_FLAGS_ENABLE);
	bus_write(&r.bus, pci_bar_addr(&d->fn, 4) + 12, 4, 0);
	assert_true(d->master && d->mapped[0] && d->fn.msix.enabled && !d->fn.msix.e[0].masked);
	pci_host_reset(r.host);
	assert_int_equal(d->n_reset, 1);
	assert_false(d->master || d->mapped[0] || d->mapped[2] || d->mapped[4] || d->fn.msix.enabled || !d->fn.msix.e[0].masked);
	assert_int_equal(rig_rd(&r, 8, PCI_COMMAND, 2), 0);
	assert_int_equal(rig_rd(&r, 8, PCI_BASE_ADDRESS_2, 8), bar);
	rig_enable(&r, 8);
	assert_true(d->mapped[2] && d->gpa[2] == (bar & ~0xfULL));
	rig_fini(&r);
}

static void test_intx_is_swizzled_shared_and_gated(void **state)
{
	struct rig_dev *a, *b, *c;
	struct pci_fn *port;
	struct rig r;

	rig_init(&r);
	assert_int_equal(pci_root_port_create(r.host, 0x12, &port), 0);
	a = rig_plug(&r, NULL, 2);
	b = rig_plug(&r, port, 0);
	c = rig_plug(&r, NULL, 3);
	a->fn.cfg[PCI_INTERRUPT_PIN] = 1;
	b->fn.cfg[PCI_INTERRUPT_PIN] = 1;
	pci_intx(&a->fn, true);
	pci_intx(&a->fn, true);
	pci_intx(&b->fn, true);
	pci_intx(&c->fn, true); /* has no pin */
	assert_true(r.line[18]);
	assert_int_equal(r.n_line, 1);
	assert_int_equal(rig_rd(&r, 0x10, PCI_STATUS, 2) & PCI_STATUS_INTERRUPT, PCI_STATUS_INTERRUPT);
	pci_intx(&a->fn, false);
	assert_true(r.line[18]);
	rig_wr(&r, 0x10, PCI_STATUS, 2, 0xffff);
	assert_int_equal(pci_assign(r.host), 0);
	rig_wr(&r, 0x0100, PCI_COMMAND, 2, PCI_COMMAND_INTX_DISABLE);
	assert_false(r.line[18]);
	rig_wr(&r, 0x0100, PCI_COMMAND, 2, 0);
	assert_true(r.line[18]);
	pci_host_reset(r.host);
	pci_intx(&b->fn, false);
	assert_false(r.line[18]);
	rig_fini(&r);
}

/* Every register of every function, every size, some misaligned: still there, and still what it was. */
static void test_cfg_sweep_leaves_it_alive(void **state)
{
	static const u16 sids[] = { 0x0000, 0x0008, 0x0080, 0x0100 };
	struct pci_fn *port;
	struct rig r;

	rig_init(&r);
	assert_int_equal(pci_root_port_create(r.host, 0x10, &port), 0);
	rig_plug(&r, port, 0);
	rig_plug(&r, NULL, 1);
	assert_int_equal(pci_assign(r.host), 0);
	for (unsigned i = 0; i < ARRAY_SIZE(sids); i++) {
		for (unsigned off = 0; off < 0x140; off++) {
			for (unsigned size = 1; size <= 8; size++) {
				rig_wr(&r, sids[i], off, size, 0);
				rig_wr(&r, sids[i], off, size, ~0ULL);
				for (unsigned bit = 0; bit < 8 * size; bit += 3)
					rig_wr(&r, sids[i], off, size, BIT(bit));
				rig_rd(&r, sids[i], off, size);
			}
		}
	}
	pci_host_reset(r.host);
	assert_int_equal(rig_rd(&r, 0x0000, 0, 4), 0x00081b36);
	assert_int_equal(rig_rd(&r, 0x0008, 0, 4), 0x56781234);
	assert_int_equal(rig_rd(&r, 0x0080, 0, 4), 0x000c1b36);
	assert_int_equal(rig_rd(&r, 0x0100, 0, 4), 0x56781234);
	rig_fini(&r);
}

struct scribbler {
	struct rig *r;
	u32 seed;
};

static void *scribble(void *arg)
{
	static const u16 sids[] = { 0x0008, 0x0080, 0x0100, 0x0010 };
	static const u16 offs[] = { PCI_COMMAND, PCI_BASE_ADDRESS_0, PCI_BASE_ADDRESS_2, PCI_BASE_ADDRESS_3, PCI_BASE_ADDRESS_4, PCI_MEMORY_BASE,
				    PCI_PREF_MEMORY_BASE, 0x40, 0x42 };
	struct scribbler *s = arg;
	u64 x = s->seed;

	for (unsigned i = 0; i < 3000; i++) {
		u16 sid;

		x = x * 6364136223846793005ULL + 1442695040888963407ULL;
		sid = sids[x >> 60 & 3];
		rig_wr(s->r, sid, offs[(x >> 40) % ARRAY_SIZE(offs)], 1U << (x >> 33 & 3), (x >> 50 & 1) ? 0xd0000006 : x >> 8);
		rig_rd(s->r, sid, (unsigned)(x >> 20) & 0xfff, 8);
		rig_mmio(s->r, 0xc0000000 + (x >> 30 & 0xffffff), 4);
	}
	return NULL;
}

static void test_two_vcpus_scribbling_is_harmless(void **state)
{
	struct pci_fn *port;
	struct rig_dev *a;
	pthread_t t[2];
	struct rig r;
	struct scribbler s[2] = { { .r = &r, .seed = 1 }, { .r = &r, .seed = 99 } };

	rig_init(&r);
	assert_int_equal(pci_root_port_create(r.host, 0x10, &port), 0);
	rig_plug(&r, port, 0);
	a = rig_plug(&r, NULL, 1);
	rig_plug(&r, NULL, 2);
	assert_int_equal(pci_assign(r.host), 0);
	for (unsigned i = 0; i < 2; i++)
		assert_int_equal(pthread_create(&t[i], NULL, scribble, &s[i]), 0);
	for (unsigned i = 0; i < 2; i++)
		pthread_join(t[i], NULL);
	assert_int_equal(rig_rd(&r, 8, 0, 4), 0x56781234);
	pci_host_reset(r.host);
	rig_enable(&r, 8);
	assert_true(a->mapped[0] && a->mapped[2] && a->mapped[4]);
	assert_int_equal(r.bus.n, 4);
	rig_fini(&r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_ecam_read_absent_is_all_ones),
		cmocka_unit_test(test_ecam_read_any_size_and_alignment_is_the_bytes),
		cmocka_unit_test(test_ecam_access_across_two_functions_reaches_both),
		cmocka_unit_test(test_host_bridge_is_at_0),
		cmocka_unit_test(test_plug_refuses_taken_and_reserved_places),
		cmocka_unit_test(test_free_dev_skips_used_and_reserved),
		cmocka_unit_test(test_destroy_frees_every_function_once),
		cmocka_unit_test(test_for_each_visits_ports_before_children),
		cmocka_unit_test(test_reset_restores_the_assigned_state),
		cmocka_unit_test(test_intx_is_swizzled_shared_and_gated),
		cmocka_unit_test(test_cfg_sweep_leaves_it_alive),
		cmocka_unit_test(test_two_vcpus_scribbling_is_harmless),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
