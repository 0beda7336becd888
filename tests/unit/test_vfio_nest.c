/* SPDX-License-Identifier: Apache-2.0 */
// wrap: open64 ioctl pread64 pwrite64 mmap64 close nanosleep
#include "tests/unit/unit.h"

#include "tests/unit/vfio_fake.h"

static struct vfio_rig r;

/* Starts with these; the status. What was said is in said[]. */
static char said[4096];

static int start(enum viommu_kind kind, enum tristate viommu)
{
	int status, fd = dup(2), out = memfd_create("stderr", 0);
	ssize_t n;

	r.c.viommu = kind;
	r.c.vfios[0].viommu = viommu;
	log_set_level(LOG_WARN);
	dup2(out, 2);
	status = vfio_create(&r.c, &r.k, r.sys, &r.v);
	dup2(fd, 2);
	close(fd);
	n = pread(out, said, sizeof(said) - 1, 0);
	close(out);
	said[n > 0 ? n : 0] = 0;
	return status;
}

static unsigned lines(void)
{
	unsigned n = 0;

	for (const char *s = said; (s = strchr(s, '\n')); s++)
		n++;
	return n;
}

static void init(bool amd)
{
	vfio_rig_init(&r);
	fake.amd = amd;
}

static void fini(void)
{
	vfio_rig_fini(&r);
	assert_int_equal(fake.n_live, 0);
}

/* Ways in which a host cannot nest AMD's tables, and a word of the reason. */
static const struct {
	bool amd, ats;
	u64 efr, efr2;
	int viommu_errno, amd_table_errno, invalidate_errno;
	const char *word;
} hosts[] = {
	{ false, false, ~0ULL, ~0ULL, 0, 0, 0, "--viommu vtd" },
	{ true, false, ~BIT(4), ~0ULL, 0, 0, 0, "EFR.GTSup" },
	{ true, false, ~BIT(48), ~0ULL, 0, 0, 0, "EFR.GIOSup" },
	{ true, false, ~0ULL, ~BIT(3), 0, 0, 0, "EFR2.GCR3TRPMode" },
	{ true, true, ~0ULL, ~0ULL, 0, 0, 0, "pci=noats" },
	{ true, false, ~0ULL, ~0ULL, EOPNOTSUPP, 0, 0, "VIOMMU_ALLOC" },
	{ true, false, ~0ULL, ~0ULL, 0, EOPNOTSUPP, 0, "HWPT_ALLOC): Operation not supported" }, /* Linux 7.3 */
	{ true, false, ~0ULL, ~0ULL, 0, 0, EOPNOTSUPP, "HWPT_INVALIDATE" },
};

static void as_host(unsigned i)
{
	init(hosts[i].amd);
	fake.ats = hosts[i].ats;
	fake.efr = hosts[i].efr;
	fake.efr2 = hosts[i].efr2;
	fake.viommu_errno = hosts[i].viommu_errno;
	fake.amd_table_errno = hosts[i].amd_table_errno;
	fake.invalidate_errno = hosts[i].invalidate_errno;
}

static void test_nest_amd_device_nobody_asked_for_stays_outside_with_one_warning(void **state)
{
	for (unsigned i = 0; i < ARRAY_SIZE(hosts); i++) {
		as_host(i);
		assert_int_equal(start(VIOMMU_AMDVI, UNSET), 0);
		assert_int_equal(lines(), 1);
		assert_non_null(strstr(said, "warning: --vfio " FAKE_BDF ": behind no vIOMMU"));
		assert_non_null(strstr(said, hosts[i].word));
		assert_false(r.v->dev[0]->viommu);
		assert_int_equal(vfio_parent(r.v->dev[0]), 0);
		assert_int_equal(fake.attached, r.v->ioas);
		fini();
	}
}

static void test_nest_amd_device_asked_for_is_refused_with_the_reason(void **state)
{
	for (unsigned i = 0; i < ARRAY_SIZE(hosts); i++) {
		as_host(i);
		assert_int_equal(start(VIOMMU_AMDVI, ON), EXIT_HOST);
		assert_int_equal(lines(), 1);
		assert_non_null(strstr(said, hosts[i].word));
		assert_non_null(strstr(said, "viommu=off"));
		fini();
	}
}

static void test_nest_auto_on_amd_needs_the_kernel(void **state)
{
	for (unsigned i = 1; i < ARRAY_SIZE(hosts); i++) {
		as_host(i);
		assert_int_equal(start(VIOMMU_AUTO, UNSET), EXIT_HOST);
		assert_int_equal(lines(), 1);
		assert_non_null(strstr(said, "viommu=off"));
		fini();
		as_host(i);
		assert_int_equal(start(VIOMMU_AUTO, OFF), 0);
		assert_int_equal(vfio_unit_kind(r.v), VIOMMU_VTD);
		fini();
	}
}

static void test_nest_auto_takes_what_the_device_has(void **state)
{
	init(true);
	assert_int_equal(start(VIOMMU_AUTO, UNSET), 0);
	assert_string_equal(said, "");
	assert_true(r.v->dev[0]->viommu);
	assert_int_equal(vfio_unit_kind(r.v), VIOMMU_AMDVI);
	fini();
	init(false);
	assert_int_equal(start(VIOMMU_AUTO, UNSET), 0);
	assert_int_equal(vfio_unit_kind(r.v), VIOMMU_VTD);
	fini();
	assert_int_equal(vfio_unit_kind(NULL), VIOMMU_VTD);
}

static void test_nest_vtd_on_amd_says_which_kind_fits(void **state)
{
	init(true);
	assert_int_equal(start(VIOMMU_VTD, UNSET), EXIT_HOST);
	assert_non_null(strstr(said, "--viommu amdvi"));
	fini();
}

static void test_nest_amd_beside_peer_memory_is_refused(void **state)
{
	init(true);
	r.c.vfios[0].p2p = ON;
	assert_int_equal(start(VIOMMU_AMDVI, ON), EXIT_HOST);
	assert_non_null(strstr(said, "p2p=on"));
	fini();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_nest_amd_device_nobody_asked_for_stays_outside_with_one_warning),
		cmocka_unit_test(test_nest_amd_device_asked_for_is_refused_with_the_reason),
		cmocka_unit_test(test_nest_auto_on_amd_needs_the_kernel),
		cmocka_unit_test(test_nest_auto_takes_what_the_device_has),
		cmocka_unit_test(test_nest_vtd_on_amd_says_which_kind_fits),
		cmocka_unit_test(test_nest_amd_beside_peer_memory_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
