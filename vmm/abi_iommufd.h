/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The part of the kernel's iommufd interface that nidus uses, under names of its own: distributions' headers are older.
 * test_abi_iommufd.c compares it with an installed <linux/iommufd.h> that is new enough, and with the known sizes anyway.
 * Every struct begins with its own size; the kernel fills out_ fields.
 */
#ifndef NIDUS_ABI_IOMMUFD_H
#define NIDUS_ABI_IOMMUFD_H

#include <sys/ioctl.h>

#include "vmm/bits.h"

#define IOMMUFD_IO(nr) _IO(';', nr)

#define IOMMUFD_DESTROY IOMMUFD_IO(0x80)
#define IOMMUFD_IOAS_ALLOC IOMMUFD_IO(0x81)
#define IOMMUFD_IOAS_MAP IOMMUFD_IO(0x85)
#define IOMMUFD_IOAS_UNMAP IOMMUFD_IO(0x86)
#define IOMMUFD_HWPT_ALLOC IOMMUFD_IO(0x89)
#define IOMMUFD_GET_HW_INFO IOMMUFD_IO(0x8a)
#define IOMMUFD_HWPT_INVALIDATE IOMMUFD_IO(0x8d)
#define IOMMUFD_IOAS_MAP_FILE IOMMUFD_IO(0x8f)
#define IOMMUFD_VIOMMU_ALLOC IOMMUFD_IO(0x90)
#define IOMMUFD_VDEVICE_ALLOC IOMMUFD_IO(0x91)

struct iommufd_destroy {
	u32 size, id;
};

struct iommufd_ioas_alloc {
	u32 size, flags, out_id;
};

#define IOMMUFD_MAP_FIXED BIT(0)
#define IOMMUFD_MAP_WRITE BIT(1)
#define IOMMUFD_MAP_READ BIT(2)

struct iommufd_ioas_map {
	u32 size, flags, ioas_id, pad;
	u64 user_va, length, iova;
};

struct iommufd_ioas_map_file {
	u32 size, flags, ioas_id;
	s32 fd;
	u64 start, length, iova;
};

struct iommufd_ioas_unmap {
	u32 size, ioas_id;
	u64 iova, length;
};

struct iommufd_hw_info {
	u32 size, flags, dev_id, data_len;
	u64 data_uptr;
	u32 out_data_type;
	u8 out_max_pasid_log2, pad[3];
	u64 out_capabilities;
};
#define IOMMUFD_HW_NONE 0
#define IOMMUFD_HW_VTD 1
#define IOMMUFD_HW_AMD 4
/* out_capabilities: the device cannot use a device TLB here. */
#define IOMMUFD_CAP_NO_ATS BIT(3)

struct iommufd_hw_vtd {
	u32 flags, pad;
	u64 cap, ecap;
};

struct iommufd_hwpt_alloc {
	u32 size, flags, dev_id, pt_id, out_id, pad, data_type, data_len;
	u64 data_uptr;
	u32 fault_id, pad2;
};
#define IOMMUFD_HWPT_NEST_PARENT BIT(0)
#define IOMMUFD_HWPT_DATA_NONE 0
#define IOMMUFD_HWPT_DATA_VTD_S1 1
#define IOMMUFD_HWPT_DATA_AMD_GUEST 3

struct iommufd_vtd_s1 {
	u64 flags, pgtbl_addr;
	u32 addr_width, pad;
};
#define IOMMUFD_VTD_S1_SRE BIT(0)
#define IOMMUFD_VTD_S1_EAFE BIT(1)
#define IOMMUFD_VTD_S1_WPE BIT(2)

struct iommufd_hw_amd {
	u64 efr, efr2;
};

struct iommufd_amd_guest {
	u64 dte[4];
};

struct iommufd_viommu_alloc {
	u32 size, flags, type, dev_id, hwpt_id, out_id, data_len, pad;
	u64 data_uptr;
};
/* Linux 7.3 has no number of its own for AMD and takes any but 0. */
#define IOMMUFD_VIOMMU_AMD 3

struct iommufd_vdevice_alloc {
	u32 size, viommu_id, dev_id, out_id;
	u64 virt_id;
};

struct iommufd_invalidate {
	u32 size, hwpt_id;
	u64 data_uptr;
	u32 data_type, entry_len, entry_num, pad;
};
#define IOMMUFD_INV_VTD_S1 0

struct iommufd_vtd_s1_inv {
	u64 addr, npages;
	u32 flags, pad;
};
#define IOMMUFD_VTD_S1_INV_LEAF BIT(0)


/* No released kernel takes it: the guest's command as its IOMMU has it, INVALIDATE_IOMMU_PAGES only. */
#define IOMMUFD_INV_AMD 3
struct iommufd_amd_inv {
	u64 qw[2];
};

#endif
