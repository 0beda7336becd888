/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/unit.h"

#include "tests/unit/pci_rig.h"
#include "vmm/event.h"
#include "vmm/mem.h"
#include "vmm/units.h"

#define BASE 0xfeb00000ULL

struct machine {
	struct rig rig;
	struct event *ev;
	struct mem *mem;
	struct dma identity;
	struct units units;
	struct dev_ctx ctx;
};

static struct machine *make(enum viommu_kind kind)
{
	static const struct mem_range ram = { 0, MiB(2) };
	static struct machine m;
	struct vm_config c = { .viommu = kind };
	struct units_env env = { .base = BASE, .haw = 40 };

	memset(&m, 0, sizeof(m));
	rig_init(&m.rig);
	assert_false(m.rig.failed);
	assert_int_equal(event_create(&m.ev), 0);
	assert_int_equal(mem_create(&ram, 1, false, &m.mem), 0);
	dma_identity_init(&m.identity, m.mem);
	env.pci = m.rig.host;
	env.mmio = &m.rig.bus;
	env.irq = m.rig.irq;
	env.ev = m.ev;
	env.mem = m.mem;
	env.identity = &m.identity;
	units_init(&m.units, &c, &env);
	m.ctx.dma_arg = &m.units;
	return &m;
}

static void end(struct machine *m)
{
	units_fini(&m->units);
	rig_fini(&m->rig);
	mem_destroy(m->mem);
	event_destroy(m->ev);
}

static void test_units_device_outside_gets_identity_and_no_table(void **state)
{
	struct machine *m = make(VIOMMU_VTD);
	struct pci_fn fn = { .name = "disk0" };
	struct acpi_blob blob;
	struct dma *dma = NULL;

	assert_int_equal(units_dma_for(&m->ctx, &fn, false, &dma), 0);
	assert_ptr_equal(dma, &m->identity);
	assert_int_equal(units_table(&m->units, &blob), 0);
	assert_int_equal(blob.len, 0);
	units_reset(&m->units);
	end(m);
}

static void test_units_device_behind_no_unit_is_refused(void **state)
{
	struct machine *m = make(VIOMMU_OFF);
	struct pci_fn fn = { .name = "disk0" };
	struct dma *dma = NULL;

	assert_int_equal(units_dma_for(&m->ctx, &fn, true, &dma), -ENODEV);
	assert_null(dma);
	end(m);
}

static void test_units_table_lists_exactly_what_is_behind(void **state)
{
	static const enum viommu_kind kinds[] = { VIOMMU_VTD, VIOMMU_AUTO };

	for (unsigned k = 0; k < ARRAY_SIZE(kinds); k++) {
		struct machine *m = make(kinds[k]);
		struct pci_fn in = { .name = "in", .devfn = PCI_DEVFN(3, 0) }, out = { .name = "out", .devfn = PCI_DEVFN(4, 0) };
		struct acpi_blob blob;
		struct dma *a, *b;
		u64 cap;

		assert_int_equal(units_dma_for(&m->ctx, &in, true, &a), 0);
		assert_int_equal(units_dma_for(&m->ctx, &out, false, &b), 0);
		assert_ptr_not_equal(a, b);
		bus_read(&m->rig.bus, BASE + 8, 8, &cap);
		assert_true(cap != ~0ULL);
		assert_int_equal(cap >> 8 & 0x1f, 0); /* SAGAW */
		assert_int_equal(units_table(&m->units, &blob), 0);
		/* header 48, DRHD 16, one scope of 8: no INCLUDE_PCI_ALL, device 3 */
		assert_int_equal(blob.len, 72);
		assert_int_equal(blob.data[52], 0);
		assert_int_equal(get_le(blob.data + 56, 8), BASE);
		assert_int_equal(blob.data[70], 3);
		units_reset(&m->units);
		end(m);
	}
}

static void test_units_amdvi_is_a_function_and_lists_exactly_what_is_behind(void **state)
{
	struct machine *m = make(VIOMMU_AMDVI);
	struct pci_fn in = { .name = "in", .devfn = PCI_DEVFN(3, 0), .host = m->rig.host }, out = { .name = "out", .devfn = PCI_DEVFN(4, 0) };
	struct acpi_blob blob;
	struct dma *a, *b;
	struct pci_fn *fn;
	u64 efr;

	assert_int_equal(units_dma_for(&m->ctx, &in, true, &a), 0);
	assert_int_equal(units_dma_for(&m->ctx, &out, false, &b), 0);
	fn = pci_fn_by_sid(m->rig.host, PCI_BDF(0, PCI_DEV_AMDVI, 0));
	assert_non_null(fn);
	bus_read(&m->rig.bus, BASE + 0x30, 8, &efr);
	assert_int_equal(units_table(&m->units, &blob), 0);
	/* header 48, IVHD 40, one device entry of 4 */
	assert_int_equal(blob.len, 92);
	assert_memory_equal(blob.data, "IVRS", 4);
	assert_int_equal(get_le(blob.data + 52, 2), PCI_BDF(0, PCI_DEV_AMDVI, 0));
	assert_int_equal(get_le(blob.data + 54, 2), 0x40);
	assert_int_equal(get_le(blob.data + 56, 8), BASE);
	/* HATDis, and the features as the registers say */
	assert_int_equal(get_le(blob.data + 68, 4), 1);
	assert_int_equal(get_le(blob.data + 72, 8), efr);
	assert_int_equal(get_le(blob.data + 89, 2), PCI_BDF(0, 3, 0));
	units_reset(&m->units);
	pci_host_destroy(m->rig.host);
	m->rig.host = NULL;
	end(m);
}

static void test_units_auto_is_what_the_assigned_devices_need(void **state)
{
	struct vm_config c = { .viommu = VIOMMU_AUTO };
	struct units_env env = { .auto_kind = VIOMMU_AMDVI };
	struct units u;

	units_init(&u, &c, &env);
	assert_int_equal(u.kind, VIOMMU_AMDVI);
	env.auto_kind = VIOMMU_OFF;
	units_init(&u, &c, &env);
	assert_int_equal(u.kind, VIOMMU_VTD);
	c.viommu = VIOMMU_VTD;
	env.auto_kind = VIOMMU_AMDVI;
	units_init(&u, &c, &env);
	assert_int_equal(u.kind, VIOMMU_VTD);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_units_device_outside_gets_identity_and_no_table),
		cmocka_unit_test(test_units_device_behind_no_unit_is_refused),
		cmocka_unit_test(test_units_table_lists_exactly_what_is_behind),
		cmocka_unit_test(test_units_amdvi_is_a_function_and_lists_exactly_what_is_behind),
		cmocka_unit_test(test_units_auto_is_what_the_assigned_devices_need),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
