/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/unit.h"

#include "vmm/abi_iommufd.h"

/* As documented for Linux 7.3: what distributions' headers are too old for. */
static const struct { unsigned long have, want; } rows[] = {
	{ IOMMUFD_VIOMMU_ALLOC, 0x3b90 }, { IOMMUFD_VDEVICE_ALLOC, 0x3b91 }, { sizeof(struct iommufd_viommu_alloc), 40 },
	{ sizeof(struct iommufd_vdevice_alloc), 24 }, { sizeof(struct iommufd_hw_amd), 16 }, { sizeof(struct iommufd_amd_guest), 32 },
	{ sizeof(struct iommufd_amd_inv), 16 }, { offsetof(struct iommufd_viommu_alloc, data_uptr), 32 },
	{ offsetof(struct iommufd_vdevice_alloc, virt_id), 16 }, { IOMMUFD_DESTROY, 0x3b80 }, { IOMMUFD_IOAS_ALLOC, 0x3b81 }, { IOMMUFD_IOAS_MAP, 0x3b85 }, { IOMMUFD_IOAS_UNMAP, 0x3b86 },
	{ IOMMUFD_HWPT_ALLOC, 0x3b89 }, { IOMMUFD_GET_HW_INFO, 0x3b8a }, { IOMMUFD_HWPT_INVALIDATE, 0x3b8d }, { IOMMUFD_IOAS_MAP_FILE, 0x3b8f },
	{ sizeof(struct iommufd_destroy), 8 }, { sizeof(struct iommufd_ioas_alloc), 12 }, { sizeof(struct iommufd_ioas_map), 40 },
	{ sizeof(struct iommufd_ioas_map_file), 40 }, { sizeof(struct iommufd_ioas_unmap), 24 }, { sizeof(struct iommufd_hw_info), 40 },
	{ sizeof(struct iommufd_hw_vtd), 24 }, { sizeof(struct iommufd_hwpt_alloc), 48 }, { sizeof(struct iommufd_vtd_s1), 24 },
	{ sizeof(struct iommufd_invalidate), 32 }, { sizeof(struct iommufd_vtd_s1_inv), 24 },
};

static void test_abi_iommufd_has_known_numbers(void **state)
{
	for (unsigned i = 0; i < ARRAY_SIZE(rows); i++) {
		if (rows[i].have != rows[i].want)
			fail_msg("row %u: 0x%lx, not 0x%lx", i, rows[i].have, rows[i].want);
	}
}

#if __has_include(<linux/iommufd.h>)
#include <linux/iommufd.h>
#ifdef IOMMU_IOAS_MAP_FILE
#define HAVE_HEADER
#endif
#endif

static void test_abi_iommufd_is_the_installed_headers(void **state)
{
#ifdef HAVE_HEADER
	assert_int_equal(IOMMUFD_IOAS_MAP_FILE, IOMMU_IOAS_MAP_FILE);
	assert_int_equal(IOMMUFD_HWPT_INVALIDATE, IOMMU_HWPT_INVALIDATE);
	assert_int_equal(IOMMUFD_HWPT_NEST_PARENT, IOMMU_HWPT_ALLOC_NEST_PARENT);
	assert_int_equal(offsetof(struct iommufd_hw_info, out_capabilities), offsetof(struct iommu_hw_info, out_capabilities));
	assert_int_equal(offsetof(struct iommufd_hwpt_alloc, data_uptr), offsetof(struct iommu_hwpt_alloc, data_uptr));
	assert_int_equal(offsetof(struct iommufd_vtd_s1, addr_width), offsetof(struct iommu_hwpt_vtd_s1, addr_width));
	assert_int_equal(offsetof(struct iommufd_invalidate, entry_num), offsetof(struct iommu_hwpt_invalidate, entry_num));
#else
	/* No <linux/iommufd.h>, or one older than Linux 6.13. */
	skip();
#endif
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_abi_iommufd_has_known_numbers),
		cmocka_unit_test(test_abi_iommufd_is_the_installed_headers),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
