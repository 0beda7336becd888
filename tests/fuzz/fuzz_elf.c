/* SPDX-License-Identifier: Apache-2.0 */
/* Hostile ELF: arbitrary bytes behind the identification. */
#include "boot_fuzz.h"

int LLVMFuzzerTestOneInput(const u8 *data, size_t size)
{
	u8 *im;

	if (size < 20 || size > 1 << 16)
		return 0;
	im = malloc(size);
	if (!im)
		return 0;
	memcpy(im, data, size);
	memcpy(im, "\177ELF\2\1\1", 7);
	put_le(im + 18, 2, 62);
	boot_fuzz(im, size);
	free(im);
	return 0;
}
