/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/unit.h"

#include "devices/devices.h"
#include "devices/viommu/amdvi.h"
#include "tests/unit/pci_rig.h"
#include "vmm/event.h"
#include "vmm/mem.h"

#define BASE 0xfeb00000ULL

static struct rig rig;
static struct event *ev;
static struct mem *mem;
static struct viommu *v;
static struct pci_fn *fn;

static int setup(void **state)
{
	static const struct mem_range ram = { 0, MiB(2) };
	struct viommu_cfg cfg = { .kind = VIOMMU_AMDVI, .name = "viommu-own", .base = BASE, .haw = 46 };

	rig_init(&rig);
	assert_false(rig.failed);
	assert_int_equal(event_create(&ev), 0);
	assert_int_equal(mem_create(&ram, 1, false, &mem), 0);
	cfg.mmio = &rig.bus;
	cfg.irq = rig.irq;
	cfg.ev = ev;
	cfg.mem = mem;
	assert_int_equal(viommu_create(&cfg, &v), 0);
	assert_int_equal(amdvi_fn_create(v, rig.host, PCI_DEVFN(PCI_DEV_AMDVI, 0)), 0);
	assert_int_equal(pci_assign(rig.host), 0);
	fn = pci_fn_by_sid(rig.host, PCI_BDF(0, PCI_DEV_AMDVI, 0));
	return 0;
}

static int teardown(void **state)
{
	pci_host_destroy(rig.host);
	rig.host = NULL;
	viommu_destroy(v);
	rig_fini(&rig);
	mem_destroy(mem);
	event_destroy(ev);
	return 0;
}

static u32 cfg(unsigned off, unsigned size)
{
	return pci_fn_read(fn, off, size);
}

static void set(unsigned off, unsigned size, u32 val)
{
	(void)pci_fn_write(fn, off, size, val);
}

/* Follows the list as Linux does. */
static unsigned find_cap(u8 id)
{
	unsigned at = cfg(PCI_CAPABILITY_LIST, 1);

	for (unsigned i = 0; at && i < 48; i++, at = cfg(at + 1, 1)) {
		if (cfg(at, 1) == id)
			return at;
	}
	return 0;
}

static void test_amdvi_fn_is_an_iommu_with_its_capability(void **state)
{
	assert_non_null(fn);
	assert_int_equal(cfg(PCI_CLASS_REVISION, 4) >> 8, 0x080600);
	assert_int_equal(find_cap(AMDVI_CAP_ID), AMDVI_FN_CAP);
	/* Type 3, revision 1, no IOTLB, no NpCache, EFRSup and CapExt. */
	assert_int_equal(cfg(AMDVI_FN_CAP + 2, 2), 0x180b);
	assert_int_equal(cfg(AMDVI_FN_CAP + 4, 4), BASE | 1);
	assert_int_equal(cfg(AMDVI_FN_CAP + 8, 4), 0);
	assert_int_equal(cfg(AMDVI_FN_CAP + 12, 4), 0);
	assert_int_equal(cfg(AMDVI_FN_CAP + 16, 4), 2 << 5 | 46 << 8 | 48 << 15);
	/* All of it, and what old CPU models poke, is read-only. */
	for (unsigned off = AMDVI_FN_CAP; off < AMDVI_FN_CAP + AMDVI_CAP_LEN; off += 4) {
		u32 was = cfg(off, 4);

		set(off, 4, ~was);
		assert_int_equal(cfg(off, 4), was);
	}
	set(0xf0, 4, ~0U);
	set(0xf4, 4, ~0U);
	assert_int_equal(cfg(AMDVI_FN_CAP, 1), AMDVI_CAP_ID);
}

static void test_amdvi_fn_msi_is_what_the_unit_sends(void **state)
{
	unsigned c = find_cap(PCI_CAP_ID_MSI);
	struct amdvi *t = amdvi_of(v);

	assert_int_not_equal(c, 0);
	assert_int_equal(cfg(c + PCI_MSI_FLAGS, 2), PCI_MSI_FLAGS_64BIT);
	set(c + PCI_MSI_ADDRESS_LO, 4, 0xfee01007);
	set(c + PCI_MSI_ADDRESS_HI, 4, 0x100);
	set(c + PCI_MSI_DATA_64, 2, 0x4031);
	assert_false(t->msi.on);
	set(c + PCI_MSI_FLAGS, 2, 0xffff);
	assert_int_equal(cfg(c + PCI_MSI_FLAGS, 2), PCI_MSI_FLAGS_64BIT | PCI_MSI_FLAGS_ENABLE);
	assert_true(t->msi.on);
	assert_int_equal(t->msi.addr, 0x100fee01004);
	assert_int_equal(t->msi.data, 0x4031);
	set(c + PCI_MSI_FLAGS, 2, 0);
	assert_false(t->msi.on);
}

static void test_amdvi_fn_reset_forgets_the_message(void **state)
{
	unsigned c = find_cap(PCI_CAP_ID_MSI);

	set(c + PCI_MSI_ADDRESS_LO, 4, 0xfee01000);
	set(c + PCI_MSI_FLAGS, 2, PCI_MSI_FLAGS_ENABLE);
	pci_host_reset(rig.host);
	assert_false(amdvi_of(v)->msi.on);
	assert_int_equal(cfg(c + PCI_MSI_FLAGS, 2), PCI_MSI_FLAGS_64BIT);
	assert_int_equal(cfg(c + PCI_MSI_ADDRESS_LO, 4), 0);
}

static void test_amdvi_fn_place_taken_leaves_nothing(void **state)
{
	assert_int_equal(amdvi_fn_create(v, rig.host, PCI_DEVFN(PCI_DEV_AMDVI, 0)), -EEXIST);
	assert_int_equal(amdvi_fn_create(v, rig.host, PCI_DEVFN(PCI_DEV_IOAPIC, 0)), -EINVAL);
}

#define T(t) cmocka_unit_test_setup_teardown(t, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(test_amdvi_fn_is_an_iommu_with_its_capability),
		T(test_amdvi_fn_msi_is_what_the_unit_sends),
		T(test_amdvi_fn_reset_forgets_the_message),
		T(test_amdvi_fn_place_taken_leaves_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
