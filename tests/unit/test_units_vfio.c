/* SPDX-License-Identifier: Apache-2.0 */
// wrap: open64 ioctl pread64 pwrite64 mmap64 close
#include "tests/unit/unit.h"
#include "tests/unit/vfio_units.h"

static void test_units_assigned_device_has_a_unit_of_its_hosts_iommu(void **state)
{
	struct pci_fn disk = { .name = "disk0", .devfn = PCI_DEVFN(3, 0) };
	struct acpi_blob blob;
	struct dma *dma;
	u64 ecap[2];

	vfio_rig_init(&r);
	r.c.viommu = VIOMMU_VTD;
	fake.ecap = BIT(26) | BIT(43) | BIT(47) | BIT(7);
	assert_int_equal(units_ready(), 0);
	assert_int_equal(units_dma_for(&r.ctx, &disk, true, &dma), 0);
	assert_int_equal(vfio_rig_plug(&r), 0);
	assert_int_equal(u.n, 2);
	assert_string_equal(viommu_name(u.unit[1].v), "viommu-dmar0");
	/* Pass-through until the guest says otherwise. */
	assert_int_equal(fake.attached, vfio_parent(r.v->dev[0]));
	/* The host's page walks are not coherent (SMPWC), so the second unit's are not. */
	for (unsigned i = 0; i < 2; i++)
		bus_read(&r.pci.bus, BASE + i * viommu_mmio_len(VIOMMU_VTD) + 0x10, 8, &ecap[i]);
	assert_int_not_equal(ecap[0], ecap[1]);
	assert_int_equal(units_table(&u, &blob), 0);
	/* header 48, twice a DRHD of 16 with one scope of 8 */
	assert_int_equal(blob.len, 48 + 2 * 24);
	assert_int_equal(get_le(blob.data + 48 + 24 + 8, 8), BASE + viommu_mmio_len(VIOMMU_VTD));
	/* A reset by the guest makes the unit look again, on the event thread. */
	vfio_rig_write(&r, FAKE_EXP + PCI_EXP_DEVCTL, 2, PCI_EXP_DEVCTL_BCR_FLR);
	units_reset(&u);
	assert_int_equal(fake.attached, vfio_parent(r.v->dev[0]));
	units_end();
}

/* Two IOMMUs of the host, the second one poorer: a parent and a unit each, and neither unit offers more than its own hardware has. */
static void test_units_two_host_iommus_get_a_unit_and_a_parent_each(void **state)
{
	struct acpi_blob blob;
	u64 cap[2], ecap[2];

	vfio_rig_init(&r);
	vfio_rig_second(&r);
	r.c.viommu = VIOMMU_VTD;
	fake.differ = true;
	fake.cap_2 = FIELD_PREP(GENMASK(21, 16), 38);
	fake.ecap_2 = BIT(26) | BIT(43) | BIT(47);
	assert_int_equal(units_start(), 0);
	assert_int_equal(u.n, 2);
	assert_string_equal(viommu_name(u.unit[0].v), "viommu-dmar0");
	assert_string_equal(viommu_name(u.unit[1].v), "viommu-dmar1");
	assert_int_not_equal(vfio_parent(r.v->dev[0]), vfio_parent(r.v->dev[1]));
	assert_int_equal(fake.attached, vfio_parent(r.v->dev[0]));
	assert_int_equal(fake.attached_2, vfio_parent(r.v->dev[1]));
	for (unsigned i = 0; i < 2; i++) {
		bus_read(&r.pci.bus, BASE + i * viommu_mmio_len(VIOMMU_VTD) + 8, 8, &cap[i]);
		bus_read(&r.pci.bus, BASE + i * viommu_mmio_len(VIOMMU_VTD) + 0x10, 8, &ecap[i]);
	}
	assert_int_equal(FIELD_GET(GENMASK(21, 16), cap[0]), 47);
	assert_int_equal(FIELD_GET(GENMASK(21, 16), cap[1]), 38);
	assert_int_not_equal(cap[0] & BIT(56), 0);
	assert_int_equal(cap[1] & BIT(56), 0);
	assert_int_equal(ecap[0] & (BIT(7) | BIT(31) | BIT(48)), BIT(7) | BIT(31) | BIT(48));
	assert_int_equal(ecap[1] & (BIT(7) | BIT(31) | BIT(48)), 0);
	assert_int_equal(units_table(&u, &blob), 0);
	assert_int_equal(blob.len, 48 + 2 * 24);
	units_end();
}

/* Where the IOMMUs are alike one parent serves both devices. */
static void test_units_alike_host_iommus_share_a_parent(void **state)
{
	vfio_rig_init(&r);
	vfio_rig_second(&r);
	r.c.viommu = VIOMMU_VTD;
	assert_int_equal(vfio_create(&r.c, &r.k, r.sys, &r.v), 0);
	assert_int_equal(vfio_parent(r.v->dev[0]), vfio_parent(r.v->dev[1]));
	assert_int_equal(fake.attached, fake.attached_2);
	vfio_rig_fini(&r);
	assert_int_equal(fake.n_live, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_units_assigned_device_has_a_unit_of_its_hosts_iommu),
		cmocka_unit_test(test_units_two_host_iommus_get_a_unit_and_a_parent_each),
		cmocka_unit_test(test_units_alike_host_iommus_share_a_parent),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
