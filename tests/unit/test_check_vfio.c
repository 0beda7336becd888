/* SPDX-License-Identifier: Apache-2.0 */
// wrap: open64 ioctl pread64 pwrite64 mmap64 close getrlimit64
#include "tests/unit/unit.h"

#include <linux/capability.h>
#include <sys/resource.h>
#include <sys/syscall.h>

#include "tests/unit/vfio_fake.h"
#include "vmm/check_vfio.h"

static char text[8192];
static bool all_ok;

static rlim_t limit = RLIM_INFINITY;

int __wrap_getrlimit64(int what, struct rlimit *out);
int __wrap_getrlimit64(int what, struct rlimit *out)
{
	*out = (struct rlimit){ limit, limit };
	return 0;
}

static void add(void *arg, const struct check_finding *f)
{
	size_t n = strlen(text);

	all_ok &= f->ok;
	assert_true(f->ok == !f->remedy[0]);
	/* What is about a function names it, twice: for who reads and for who counts. */
	assert_true(!f->bdf || strstr(f->detail, f->bdf));
	assert_true((f->answer == UNSET) == (strncmp(f->what, "nest", 4) != 0));
	snprintf(text + n, sizeof(text) - n, "%s|%s|%s%s\n", f->what, f->detail, f->remedy, f->answer == UNSET ? "" : f->answer == ON ? "yes" : "no");
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
	assert_non_null(strstr(text, "nest-bit|" FAKE_BDF ": dmar0 ECAP.NEST: yes (needed, the IOMMU says so)"));
	assert_non_null(strstr(text, "group|" FAKE_BDF ": IOMMU group 7, alone in it"));
	assert_non_null(strstr(text, "kernel|Linux "));
	fake.ecap = ~BIT(26);
	run(&r);
	assert_true(all_ok);
	assert_non_null(strstr(text, "nest-bit|" FAKE_BDF ": dmar0 ECAP.NEST: no (needed, the IOMMU says so)"));
	assert_non_null(strstr(text, "nest-bit|" FAKE_BDF ": dmar0 ECAP.SMTS: yes (needed, the IOMMU says so)"));
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
	assert_non_null(strstr(text, "ECAP.NEST: no (needed, sysfs says so; bind it to ask the IOMMU)"));
	assert_non_null(strstr(text, "CAP.FS1GP: no (used if there, sysfs"));
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

static void test_check_vfio_tells_a_device_in_use_and_its_group(void **state)
{
	struct sysfs_fn port = { .bdf = "0000:00:03.0", .class = "0x060400\n", .driver = "pcieport", .group = 7 };
	struct vfio_rig r;

	vfio_rig_init(&r);
	sysfs_add(r.sys, &port);
	fake.bind_errno = EINVAL;
	run(&r);
	assert_false(all_ok);
	assert_non_null(strstr(text, "cdev|" FAKE_BDF ": /dev/vfio/devices/vfio0 is in use|end the VM"));
	assert_non_null(strstr(text, "group|" FAKE_BDF ": IOMMU group 7, with 0000:00:03.0 (pcieport): none held"));
	vfio_rig_fini(&r);
}

/* No remedy that bind would refuse. */
static void test_check_vfio_bridge_is_not_to_be_bound(void **state)
{
	struct sysfs_fn fn = { .bdf = FAKE_BDF, .class = "0x060400\n", .driver = "pcieport", .group = 7 };
	struct vfio_rig r;

	vfio_rig_init(&r);
	sysfs_del(r.sys);
	assert_int_equal(mkdir(r.sys, 0700), 0);
	sysfs_add(r.sys, &fn);
	run(&r);
	assert_false(all_ok);
	assert_non_null(strstr(text, "it is a bridge, which cannot be assigned|name a function behind it"));
	assert_null(strstr(text, "nidus bind"));
	vfio_rig_fini(&r);
}

/* Takes CAP_IPC_LOCK away from this process, or gives it back if it was there. */
static void ipc_lock(bool on)
{
	struct __user_cap_header_struct h = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct d[2];

	assert_int_equal(syscall(SYS_capget, &h, d), 0);
	d[0].effective &= ~(u32)BIT(CAP_IPC_LOCK);
	d[0].effective |= on ? d[0].permitted & (u32)BIT(CAP_IPC_LOCK) : 0;
	assert_int_equal(syscall(SYS_capset, &h, d), 0);
}

static void test_check_vfio_counts_memory_over_all_vms(void **state)
{
	struct vfio_rig r;

	vfio_rig_init(&r);
	r.c.mem_bytes = MiB(64);
	limit = MiB(32);
	ipc_lock(false);
	run(&r);
	assert_false(all_ok);
	assert_non_null(strstr(text, "memlock|32 MiB may be pinned over all VMs of this user; needed are 64 for this one (-m)"));
	assert_non_null(strstr(text, "LimitMEMLOCK="));
	limit = GiB(1024);
	run(&r);
	assert_true(all_ok);
	limit = RLIM_INFINITY;
	run(&r);
	assert_non_null(strstr(text, "memlock|RAM of guests may be pinned without limit"));
	ipc_lock(true);
	vfio_rig_fini(&r);
}

static void test_check_vfio_without_functions_is_one_line(void **state)
{
	struct vfio_rig r;

	vfio_rig_init(&r);
	r.c.n_vfios = 0;
	fake.open_errno = ENOENT;
	run(&r);
	assert_true(all_ok);
	assert_string_equal(text, "vfio|/dev/iommu: --vfio cannot work: No such file or directory; 'nidus check BDF' says more of a PCI function|\n");
	r.c.n_vfios = 1;
	vfio_rig_fini(&r);
}

static void test_check_vfio_amd_kernel_is_tried(void **state)
{
	struct vfio_rig r;

	vfio_rig_init(&r);
	fake.amd = true;
	run(&r);
	assert_non_null(strstr(text, "can nest: yes"));
	assert_non_null(strstr(text, "EFR.GTSup: yes (needed"));
	fake.amd_table_errno = EOPNOTSUPP;
	run(&r);
	assert_true(all_ok);
	assert_non_null(strstr(text, "can nest: no, because dmar0 lacks nested AMD tables (HWPT_ALLOC)"));
	assert_int_equal(fake.n_live, 0);
	vfio_rig_fini(&r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_check_vfio_bound_device_is_asked_itself),
		cmocka_unit_test(test_check_vfio_unbound_device_is_judged_by_sysfs),
		cmocka_unit_test(test_check_vfio_names_what_the_kernel_lacks),
		cmocka_unit_test(test_check_vfio_tells_a_device_in_use_and_its_group),
		cmocka_unit_test(test_check_vfio_bridge_is_not_to_be_bound),
		cmocka_unit_test(test_check_vfio_counts_memory_over_all_vms),
		cmocka_unit_test(test_check_vfio_without_functions_is_one_line),
		cmocka_unit_test(test_check_vfio_amd_kernel_is_tried),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
