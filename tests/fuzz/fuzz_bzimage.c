/* SPDX-License-Identifier: Apache-2.0 */
/* Hostile bzImage: arbitrary bytes behind the two magics. */
#include "boot_fuzz.h"

int LLVMFuzzerTestOneInput(const u8 *data, size_t size)
{
	u8 *im;

	if (size < 0x206 || size > 1 << 16)
		return 0;
	im = malloc(size);
	if (!im)
		return 0;
	memcpy(im, data, size);
	put_le(im + 0x1fe, 2, 0xaa55);
	memcpy(im + 0x202, "HdrS", 4);
	boot_fuzz(im, size);
	free(im);
	return 0;
}
