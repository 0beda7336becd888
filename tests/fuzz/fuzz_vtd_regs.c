/* SPDX-License-Identifier: Apache-2.0 */
/* The VT-d unit under viommu_fuzz.h. */
#include "tests/fuzz/viommu_fuzz.h"

int LLVMFuzzerTestOneInput(const u8 *data, size_t size);

static u64 unit_reg(u64 a)
{
	return a % 0x300;
}

int LLVMFuzzerTestOneInput(const u8 *data, size_t size)
{
	return unit_fuzz(VIOMMU_VTD, data, size);
}
