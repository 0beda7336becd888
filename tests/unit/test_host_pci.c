/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/unit.h"

#include "tests/unit/fake_sysfs.h"
#include "vmm/host_pci.h"

static char sys[32];

static int setup(void **state)
{
	struct sysfs_fn a = { .bdf = "0000:01:00.0", .driver = "vfio-pci", .group = 3, .cdev = "vfio2" };
	struct sysfs_fn b = { .bdf = "0000:01:00.1", .driver = "snd_hda_intel", .group = 3 };

	sysfs_new(sys);
	sysfs_add(sys, &a);
	sysfs_add(sys, &b);
	return 0;
}

static int teardown(void **state)
{
	sysfs_del(sys);
	return 0;
}

static const struct {
	const char *text, *bdf; /* NULL: refused */
} names[] = {
	{ "0000:01:00.0", "0000:01:00.0" }, { "01:00.0", "0000:01:00.0" }, { "ABCD:EF:1F.7", "abcd:ef:1f.7" },
	{ "", NULL }, { "0", NULL }, { "01:00", NULL }, { "01:00.8", NULL }, { "01:20.0", NULL }, { "01:00.0 ", NULL }, { "0000:01:00.00", NULL },
	{ "0000-01:00.0", NULL }, { "g1:00.0", NULL }, { "00000:01:00.0", NULL }, { "01:00.0/../..", NULL },
};

static void test_host_pci_parse_takes_bdfs_only(void **state)
{
	for (unsigned i = 0; i < ARRAY_SIZE(names); i++) {
		char bdf[HOST_BDF_LEN] = "same";
		int err = host_pci_parse(names[i].text, bdf);

		assert_int_equal(err, names[i].bdf ? 0 : -EINVAL);
		assert_string_equal(bdf, names[i].bdf ? names[i].bdf : "same");
	}
}

static void test_host_pci_read_tells_what_sysfs_tells(void **state)
{
	struct host_pci p;

	assert_int_equal(host_pci_read(sys, "0000:01:00.0", &p), 0);
	assert_int_equal(p.vendor, 0x1b36);
	assert_int_equal(p.class, 0x010802);
	assert_string_equal(p.driver, "vfio-pci");
	assert_string_equal(p.iommu, "dmar0");
	assert_string_equal(p.cdev, "vfio2");
	assert_int_equal(p.group, 3);
	assert_true(host_pci_harmless(&p));
	assert_int_equal(host_pci_read(sys, "0000:01:00.1", &p), 0);
	assert_string_equal(p.cdev, "");
	assert_false(host_pci_harmless(&p));
	assert_int_equal(host_pci_read(sys, "0000:01:00.2", &p), -ENOENT);
}

static void test_host_pci_group_lists_its_members(void **state)
{
	char bdf[4][HOST_BDF_LEN];

	assert_int_equal(host_pci_group(sys, 3, bdf, 4), 2);
	assert_int_equal(strncmp(bdf[0], "0000:01:00.", 11), 0);
	assert_int_equal(host_pci_group(sys, 3, bdf, 1), 2);
	assert_int_equal(host_pci_group(sys, 4, bdf, 4), -ENOENT);
}

static void test_host_pci_vtd_caps_come_from_the_unit(void **state)
{
	u64 cap = 0, ecap = 0;

	assert_int_equal(host_pci_vtd_caps(sys, "dmar0", &cap, &ecap), -ENOENT);
	sysfs_file(sys, "class/iommu/dmar0/intel-iommu/cap", "d2008c40660462\n");
	sysfs_file(sys, "class/iommu/dmar0/intel-iommu/ecap", "f00f5e\n");
	assert_int_equal(host_pci_vtd_caps(sys, "dmar0", &cap, &ecap), 0);
	assert_int_equal(cap, 0xd2008c40660462);
	assert_int_equal(ecap, 0xf00f5e);
	sysfs_file(sys, "class/iommu/dmar0/intel-iommu/ecap", "no number\n");
	assert_int_equal(host_pci_vtd_caps(sys, "dmar0", &cap, &ecap), -EINVAL);
}

