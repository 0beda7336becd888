/* SPDX-License-Identifier: Apache-2.0 */
// wrap: open64 ioctl pread64 pwrite64 mmap64 close
#include "tests/unit/unit.h"

#include "tests/unit/vfio_fake.h"
#include "vmm/check_vfio.h"

static char text[4096];
static bool all_ok;

static void add(void *arg, const char *what, bool ok, const char *detail, const char *remedy)
{
	size_t n = strlen(text);

	all_ok &= ok;
	assert_true(ok == !remedy[0]);
	snprintf(text + n, sizeof(text) - n, "%s|%s|%s\n", what, detail, remedy);
}

static void run(struct vfio_rig *r)
{
	text[0] = 0;
	all_ok = true;
	check_vfio(&r->c, r->sys, add, NULL);
}

static void test_check_vfio_bound_device_is_asked_itself(void **state)
{
	struct vfio_rig r;

	vfio_rig_init(&r);
	run(&r);
	assert_true(all_ok);
	assert_non_null(strstr(text, "can nest: yes"));
	assert_true(fake.bound);
	fake.ecap = ~BIT(26);
	run(&r);
	assert_true(all_ok);
	assert_non_null(strstr(text, "can nest: no, because dmar0 lacks nested translation (ECAP.NEST)"));
	vfio_rig_fini(&r);
}

static void test_check_vfio_unbound_device_is_judged_by_sysfs(void **state)
{
	struct sysfs_fn fn = { .bdf = FAKE_BDF, .driver = "nvme", .group = 7 };
	struct sysfs_fn other = { .bdf = "0000:00:04.1", .driver = "ahci", .group = 7 };
	struct vfio_rig r;

	vfio_rig_init(&r);
	sysfs_del(r.sys);
	assert_int_equal(mkdir(r.sys, 0700), 0);
	sysfs_add(r.sys, &fn);
	sysfs_add(r.sys, &other);
	sysfs_file(r.sys, "class/iommu/dmar0/intel-iommu/cap", "0\n");
	sysfs_file(r.sys, "class/iommu/dmar0/intel-iommu/ecap", "880000000000\n");
	run(&r);
	assert_false(all_ok);
	assert_non_null(strstr(text, "|nidus bind " FAKE_BDF));
	assert_non_null(strstr(text, "|nidus bind 0000:00:04.1"));
	assert_non_null(strstr(text, "can nest: no, because dmar0 lacks nested"));
	vfio_rig_fini(&r);
}

static void test_check_vfio_names_what_the_kernel_lacks(void **state)
{
	struct vfio_rig r;

	vfio_rig_init(&r);
	fake.open_errno = ENOENT;
	run(&r);
	assert_false(all_ok);
	assert_non_null(strstr(text, "CONFIG_IOMMUFD"));
	free(r.c.vfios[0].bdf);
	r.c.vfios[0].bdf = strdup("0000:7f:00.0");
	run(&r);
	assert_non_null(strstr(text, "no such PCI function"));
	vfio_rig_fini(&r);
}

static void test_check_vfio_without_functions_is_silent(void **state)
{
	struct vfio_rig r;

	vfio_rig_init(&r);
	r.c.n_vfios = 0;
	run(&r);
	assert_string_equal(text, "");
	r.c.n_vfios = 1;
	vfio_rig_fini(&r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_check_vfio_bound_device_is_asked_itself),
		cmocka_unit_test(test_check_vfio_unbound_device_is_judged_by_sysfs),
		cmocka_unit_test(test_check_vfio_names_what_the_kernel_lacks),
		cmocka_unit_test(test_check_vfio_without_functions_is_silent),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
