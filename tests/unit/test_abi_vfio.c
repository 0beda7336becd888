/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/unit.h"

#include <linux/vfio.h>

/* The real names first: ours may reuse a macro's. */
enum {
	REAL_INFO = VFIO_DEVICE_GET_INFO, REAL_REGION = VFIO_DEVICE_GET_REGION_INFO, REAL_IRQ = VFIO_DEVICE_GET_IRQ_INFO,
	REAL_SET = VFIO_DEVICE_SET_IRQS, REAL_RESET = VFIO_DEVICE_RESET, REAL_HOT = VFIO_DEVICE_PCI_HOT_RESET,
	REAL_FEATURE = VFIO_DEVICE_FEATURE,
};

#include "vmm/abi_vfio.h"

static const struct { unsigned long ours, real; } numbers[] = {
	{ VFIO_GET_INFO, REAL_INFO }, { VFIO_GET_REGION_INFO, REAL_REGION }, { VFIO_GET_IRQ_INFO, REAL_IRQ }, { VFIO_SET_IRQS, REAL_SET },
	{ VFIO_RESET, REAL_RESET }, { VFIO_PCI_HOT_RESET, REAL_HOT },
	{ VFIO_INFO_RESET, VFIO_DEVICE_FLAGS_RESET }, { VFIO_INFO_PCI, VFIO_DEVICE_FLAGS_PCI },
	{ VFIO_REGION_READ, VFIO_REGION_INFO_FLAG_READ }, { VFIO_REGION_WRITE, VFIO_REGION_INFO_FLAG_WRITE },
	{ VFIO_REGION_MMAP, VFIO_REGION_INFO_FLAG_MMAP }, { VFIO_REGION_CAPS, VFIO_REGION_INFO_FLAG_CAPS },
	{ VFIO_REGION_CONFIG, VFIO_PCI_CONFIG_REGION_INDEX }, { VFIO_REGION_ROM, VFIO_PCI_ROM_REGION_INDEX },
	{ VFIO_CAP_SPARSE_MMAP, VFIO_REGION_INFO_CAP_SPARSE_MMAP },
	{ VFIO_IRQ_INTX, VFIO_PCI_INTX_IRQ_INDEX }, { VFIO_IRQ_MSI, VFIO_PCI_MSI_IRQ_INDEX }, { VFIO_IRQ_MSIX, VFIO_PCI_MSIX_IRQ_INDEX },
	{ VFIO_IRQ_ERR, VFIO_PCI_ERR_IRQ_INDEX }, { VFIO_IRQ_REQ, VFIO_PCI_REQ_IRQ_INDEX },
	{ VFIO_IRQ_NORESIZE, VFIO_IRQ_INFO_NORESIZE }, { VFIO_SET_NONE, VFIO_IRQ_SET_DATA_NONE },
	{ VFIO_SET_EVENTFD, VFIO_IRQ_SET_DATA_EVENTFD }, { VFIO_SET_UNMASK, VFIO_IRQ_SET_ACTION_UNMASK },
	{ VFIO_SET_TRIGGER, VFIO_IRQ_SET_ACTION_TRIGGER },
	{ sizeof(struct vfio_region_reply), sizeof(struct vfio_region_info) },
	{ offsetof(struct vfio_region_reply, size), offsetof(struct vfio_region_info, size) },
	{ offsetof(struct vfio_region_reply, offset), offsetof(struct vfio_region_info, offset) },
	{ sizeof(struct vfio_cap_sparse), sizeof(struct vfio_region_info_cap_sparse_mmap) },
	{ sizeof(struct vfio_irq_reply), sizeof(struct vfio_irq_info) },
	{ sizeof(struct vfio_irq_request), sizeof(struct vfio_irq_set) },
	{ offsetof(struct vfio_info, flags), offsetof(struct vfio_device_info, flags) },
	{ sizeof(struct vfio_hot_reset), sizeof(struct vfio_pci_hot_reset) },
	{ VFIO_FEATURE, REAL_FEATURE }, { VFIO_FEATURE_GET, VFIO_DEVICE_FEATURE_GET },
	{ offsetof(struct vfio_dma_buf, region_index), offsetof(struct vfio_device_feature, data) },
#ifdef VFIO_DEVICE_FEATURE_DMA_BUF
	{ VFIO_FEATURE_DMA_BUF, VFIO_DEVICE_FEATURE_DMA_BUF },
	{ sizeof(struct vfio_dma_buf) - 8 - 16, sizeof(struct vfio_device_feature_dma_buf) },
#endif
#ifdef VFIO_DEVICE_BIND_IOMMUFD
	{ VFIO_BIND_IOMMUFD, VFIO_DEVICE_BIND_IOMMUFD }, { VFIO_ATTACH_PT, VFIO_DEVICE_ATTACH_IOMMUFD_PT },
	{ VFIO_DETACH_PT, VFIO_DEVICE_DETACH_IOMMUFD_PT },
	{ offsetof(struct vfio_bind, out_devid), offsetof(struct vfio_device_bind_iommufd, out_devid) },
	{ offsetof(struct vfio_attach_pt, pt_id), offsetof(struct vfio_device_attach_iommufd_pt, pt_id) },
#endif
};

static void test_abi_vfio_is_the_kernels(void **state)
{
	for (unsigned i = 0; i < ARRAY_SIZE(numbers); i++) {
		if (numbers[i].ours != numbers[i].real)
			fail_msg("row %u: 0x%lx, not 0x%lx", i, numbers[i].ours, numbers[i].real);
	}
}

/* What headers before Linux 6.6 do not have. */
static void test_abi_vfio_device_file_calls_have_known_numbers(void **state)
{
	assert_int_equal(VFIO_BIND_IOMMUFD, 0x3b76);
	assert_int_equal(VFIO_ATTACH_PT, 0x3b77);
	assert_int_equal(VFIO_DETACH_PT, 0x3b78);
	assert_int_equal(VFIO_FEATURE, 0x3b75);
	assert_int_equal(sizeof(struct vfio_dma_buf), 40);
	assert_int_equal(sizeof(struct vfio_bind), 16);
	assert_int_equal(sizeof(struct vfio_attach_pt), 12);
	assert_int_equal(sizeof(struct vfio_detach_pt), 8);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_abi_vfio_is_the_kernels),
		cmocka_unit_test(test_abi_vfio_device_file_calls_have_known_numbers),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