static void test_host_pci_amd_features_come_from_the_unit(void **state)
{
	u64 efr = 1, efr2 = 1;

	assert_int_equal(host_pci_amd_efr(sys, "ivhd0", &efr, &efr2), -ENOENT);
	sysfs_file(sys, "class/iommu/ivhd0/amd-iommu/features", "f77ef22294ada:8\n");
	assert_int_equal(host_pci_amd_efr(sys, "ivhd0", &efr, &efr2), 0);
	assert_int_equal(efr, 0xf77ef22294ada);
	assert_int_equal(efr2, 8);
	sysfs_file(sys, "class/iommu/ivhd0/amd-iommu/features", "4f77ef22294ada\n");
	assert_int_equal(host_pci_amd_efr(sys, "ivhd0", &efr, &efr2), 0);
	assert_int_equal(efr2, 0);
	sysfs_file(sys, "class/iommu/ivhd0/amd-iommu/features", "none\n");
	assert_int_equal(host_pci_amd_efr(sys, "ivhd0", &efr, &efr2), -EINVAL);
}

static void test_host_pci_bars_have_size_and_kind(void **state)
{
	struct host_pci_bar bar[HOST_PCI_BARS];

	assert_int_equal(host_pci_bars(sys, "0000:01:00.0", bar), -ENOENT);
	sysfs_file(sys, "bus/pci/devices/0000:01:00.0/resource",
		   "0x00000000fe000000 0x00000000fe003fff 0x0000000000140204\n0x0 0x0 0x0\n"
		   "0x000000000000e000 0x000000000000e01f 0x0000000000040101\n0x0 0x0 0x0\n0x0 0x0 0x0\n0x0 0x0 0x0\n"
		   "0x00000000feb80000 0x00000000febbffff 0x0000000000046200\n");
	assert_int_equal(host_pci_bars(sys, "0000:01:00.0", bar), 0);
	assert_int_equal(bar[0].size, 0x4000);
	assert_true(bar[0].is64);
	assert_false(bar[0].io);
	assert_int_equal(bar[1].size, 0);
	assert_true(bar[2].io);
	assert_int_equal(bar[3].size, 0);
	assert_int_equal(bar[6].size, 0x40000);
}

static void test_host_pci_knows_a_device_file_by_its_number(void **state)
{
	int null = open("/dev/null", O_RDWR | O_CLOEXEC), file = open("Makefile", O_RDONLY | O_CLOEXEC);

	assert_false(host_pci_is_cdev(sys, null, "vfio3"));
	sysfs_link(sys, "dev/char/1:3", "../../devices/pci0000:00/0000:00:04.0/vfio-dev/vfio3");
	assert_true(host_pci_is_cdev(sys, null, "vfio3"));
	assert_false(host_pci_is_cdev(sys, null, "vfio4"));
	assert_false(host_pci_is_cdev(sys, null, ""));
	assert_false(host_pci_is_cdev(sys, file, "vfio3"));
	assert_false(host_pci_is_cdev(sys, 1 << 20, "vfio3"));
	close(null);
	close(file);
}

static void test_host_pci_write_reaches_the_file(void **state)
{
	char text[16] = "", path[80];
	FILE *f;

	assert_int_equal(host_pci_write(sys, "0000:01:00.0", "driver_override", "vfio-pci"), 0);
	snprintf(path, sizeof(path), "%s/bus/pci/devices/0000:01:00.0/driver_override", sys);
	f = fopen(path, "r");
	assert_non_null(f);
	assert_non_null(fgets(text, sizeof(text), f));
	fclose(f);
	assert_int_equal(strncmp(text, "vfio-pci", 8), 0);
	assert_int_equal(host_pci_write(sys, "0000:01:00.0", "no_such", "x"), -ENOENT);
	assert_int_equal(host_pci_write(sys, NULL, "drivers_probe", "x"), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_host_pci_parse_takes_bdfs_only),
		cmocka_unit_test_setup_teardown(test_host_pci_read_tells_what_sysfs_tells, setup, teardown),
		cmocka_unit_test_setup_teardown(test_host_pci_group_lists_its_members, setup, teardown),
		cmocka_unit_test_setup_teardown(test_host_pci_amd_features_come_from_the_unit, setup, teardown),
		cmocka_unit_test_setup_teardown(test_host_pci_vtd_caps_come_from_the_unit, setup, teardown),
		cmocka_unit_test_setup_teardown(test_host_pci_bars_have_size_and_kind, setup, teardown),
		cmocka_unit_test_setup_teardown(test_host_pci_knows_a_device_file_by_its_number, setup, teardown),
		cmocka_unit_test_setup_teardown(test_host_pci_write_reaches_the_file, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
