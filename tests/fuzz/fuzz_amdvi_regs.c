/* SPDX-License-Identifier: Apache-2.0 */
/* The AMD-Vi unit under viommu_fuzz.h. */
#include "tests/fuzz/viommu_fuzz.h"

int LLVMFuzzerTestOneInput(const u8 *data, size_t size);

static u64 unit_reg(u64 a)
{
	return a & 0x40 ? 0x2000 + a % 0x40 : a % 0x40;
}

int LLVMFuzzerTestOneInput(const u8 *data, size_t size)
{
	return unit_fuzz(VIOMMU_AMDVI, data, size);
}
