/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/unit.h"

#include "devices/devices.h"
#include "tests/unit/fake_sysfs.h"
#include "tests/unit/pci_rig.h"
#include "vmm/host_pci.h"
#include "vmm/offline.h"
#include "vmm/show.h"
#include "vmm/vfio_show.h"

/* The machine's own sysfs has no such function: the place is shown all the same, and the table lists its root port. */
static void test_vfio_show_absent_function_has_its_place(void **state)
{
	char *text = NULL;
	size_t len = 0;
	FILE *f = open_memstream(&text, &len);
	struct vm_config c;

	assert_non_null(f);
	config_init(&c);
	c.arch = ARCH_X86_64;
	c.viommu = VIOMMU_VTD;
	c.n_vfios = 1;
	c.vfios[0].bdf = strdup("7fff:7f:1f.7");
	c.vfios[0].id = strdup("gpu");
	assert_int_equal(show_print(f, "pci", &c), 0);
	assert_int_equal(show_print(f, "acpi", &c), 0);
	fclose(f);
	assert_non_null(strstr(text, "gpu"));
	assert_non_null(strstr(text, "DMAR"));
	free(text);
	config_free(&c);
}

/* No released kernel nests AMD's tables: only who asks for it is shown behind that unit. */
static void test_vfio_show_amd_unit_has_only_who_asked_for_it(void **state)
{
	static const enum tristate asked[] = { UNSET, OFF, ON };

	for (unsigned i = 0; i < ARRAY_SIZE(asked); i++) {
		struct vm_config c;
		size_t len;
		char *text;
		FILE *f = open_memstream(&text, &len);

		assert_non_null(f);
		config_init(&c);
		c.arch = ARCH_X86_64;
		c.viommu = VIOMMU_AMDVI;
		c.n_vfios = 1;
		c.vfios[0].bdf = strdup("7fff:7f:1f.7");
		c.vfios[0].viommu = asked[i];
		assert_int_equal(show_print(f, "acpi", &c), 0);
		fclose(f);
		assert_int_equal(strstr(text, "IVRS") != NULL, asked[i] == ON);
		free(text);
		config_free(&c);
	}
}

static void test_vfio_show_function_has_its_ids_and_bars(void **state)
{
	struct sysfs_fn host = { .bdf = "0000:01:00.0", .driver = "nvme", .group = 1 };
	struct vm_config c;
	struct dev_ctx ctx = { 0 };
	struct pci_fn *fn;
	struct rig r;
	char sys[32];

	rig_init(&r);
	assert_false(r.failed);
	ctx.pci = r.host;
	sysfs_new(sys);
	sysfs_add(sys, &host);
	sysfs_file(sys, "bus/pci/devices/0000:01:00.0/resource", "0xfe000000 0xfe003fff 0x140204\n0x0 0x0 0x0\n0xe000 0xe01f 0x40101\n");
	config_init(&c);
	c.n_vfios = 1;
	c.vfios[0].bdf = strdup("0000:01:00.0");
	assert_int_equal(vfio_show(&c, sys, &ctx, NULL), 0);
	assert_int_equal(pci_assign(r.host), 0);
	fn = pci_fn_by_sid(r.host, PCI_BDF(1, 0, 0));
	assert_non_null(fn);
	assert_int_equal(pci_fn_read(fn, 0, 4), 0x00101b36);
	assert_int_equal(fn->bar[0].size, 0x4000);
	assert_true(fn->bar[0].is64);
	assert_int_equal(fn->bar[2].size, 0);
	config_free(&c);
	sysfs_del(sys);
	rig_fini(&r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_vfio_show_amd_unit_has_only_who_asked_for_it),
		cmocka_unit_test(test_vfio_show_function_has_its_ids_and_bars),
		cmocka_unit_test(test_vfio_show_absent_function_has_its_place),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
